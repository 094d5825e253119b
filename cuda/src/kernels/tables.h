// Clipping and optimisers over the chunk table of host/table.h.

#ifndef FUSEDRNN_SRC_KERNELS_TABLES_H_
#define FUSEDRNN_SRC_KERNELS_TABLES_H_

#include "cells/optimizer.h"
#include "kernels/launch.h"

namespace frnn {

struct GlobalNorm {
  const void* table;
  int64_t chunks;
  int list;
  frnn_clip_action action;
  double max_norm;  // > 0
  frnn_clip_result* result;
  double* slots;  // scratch, one for each chunk
};
Status clip_by_global_norm(const Queue& queue, const GlobalNorm& norm);

struct OptimizerStep {
  int64_t kind;  // frnn_optimizer_kind
  const void* table;
  int64_t chunks;
  UpdateRates<float> rates;
  const frnn_clip_result* clip;  // optional
  bool skip_nonfinite;           // needs clip
};
Status optimizer_step(const Queue& queue, const OptimizerStep& step);

}  // namespace frnn

#endif  // FUSEDRNN_SRC_KERNELS_TABLES_H_
