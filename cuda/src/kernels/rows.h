// What stands around a recurrent net: row-wise kernels over [N, columns]. Elem is float, Bf16 or
// F16; sums are fp32 or double.

#ifndef FUSEDRNN_SRC_KERNELS_ROWS_H_
#define FUSEDRNN_SRC_KERNELS_ROWS_H_

#include "kernels/embedding_layout.h"
#include "kernels/launch.h"
#include "machine/numbers.h"

namespace frnn {

template <typename Elem>
struct BiasRows {
  int64_t rows;
  int64_t columns;
  const Elem* bias;  // [columns]
  Elem* y;           // [rows, columns] =
};
template <typename Elem>
Status bias_rows(const Queue& queue, const BiasRows<Elem>& bias);

template <typename Elem>
struct EmbeddingForward {
  int64_t N, V, E;
  const int32_t* ids;  // [N]
  const Elem* table;   // [V, E]
  Elem* y;             // [N, E] =; NaN where an id is outside [0, V)
};
template <typename Elem>
Status embedding_forward(const Queue& queue, const EmbeddingForward<Elem>& embedding);

template <typename Elem>
struct EmbeddingBackward {
  int64_t N, V, E;
  const int32_t* ids;  // [N]
  const Elem* dy;      // [N, E]
  Elem* dtable;        // [V, E] = or +=
  bool accumulate;
  EmbeddingWorkspace workspace;
};
template <typename Elem>
Status embedding_backward(const Queue& queue, const EmbeddingBackward<Elem>& embedding);

// Rows 0 to N - 1 by their ids, those of one id in the order of n and ids outside [0, V) last.
// Answers where the order lies: one of the two of the workspace.
Status sort_by_id(const Queue& queue, int64_t N, int64_t V, const int32_t* ids,
                  const EmbeddingWorkspace& work, const int** order);

// What multiplies a gradient, as the door has it.
struct LossFactor {
  double scale;
  const double* loss_scale;  // its first word, optional: 1
  bool mean;                 // over `result->rows`, which is there by then
};

template <typename Elem>
struct SoftmaxXent {
  int64_t N, V;
  const Elem* logits;      // [N, V]
  const int32_t* targets;  // [N]
  int64_t ignore_index;
  double label_smoothing;
  LossFactor factor;
  Elem* dlogits;             // [N, V] =, optional; may be logits
  frnn_loss_result* result;  // =
  double* losses;            // scratch [N]
};
template <typename Elem>
Status softmax_xent(const Queue& queue, const SoftmaxXent<Elem>& xent);

template <typename Elem>
struct Mse {
  int64_t N, F;
  const Elem* y;         // [N, F]
  const Elem* targets;   // [N, F]
  const float* weights;  // [N], optional: 1
  LossFactor factor;
  Elem* dy;                  // [N, F] =, optional; may be y
  frnn_loss_result* result;  // =
  double* losses;            // scratch, one for each 1024 elements
};
template <typename Elem>
Status mse(const Queue& queue, const Mse<Elem>& mse);

template <typename Elem>
struct SampleRows {
  int64_t N, V;
  const Elem* logits;  // [N, V]
  int32_t* ids;        // [N] =
  float temperature;
  int64_t top_k;  // 0: all
  double top_p;   // 1: all
  uint64_t seed, offset;
  const int64_t* added;  // to the offset, optional
};
template <typename Elem>
Status sample_rows(const Queue& queue, const SampleRows<Elem>& sample);

}  // namespace frnn

#endif  // FUSEDRNN_SRC_KERNELS_ROWS_H_
