// libcuda.so.1: memory. As on a GPU, a copy that does not name a stream waits for all others first.

#include <cstdlib>

#include "driver.h"

using namespace frnn::standins;
using frnn::Status;
using frnn::machine::Stream;

namespace {

int64_t address_of(const void* host) {
  return reinterpret_cast<int64_t>(host);
}
int64_t address_of(uint64_t device) {
  return static_cast<int64_t>(device);
}

template <class To, class From>
int copy(const char* call, To to, From from, size_t bytes, int64_t kind) {
  return in_context(call, [&](Context& c) -> Status {
    FRNN_TRY(c.synchronize());
    FRNN_TRY(c.copy(address_of(to), address_of(from), static_cast<int64_t>(bytes), kind, 0));
    return c.stream_synchronize(0);
  });
}

template <class To, class From>
int copy_async(const char* call, To to, From from, size_t bytes, int64_t kind, void* stream) {
  return in_stream(call, stream, [&](Context& c, Stream s) {
    return c.copy(address_of(to), address_of(from), static_cast<int64_t>(bytes), kind, s);
  });
}

}  // namespace

FRNN_STANDIN int cuMemAlloc_v2(uint64_t* address, size_t bytes) {
  *address = 0;
  if (bytes == 0) return fail("cuMemAlloc", kInvalidValue, "expected at least one byte");
  return in_context("cuMemAlloc", [&](Context& c) {
    return c.alloc(static_cast<int64_t>(bytes), reinterpret_cast<int64_t*>(address));
  });
}

FRNN_STANDIN int cuMemFree_v2(uint64_t address) {
  if (address == 0) return kSuccess;
  return in_context("cuMemFree", [&](Context& c) { return c.free(address_of(address)); });
}

FRNN_STANDIN int cuMemGetInfo_v2(size_t* free, size_t* total) {
  return in_context("cuMemGetInfo", [&](Context& c) -> Status {
    int64_t live = 0;
    FRNN_TRY(c.counter("live_bytes", &live));
    *total = static_cast<size_t>(c.properties().memory_bytes);
    *free = *total - static_cast<size_t>(live);
    return Status::success();
  });
}

// A question: an address that is none is no fault, so nothing is printed.
FRNN_STANDIN int cuMemGetAddressRange_v2(uint64_t* base, size_t* bytes, uint64_t address) {
  ContextHandle* const handle = current();
  if (handle == nullptr) return kInvalidContext;
  int64_t from = 0, size = 0;
  if (!bridge().range(*handle->context->machine(), address_of(address), &from, &size).ok()) {
    return kNotFound;
  }
  if (base != nullptr) *base = static_cast<uint64_t>(from);
  if (bytes != nullptr) *bytes = static_cast<size_t>(size);
  return kSuccess;
}

FRNN_STANDIN int cuPointerGetAttribute(void* value, int attribute, uint64_t address) {
  int64_t from = 0, size = 0;
  ContextHandle* const owner = owner_of_memory(address_of(address), &from, &size);
  if (owner == nullptr) return kInvalidValue;
  switch (attribute) {  // CUpointer_attribute
    case 1:             // CONTEXT
      *static_cast<void**>(value) = owner;
      return kSuccess;
    case 2:  // MEMORY_TYPE: device
      *static_cast<int*>(value) = 2;
      return kSuccess;
    case 9:  // DEVICE_ORDINAL
      *static_cast<int*>(value) = 0;
      return kSuccess;
    case 11:  // RANGE_START_ADDR
      *static_cast<int64_t*>(value) = from;
      return kSuccess;
    case 12:  // RANGE_SIZE
      *static_cast<int64_t*>(value) = size;
      return kSuccess;
    default:
      return fail("cuPointerGetAttribute", kNotSupported,
                  "the stand-in lacks attribute " + std::to_string(attribute));
  }
}

FRNN_STANDIN int cuMemAllocHost_v2(void** host, size_t bytes) {
  *host = std::malloc(bytes);
  return *host != nullptr ? kSuccess : fail("cuMemAllocHost", kOutOfMemory, "no memory");
}

FRNN_STANDIN int cuMemFreeHost(void* host) {
  std::free(host);
  return kSuccess;
}

FRNN_STANDIN int cuMemcpyHtoD_v2(uint64_t to, const void* from, size_t bytes) {
  return copy("cuMemcpyHtoD", to, from, bytes, FRNN_HOST_TO_DEVICE);
}
FRNN_STANDIN int cuMemcpyDtoH_v2(void* to, uint64_t from, size_t bytes) {
  return copy("cuMemcpyDtoH", to, from, bytes, FRNN_DEVICE_TO_HOST);
}
FRNN_STANDIN int cuMemcpyDtoD_v2(uint64_t to, uint64_t from, size_t bytes) {
  return copy("cuMemcpyDtoD", to, from, bytes, FRNN_DEVICE_TO_DEVICE);
}
FRNN_STANDIN int cuMemcpyHtoDAsync_v2(uint64_t to, const void* from, size_t bytes, void* stream) {
  return copy_async("cuMemcpyHtoDAsync", to, from, bytes, FRNN_HOST_TO_DEVICE, stream);
}
FRNN_STANDIN int cuMemcpyDtoHAsync_v2(void* to, uint64_t from, size_t bytes, void* stream) {
  return copy_async("cuMemcpyDtoHAsync", to, from, bytes, FRNN_DEVICE_TO_HOST, stream);
}
FRNN_STANDIN int cuMemcpyDtoDAsync_v2(uint64_t to, uint64_t from, size_t bytes, void* stream) {
  return copy_async("cuMemcpyDtoDAsync", to, from, bytes, FRNN_DEVICE_TO_DEVICE, stream);
}

FRNN_STANDIN int cuMemsetD8Async(uint64_t address, unsigned char value, size_t count,
                                 void* stream) {
  return in_stream("cuMemsetD8Async", stream, [&](Context& c, Stream s) {
    return c.fill(address_of(address), value, static_cast<int64_t>(count), s);
  });
}
FRNN_STANDIN int cuMemsetD8_v2(uint64_t address, unsigned char value, size_t count) {
  return cuMemsetD8Async(address, value, count, nullptr);
}

// Words of four equal bytes alone: zero, and the NaN of all ones.
FRNN_STANDIN int cuMemsetD32Async(uint64_t address, unsigned value, size_t count, void* stream) {
  if (value != (value & 0xff) * 0x01010101u) {
    return fail("cuMemsetD32Async", kNotSupported, "the stand-in fills with equal bytes alone");
  }
  return cuMemsetD8Async(address, static_cast<unsigned char>(value & 0xff), 4 * count, stream);
}
FRNN_STANDIN int cuMemsetD32_v2(uint64_t address, unsigned value, size_t count) {
  return cuMemsetD32Async(address, value, count, nullptr);
}
