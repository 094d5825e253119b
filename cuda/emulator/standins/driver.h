// What the files of the driver's stand-in share: results, contexts, and how a call fails.

#ifndef FUSEDRNN_EMULATOR_STANDINS_DRIVER_H_
#define FUSEDRNN_EMULATOR_STANDINS_DRIVER_H_

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>

#include "standin.h"

namespace frnn::standins {

// CUresult
constexpr int kSuccess = 0;
constexpr int kInvalidValue = 1;
constexpr int kOutOfMemory = 2;
constexpr int kNotInitialized = 3;
constexpr int kInvalidDevice = 101;
constexpr int kInvalidImage = 200;
constexpr int kInvalidContext = 201;
constexpr int kNotFound = 500;
constexpr int kNotReady = 600;
constexpr int kLaunchFailed = 719;
constexpr int kNotSupported = 801;
constexpr int kUnknown = 999;

struct ContextHandle {
  std::unique_ptr<Context> context;
  bool primary = false;
  int retained = 0;  // of the primary one
};

// The calling thread's context; null where it has none.
ContextHandle* current();
ContextHandle* owner_of_stream(void* stream);  // the current one's for the default stream
ContextHandle* owner_of_memory(int64_t address, int64_t* base, int64_t* bytes);

int fail(const char* call, int code, const std::string& why);
int answer(const char* call, const Status& status);

// Runs `work(context)` in the calling thread's context.
template <class Work>
int in_context(const char* call, Work work) {
  ContextHandle* const handle = current();
  if (handle == nullptr) return fail(call, kInvalidContext, "no context is current");
  return answer(call, work(*handle->context));
}

// The same in the context of a stream.
template <class Work>
int in_stream(const char* call, void* stream, Work work) {
  ContextHandle* const handle = owner_of_stream(stream);
  if (handle == nullptr) return fail(call, kInvalidContext, "no context has this stream");
  return answer(call, work(*handle->context, reinterpret_cast<machine::Stream>(stream)));
}

}  // namespace frnn::standins

#endif  // FUSEDRNN_EMULATOR_STANDINS_DRIVER_H_
