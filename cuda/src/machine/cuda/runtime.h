// What the files over the CUDA runtime share: handles as the runtime has them, and its errors as a
// Status.

#ifndef FUSEDRNN_SRC_MACHINE_CUDA_RUNTIME_H_
#define FUSEDRNN_SRC_MACHINE_CUDA_RUNTIME_H_

#include <cuda_runtime_api.h>

#include "machine/host.h"

namespace frnn::machine {

// `what` says what was being done. An error that does not stick is taken from the runtime.
Status check(cudaError_t error, const char* what);

inline cudaStream_t stream_of(Stream stream) {
  return reinterpret_cast<cudaStream_t>(stream);
}
inline cudaEvent_t event_of(Event event) {
  return reinterpret_cast<cudaEvent_t>(event);
}
inline void* pointer_of(int64_t address) {
  return reinterpret_cast<void*>(address);
}

// While it lives, calls of this thread that touch no capturing stream do not end a capture, even
// where the runtime cannot know that they are safe: making a stream, asking an event.
class RelaxedCapture {
 public:
  RelaxedCapture() { (void)cudaThreadExchangeStreamCaptureMode(&mode_); }
  ~RelaxedCapture() { (void)cudaThreadExchangeStreamCaptureMode(&mode_); }
  RelaxedCapture(const RelaxedCapture&) = delete;
  RelaxedCapture& operator=(const RelaxedCapture&) = delete;

 private:
  cudaStreamCaptureMode mode_ = cudaStreamCaptureModeRelaxed;
};

}  // namespace frnn::machine

#endif  // FUSEDRNN_SRC_MACHINE_CUDA_RUNTIME_H_
