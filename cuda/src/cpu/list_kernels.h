// One chunk of a list of tensors, as the kernels of every instruction set take it.

#ifndef FUSEDRNN_SRC_CPU_LIST_KERNELS_H_
#define FUSEDRNN_SRC_CPU_LIST_KERNELS_H_

#include <cstdint>

#include "host/step.h"

namespace frnn::cpu {

struct ListPart {
  void* address;
  int64_t dtype;  // frnn_dtype: f32, bf16 or f16
  int64_t count;
};

struct ListUpdate {
  int64_t kind;    // frnn_optimizer_kind
  int64_t states;  // 0 to 2
  UpdateRates<float> rates;
  GradientReading reading;
  float* parameters;
  ListPart gradients;
  float* first;
  float* second;
  ListPart copy;  // address null: none
};

}  // namespace frnn::cpu

#endif  // FUSEDRNN_SRC_CPU_LIST_KERNELS_H_
