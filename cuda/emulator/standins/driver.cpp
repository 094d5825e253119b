// libcuda.so.1: devices and contexts. There is one device. Its primary context shares the machine
// of the emulated backend; every other context has a machine of its own, so that memory and streams
// of one are unknown to the other.

#include "driver.h"

#include <cstring>
#include <vector>

namespace frnn::standins {
namespace {

constexpr int kDriverVersion = 12060;

std::mutex contexts_lock;
std::vector<std::unique_ptr<ContextHandle>> contexts;  // the primary one, too, while retained
thread_local std::vector<std::shared_ptr<machine::emulated::Machine>> pushed;

ContextHandle* find(const void* handle) {
  const std::lock_guard<std::mutex> guard(contexts_lock);
  for (const auto& known : contexts) {
    if (known.get() == handle) return known.get();
  }
  return nullptr;
}

ContextHandle* primary() {
  const std::lock_guard<std::mutex> guard(contexts_lock);
  for (const auto& known : contexts) {
    if (known->primary) return known.get();
  }
  return nullptr;
}

template <class Match>
ContextHandle* first(Match match) {
  const std::lock_guard<std::mutex> guard(contexts_lock);
  for (const auto& known : contexts) {
    if (match(*known)) return known.get();
  }
  return nullptr;
}

void close(const ContextHandle* handle) {
  const std::lock_guard<std::mutex> guard(contexts_lock);
  for (auto known = contexts.begin(); known != contexts.end(); ++known) {
    if (known->get() != handle) continue;
    contexts.erase(known);
    return;
  }
}

Status open(bool is_primary, ContextHandle** handle) {
  auto opened = std::make_unique<ContextHandle>();
  FRNN_TRY(bridge().open(is_primary, &opened->context));
  opened->primary = is_primary;
  *handle = opened.get();
  const std::lock_guard<std::mutex> guard(contexts_lock);
  contexts.push_back(std::move(opened));
  return Status::success();
}

const char* name_of(int code) {
  switch (code) {
    case kSuccess:
      return "CUDA_SUCCESS";
    case kInvalidValue:
      return "CUDA_ERROR_INVALID_VALUE";
    case kOutOfMemory:
      return "CUDA_ERROR_OUT_OF_MEMORY";
    case kNotInitialized:
      return "CUDA_ERROR_NOT_INITIALIZED";
    case kInvalidDevice:
      return "CUDA_ERROR_INVALID_DEVICE";
    case kInvalidImage:
      return "CUDA_ERROR_INVALID_IMAGE";
    case kInvalidContext:
      return "CUDA_ERROR_INVALID_CONTEXT";
    case kNotFound:
      return "CUDA_ERROR_NOT_FOUND";
    case kNotReady:
      return "CUDA_ERROR_NOT_READY";
    case kLaunchFailed:
      return "CUDA_ERROR_LAUNCH_FAILED";
    case kNotSupported:
      return "CUDA_ERROR_NOT_SUPPORTED";
    default:
      return "CUDA_ERROR_UNKNOWN";
  }
}

}  // namespace

ContextHandle* current() {
  const auto machine = bridge().current();
  if (machine == nullptr) return nullptr;
  return first([&](const ContextHandle& known) { return known.context->machine() == machine; });
}

ContextHandle* owner_of_stream(void* stream) {
  if (stream == nullptr) return current();
  return first([&](const ContextHandle& known) {
    return bridge().has_stream(*known.context->machine(),
                               reinterpret_cast<machine::Stream>(stream));
  });
}

ContextHandle* owner_of_memory(int64_t address, int64_t* base, int64_t* bytes) {
  return first([&](const ContextHandle& known) {
    return bridge().range(*known.context->machine(), address, base, bytes).ok();
  });
}

int fail(const char* call, int code, const std::string& why) {
  return complain("libcuda.so.1", call, code, why.c_str());
}

int answer(const char* call, const Status& status) {
  switch (status.code) {
    case FRNN_OK:
      return kSuccess;
    case FRNN_INVALID_ARGUMENT:
      return fail(call, kInvalidValue, status.text);
    case FRNN_OUT_OF_MEMORY:
      return fail(call, kOutOfMemory, status.text);
    case FRNN_UNSUPPORTED:
      return fail(call, kNotSupported, status.text);
    case FRNN_DEVICE_ERROR:
      return fail(call, kLaunchFailed, status.text);
    default:
      return fail(call, kUnknown, status.text);
  }
}

}  // namespace frnn::standins

using namespace frnn::standins;

// ---- The driver and its device ------------------------------------------------------------------

FRNN_STANDIN int cuInit(unsigned) {
  return kSuccess;
}

FRNN_STANDIN int cuDriverGetVersion(int* version) {
  *version = kDriverVersion;
  return kSuccess;
}

FRNN_STANDIN int cuGetErrorName(int code, const char** text) {
  *text = name_of(code);
  return kSuccess;
}

FRNN_STANDIN int cuGetErrorString(int code, const char** text) {
  *text = name_of(code);
  return kSuccess;
}

FRNN_STANDIN int cuDeviceGetCount(int* count) {
  *count = 1;
  return kSuccess;
}

FRNN_STANDIN int cuDeviceGet(int* device, int ordinal) {
  *device = 0;
  return ordinal == 0 ? kSuccess : fail("cuDeviceGet", kInvalidDevice, "there is device 0 alone");
}

FRNN_STANDIN int cuDeviceGetName(char* name, int length, int) {
  if (length > 0) std::snprintf(name, static_cast<size_t>(length), "emulated GPU");
  return kSuccess;
}

FRNN_STANDIN int cuDeviceComputeCapability(int* major, int* minor, int) {
  *major = 9;
  *minor = 0;
  return kSuccess;
}

FRNN_STANDIN int cuDeviceGetAttribute(int* value, int attribute, int) {
  switch (attribute) {  // CUdevice_attribute
    case 1:             // MAX_THREADS_PER_BLOCK
      *value = 1024;
      return kSuccess;
    case 10:  // WARP_SIZE
      *value = 32;
      return kSuccess;
    case 41:  // UNIFIED_ADDRESSING
      *value = 1;
      return kSuccess;
    case 75:  // COMPUTE_CAPABILITY_MAJOR
      *value = 9;
      return kSuccess;
    case 76:  // COMPUTE_CAPABILITY_MINOR
      *value = 0;
      return kSuccess;
    default:
      return fail("cuDeviceGetAttribute", kNotSupported,
                  "the stand-in lacks attribute " + std::to_string(attribute));
  }
}

// ---- Contexts -----------------------------------------------------------------------------------

FRNN_STANDIN int cuDevicePrimaryCtxRetain(void** context, int) {
  ContextHandle* handle = primary();
  if (handle == nullptr) {
    const frnn::Status opened = open(true, &handle);
    if (!opened.ok()) return answer("cuDevicePrimaryCtxRetain", opened);
  }
  ++handle->retained;
  *context = handle;
  return kSuccess;
}

FRNN_STANDIN int cuDevicePrimaryCtxRelease_v2(int) {
  ContextHandle* const handle = primary();
  if (handle == nullptr) {
    return fail("cuDevicePrimaryCtxRelease", kInvalidContext, "it is not retained");
  }
  if (--handle->retained == 0) close(handle);
  return kSuccess;
}

FRNN_STANDIN int cuDevicePrimaryCtxGetState(int, unsigned* flags, int* active) {
  *flags = 0;
  *active = primary() != nullptr ? 1 : 0;
  return kSuccess;
}

FRNN_STANDIN int cuCtxGetCurrent(void** context) {
  *context = current();
  return kSuccess;
}

FRNN_STANDIN int cuCtxSetCurrent(void* context) {
  if (context == nullptr) {
    bridge().set_current(nullptr);
    return kSuccess;
  }
  const ContextHandle* const handle = find(context);
  if (handle == nullptr) return fail("cuCtxSetCurrent", kInvalidContext, "not a live context");
  bridge().set_current(handle->context->machine());
  return kSuccess;
}

FRNN_STANDIN int cuCtxPushCurrent_v2(void* context) {
  auto before = bridge().current();
  const int result = cuCtxSetCurrent(context);
  if (result == kSuccess) pushed.push_back(std::move(before));
  return result;
}

FRNN_STANDIN int cuCtxPopCurrent_v2(void** context) {
  if (context != nullptr) *context = current();
  if (pushed.empty() && current() == nullptr) {
    return fail("cuCtxPopCurrent", kInvalidContext, "no context is current");
  }
  bridge().set_current(pushed.empty() ? nullptr : pushed.back());
  if (!pushed.empty()) pushed.pop_back();
  return kSuccess;
}

FRNN_STANDIN int cuCtxCreate_v2(void** context, unsigned, int) {
  ContextHandle* handle = nullptr;
  const frnn::Status opened = open(false, &handle);
  if (!opened.ok()) return answer("cuCtxCreate", opened);
  *context = handle;
  return cuCtxPushCurrent_v2(handle);
}

FRNN_STANDIN int cuCtxDestroy_v2(void* context) {
  ContextHandle* const handle = find(context);
  if (handle == nullptr || handle->primary) {
    return fail("cuCtxDestroy", kInvalidContext, "expected a context that cuCtxCreate made");
  }
  if (current() == handle) (void)cuCtxPopCurrent_v2(nullptr);
  close(handle);
  return kSuccess;
}

FRNN_STANDIN int cuCtxGetDevice(int* device) {
  *device = 0;
  return current() != nullptr ? kSuccess
                              : fail("cuCtxGetDevice", kInvalidContext, "no context is current");
}

FRNN_STANDIN int cuCtxSynchronize() {
  return in_context("cuCtxSynchronize", [](Context& c) { return c.synchronize(); });
}
