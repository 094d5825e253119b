// What trains a net around its recurrent layers: the linear and embedding layers, losses. A part of
// fusedrnn.h, which includes it and whose rules hold here.

#ifndef FUSEDRNN_TRAINING_H_
#define FUSEDRNN_TRAINING_H_

#include "fusedrnn.h"
#include "fusedrnn_optimizer.h"

#ifdef __cplusplus
extern "C" {
#endif

// ---- What stands around a recurrent net --------------------------------------------------------

// y = x w^T + b. Backward: dx = dy w; dw = or += dy^T x; db = or += column sums of dy. With bf16
// and f16 every tensor is of that type and sums are fp32, rounded once.
typedef struct frnn_linear {
  int64_t struct_bytes;
  int64_t dtype;  // F32, BF16, F16; cpu: F32
  int64_t flags;  // FRNN_ACCUMULATE | FRNN_ALLOW_TF32
  int64_t N;
  int64_t I;
  int64_t O;
  int64_t x;   // [N, I]
  int64_t w;   // [O, I]
  int64_t b;   // [O], optional: zero
  int64_t y;   // [N, O] =
  int64_t dy;  // [N, O]
  int64_t dx;  // [N, I] =, optional
  int64_t dw;  // [O, I], optional
  int64_t db;  // [O], optional
  int64_t workspace;
  int64_t workspace_bytes;
  int64_t stream;
  int64_t blas;
} frnn_linear;

FRNN_API int frnn_linear_bytes(const char* backend, const frnn_linear* linear,
                               int64_t* workspace_bytes);
FRNN_API int frnn_linear_forward(int64_t device, const frnn_linear* linear);
FRNN_API int frnn_linear_backward(int64_t device, const frnn_linear* linear);

// y[n] = table[ids[n]]. Backward: dtable[v] = or += sum of dy[n] over n with ids[n] = v, in fp32
// and in an order that depends on the ids alone. An id outside [0, V) gives a row of NaN forward
// and is passed over backward.
typedef struct frnn_embedding {
  int64_t struct_bytes;
  int64_t dtype;  // F32, BF16, F16; cpu: F32
  int64_t flags;  // FRNN_ACCUMULATE
  int64_t N;
  int64_t V;
  int64_t E;
  int64_t ids;        // int32 [N]
  int64_t table;      // [V, E]
  int64_t y;          // [N, E] =
  int64_t dy;         // [N, E]
  int64_t dtable;     // [V, E]
  int64_t workspace;  // backward
  int64_t workspace_bytes;
  int64_t stream;
} frnn_embedding;

FRNN_API int frnn_embedding_bytes(const char* backend, const frnn_embedding* embedding,
                                  int64_t* workspace_bytes);
FRNN_API int frnn_embedding_forward(int64_t device, const frnn_embedding* embedding);
FRNN_API int frnn_embedding_backward(int64_t device, const frnn_embedding* embedding);

typedef struct frnn_loss_result {  // 24 bytes of device memory
  double loss_sum;                 // over the rows that count, without any scale
  int64_t rows;                    // rows that count
  int64_t bad_targets;             // rows whose target is neither a class nor ignore_index
} frnn_loss_result;

// Softmax and cross-entropy in one pass over each row, with the row's maximum taken off first.
//   q = (1 - label_smoothing) onehot(target) + label_smoothing / V     (Szegedy et al. 2016)
//   loss = - sum over v of q log softmax(logits), in nats
//   dlogits = scale * (softmax(logits) - q)
// times loss_scale and, with FRNN_MEAN, divided by the number of rows that count. Rows whose target
// is ignore_index do not count: 0 loss, 0 dlogits. A target that is neither that nor in [0, V)
// makes the loss and its row of dlogits NaN and is counted in bad_targets.
typedef struct frnn_softmax_xent {
  int64_t struct_bytes;
  int64_t dtype;  // F32, BF16, F16; cpu: F32. Sums are fp32, and double across rows
  int64_t flags;  // FRNN_MEAN
  int64_t N;
  int64_t V;
  int64_t logits;          // [N, V]
  int64_t targets;         // int32 [N]
  int64_t ignore_index;    // a value that targets may hold; -100 by custom
  double label_smoothing;  // in [0, 1)
  double scale;
  int64_t loss_scale;  // device address of an frnn_loss_scale, optional: 1
  int64_t dlogits;     // [N, V] =, optional; may be the memory of logits
  int64_t result;      // device address of an frnn_loss_result, =
  int64_t workspace;
  int64_t workspace_bytes;  // at least 8 * N
  int64_t stream;
} frnn_softmax_xent;

FRNN_API int frnn_softmax_xent_forward_backward(int64_t device, const frnn_softmax_xent* xent);

// Mean squared error of a row over its F features, times the row's weight:
//   loss = sum over n of w_n / F * sum over f of (y - target)^2
//   dy = scale * 2 w_n / F * (y - target)
// times loss_scale and, with FRNN_MEAN, divided by the number of rows that count: those whose
// weight is not 0. Rows of weight 0 have 0 loss and 0 dy, whatever they hold.
typedef struct frnn_mse {
  int64_t struct_bytes;
  int64_t dtype;  // F32, BF16, F16; cpu: F32. Squares and sums are double
  int64_t flags;  // FRNN_MEAN
  int64_t N;
  int64_t F;
  int64_t y;        // [N, F]
  int64_t targets;  // [N, F]
  int64_t weights;  // float32 [N], optional: 1
  double scale;
  int64_t loss_scale;  // device address of an frnn_loss_scale, optional: 1
  int64_t dy;          // [N, F] =, optional; may be the memory of y
  int64_t result;      // device address of an frnn_loss_result, =
  int64_t workspace;
  int64_t workspace_bytes;  // at least 8 * ceil(N * F / 1024)
  int64_t stream;
} frnn_mse;

FRNN_API int frnn_mse_forward_backward(int64_t device, const frnn_mse* mse);

// Draws ids[n] from row n of the logits, after these steps:
// 1. a class weighs e^((logit - largest) / temperature), in units of 2^-40; temperature 0 takes the
//    largest logit, the first of equals;
// 2. top_k keeps the k largest logits, the first of equals (Fan et al. 2018);
// 3. top_p keeps of those the largest, the first of equals, until they make up at least top_p of
//    their weight (Holtzman et al. 2020);
// 4. of what is left, the class is drawn in whose part of the weights' sum, in the order of the
//    classes, u of that sum lies. u is the first 53 bits of words 0 and 1 of Philox4x32-10 with key
//    {seed low, seed high} and counter {n, offset low, offset high, 0xffffffff}, as no mask has.
// A logit of NaN is never drawn, a row of nothing else gives -1; infinite ones share the weight.
typedef struct frnn_sample {
  int64_t struct_bytes;
  int64_t dtype;  // F32, BF16, F16; cpu: F32
  int64_t N;
  int64_t V;           // below 2^23
  int64_t logits;      // [N, V]
  int64_t ids;         // int32 [N] =
  double temperature;  // finite, at least 0
  int64_t top_k;       // 0: all
  double top_p;        // in (0, 1]; 1: all
  int64_t seed;
  int64_t offset;          // a new one for each draw
  int64_t offset_address;  // device int64, added to `offset` as ids are drawn; optional: 0
  int64_t stream;
} frnn_sample;

FRNN_API int frnn_sample_rows(int64_t device, const frnn_sample* sample);

#ifdef __cplusplus
}
#endif

#endif  // FUSEDRNN_TRAINING_H_
