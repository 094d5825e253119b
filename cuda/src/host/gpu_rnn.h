// One layer in one direction on a gpu: the loop over time behind one call. The input product is one
// GEMM for all steps (or for a long run of them); a step is one recurrent GEMM and one fused kernel
// (two of each for the reset-before GRU); backward ends with one GEMM each for dW, dR and dx.
// Everything is enqueued on the call's stream; nothing is allocated, nothing waits; so a call can
// be captured into a graph.

#ifndef FUSEDRNN_SRC_HOST_GPU_RNN_H_
#define FUSEDRNN_SRC_HOST_GPU_RNN_H_

#include "host/gpu_blas.h"
#include "host/planner.h"
#include "kernels/launch.h"
#include "machine/numbers.h"

namespace frnn {

// T > 0 and B > 0; arguments as the door leaves them.
Status gpu_rnn_forward(const Queue& queue, GpuBlas& blas, Planner& planner, const frnn_rnn& rnn);
Status gpu_rnn_backward(const Queue& queue, GpuBlas& blas, Planner& planner, const frnn_rnn& rnn);

// What cuBLAS and the step kernels index with 32 bits fits them.
Status gpu_rnn_fits(const frnn_rnn& rnn);

inline float* floats_at(int64_t address, int64_t byte_offset = 0) {
  return reinterpret_cast<float*>(address + byte_offset);
}
// An optional tensor at an element offset; null where it is absent.
inline float* optional_at(int64_t address, int64_t element) {
  return address == 0 ? nullptr : reinterpret_cast<float*>(address) + element;
}

// A tensor of any element type, null where it is absent.
template <typename Elem>
Elem* elements_at(int64_t address) {
  return reinterpret_cast<Elem*>(address);
}

// Calls `work` with a value of the element type that `dtype` names.
template <typename Work>
Status for_element(int64_t dtype, Work work) {
  switch (dtype) {
    case FRNN_F32:
      return work(float{});
    case FRNN_BF16:
      return work(machine::Bf16{});
    case FRNN_F16:
      return work(machine::F16{});
    default:
      return Status::fail(FRNN_UNSUPPORTED,
                          "dtype: f32, bf16 and f16 are supported on a gpu, f64 on the reference");
  }
}

}  // namespace frnn

#endif  // FUSEDRNN_SRC_HOST_GPU_RNN_H_
