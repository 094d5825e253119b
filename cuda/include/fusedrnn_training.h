// What trains a net around its recurrent layers: lists of tensors, clipping, optimisers, the linear
// and embedding layers, losses. A part of fusedrnn.h, which includes it and whose rules hold here.

#ifndef FUSEDRNN_TRAINING_H_
#define FUSEDRNN_TRAINING_H_

#include "fusedrnn.h"

#ifdef __cplusplus
extern "C" {
#endif

// ---- Lists of tensors, clipping, optimisers ----------------------------------------------------

// `lists` parallel lists of `count` tensors; tensor k has lengths[k] elements in every list. For an
// optimiser list 0 holds parameters, 1 gradients, 2 and 3 the optimiser's state.
typedef struct frnn_tensors {
  int64_t struct_bytes;
  int64_t dtype;
  int64_t count;      // >= 0
  int64_t lists;      // 1 to 4
  int64_t lengths;    // host address of int64_t[count], each >= 0
  int64_t addresses;  // host address of int64_t[lists * count], list-major; device addresses
} frnn_tensors;

// The table is the form in which kernels read the lists. Write it once and keep it on the device
// for as long as the tensors live. frnn_table_write synchronises `stream`; it is for set-up.
FRNN_API int frnn_table_bytes(const frnn_tensors* tensors, int64_t* bytes, int64_t* chunks);
FRNN_API int frnn_table_write(int64_t device, const frnn_tensors* tensors, int64_t table,
                              int64_t table_bytes, int64_t stream);

typedef enum frnn_clip_action {
  FRNN_MEASURE = 0,        // the norm alone
  FRNN_SCALE = 1,          // g *= coefficient
  FRNN_CLAMP_ELEMENTS = 2  // g = min(max(g, -max_norm), max_norm), NaN stays; the coefficient is 1
} frnn_clip_action;

typedef struct frnn_clip_result {  // 24 bytes of device memory
  double norm;                     // before clipping
  double coefficient;              // 1 where norm <= max_norm, else max_norm / norm (IEEE: NaN, 0)
  int64_t finite;                  // 1, or 0 where any element was NaN or infinite
} frnn_clip_result;

// Global L2 norm over all tensors of one list (Pascanu, Mikolov, Bengio 2013): every element is
// read once, summed in a fixed order that does not depend on the grid, in double across chunks.
typedef struct frnn_clip {
  int64_t struct_bytes;
  int64_t dtype;
  int64_t table;    // device
  int64_t chunks;   // as frnn_table_bytes answered
  int64_t list;     // which list to measure
  int64_t action;   // frnn_clip_action on the list, in place; the norm is that before it
  double max_norm;  // > 0; infinity measures without clipping
  int64_t result;   // device address of an frnn_clip_result
  int64_t workspace;
  int64_t workspace_bytes;  // at least 8 * chunks
  int64_t stream;
} frnn_clip;

FRNN_API int frnn_clip_by_global_norm(int64_t device, const frnn_clip* clip);

typedef enum frnn_optimizer_kind {
  FRNN_SGD = 0,      // v = beta1 v + g; p -= lr v
  FRNN_ADAGRAD = 1,  // m += g^2; p -= lr g / sqrt(m + epsilon)   (min-char-rnn's form)
  FRNN_ADAM = 2      // Kingma and Ba 2015, algorithm 1, bias-corrected; epsilon outside the root
} frnn_optimizer_kind;

typedef struct frnn_optimizer {
  int64_t struct_bytes;
  int64_t kind;  // frnn_optimizer_kind
  int64_t dtype;
  int64_t flags;  // FRNN_SKIP_NONFINITE (needs `clip`)
  int64_t table;  // device; lists: SGD 3 (state: velocity), ADAGRAD 3, ADAM 4 (states: m, v)
  int64_t chunks;
  double learning_rate;
  double beta1;  // SGD: momentum; ADAM: 0.9 as published
  double beta2;  // ADAM: 0.999 as published
  double epsilon;
  double weight_decay;  // L2: g += weight_decay * p, after clipping
  int64_t step;         // 1 for the first step
  int64_t clip;         // device address of an frnn_clip_result whose coefficient multiplies the
                        // gradient as it is read; optional: 1
  int64_t stream;
} frnn_optimizer;

FRNN_API int frnn_optimizer_step(int64_t device, const frnn_optimizer* optimizer);

// ---- What stands around a recurrent net --------------------------------------------------------

// y = x w^T + b. Backward: dx = dy w; dw = or += dy^T x; db = or += column sums of dy.
typedef struct frnn_linear {
  int64_t struct_bytes;
  int64_t dtype;
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

// y[n] = table[ids[n]]. Backward: dtable[v] = or += sum of dy[n] over n with ids[n] = v, in order
// of n. An id outside [0, V) gives a row of NaN forward and is passed over backward.
typedef struct frnn_embedding {
  int64_t struct_bytes;
  int64_t dtype;
  int64_t flags;  // FRNN_ACCUMULATE
  int64_t N;
  int64_t V;
  int64_t E;
  int64_t ids;     // int32 [N]
  int64_t table;   // [V, E]
  int64_t y;       // [N, E] =
  int64_t dy;      // [N, E]
  int64_t dtable;  // [V, E]
  int64_t stream;
} frnn_embedding;

FRNN_API int frnn_embedding_forward(int64_t device, const frnn_embedding* embedding);
FRNN_API int frnn_embedding_backward(int64_t device, const frnn_embedding* embedding);

typedef struct frnn_loss_result {  // 16 bytes of device memory
  double loss_sum;                 // nats, summed over the rows that count
  int64_t rows;                    // rows that count: those whose target is not ignore_index
} frnn_loss_result;

// Softmax and cross-entropy in one pass over each row, with the row's maximum taken off first.
// dlogits = scale * (softmax(logits) - onehot(target)); 0 in ignored rows. A target outside [0, V)
// that is not ignore_index makes the loss and its row of dlogits NaN.
typedef struct frnn_softmax_xent {
  int64_t struct_bytes;
  int64_t dtype;
  int64_t N;
  int64_t V;
  int64_t logits;        // [N, V]
  int64_t targets;       // int32 [N]
  int64_t ignore_index;  // a value that targets may hold; -100 by custom
  double scale;          // usually 1 / rows that count
  int64_t dlogits;       // [N, V] =, optional; may be the memory of logits
  int64_t result;        // device address of an frnn_loss_result, =
  int64_t workspace;
  int64_t workspace_bytes;  // at least 8 * N
  int64_t stream;
} frnn_softmax_xent;

FRNN_API int frnn_softmax_xent_forward_backward(int64_t device, const frnn_softmax_xent* xent);

#ifdef __cplusplus
}
#endif

#endif  // FUSEDRNN_TRAINING_H_
