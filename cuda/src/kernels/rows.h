// What stands around a recurrent net: row-wise kernels over [N, columns].

#ifndef FUSEDRNN_SRC_KERNELS_ROWS_H_
#define FUSEDRNN_SRC_KERNELS_ROWS_H_

#include "kernels/launch.h"

namespace frnn {

struct BiasRows {
  int64_t rows;
  int64_t columns;
  const float* bias;  // [columns]
  float* y;           // [rows, columns] +=
};
Status add_bias_rows(const Queue& queue, const BiasRows& bias);

struct EmbeddingForward {
  int64_t N, V, E;
  const int32_t* ids;  // [N]
  const float* table;  // [V, E]
  float* y;            // [N, E] =; NaN where an id is outside [0, V)
};
Status embedding_forward(const Queue& queue, const EmbeddingForward& embedding);

struct EmbeddingBackward {
  int64_t N, V, E;
  const int32_t* ids;  // [N]
  const float* dy;     // [N, E]
  float* dtable;       // [V, E] = or +=
  bool accumulate;
};
Status embedding_backward(const Queue& queue, const EmbeddingBackward& embedding);

struct SoftmaxXent {
  int64_t N, V;
  const float* logits;     // [N, V]
  const int32_t* targets;  // [N]
  int64_t ignore_index;
  float scale;
  float* dlogits;            // [N, V] =, optional; may be logits
  frnn_loss_result* result;  // =
  double* losses;            // scratch [N]
};
Status softmax_xent(const Queue& queue, const SoftmaxXent& xent);

}  // namespace frnn

#endif  // FUSEDRNN_SRC_KERNELS_ROWS_H_
