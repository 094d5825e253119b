// Lists of tensors, clipping by norm, loss scaling and optimisers. A part of fusedrnn.h, which
// includes it and whose rules hold here.
//
// Nothing here takes from the host what changes from step to step: the step count, the learning
// rate, the loss scale and the clip coefficient live on the device. So a captured step can be
// replayed, and nobody waits for a norm.

#ifndef FUSEDRNN_OPTIMIZER_H_
#define FUSEDRNN_OPTIMIZER_H_

#include "fusedrnn.h"

#ifdef __cplusplus
extern "C" {
#endif

// Writes one word of 8 bytes in the order of the stream. The word travels with the call, so that,
// unlike with frnn_copy, no host memory has to stay valid. `address` is aligned to 8 bytes.
FRNN_API int frnn_write_word(int64_t device, int64_t address, int64_t word, int64_t stream);

// ---- Lists of tensors --------------------------------------------------------------------------

// `lists` parallel lists of `count` tensors; tensor k has lengths[k] elements in every list.
typedef struct frnn_tensors {
  int64_t struct_bytes;
  int64_t dtypes;   // host address of int64_t[lists]: FRNN_F32, FRNN_BF16 or FRNN_F16 of each list
  int64_t count;    // >= 0
  int64_t lists;    // 1 to 5
  int64_t lengths;  // host address of int64_t[count], each >= 0
  int64_t addresses;  // host address of int64_t[lists * count], list-major; device addresses
} frnn_tensors;

typedef struct frnn_table_sizes {
  int64_t bytes;
  int64_t chunks;  // pieces that the tensors are cut into
  int64_t layout;  // says how many lists there are and of which types; calls are held against it
} frnn_table_sizes;

// The table is the form in which kernels read the lists. Write it once and keep it on the device
// for as long as the tensors live. frnn_table_write synchronises `stream`; it is for set-up.
FRNN_API int frnn_table_bytes(const frnn_tensors* tensors, frnn_table_sizes* sizes);
FRNN_API int frnn_table_write(int64_t device, const frnn_tensors* tensors, int64_t table,
                              int64_t table_bytes, int64_t stream);

// ---- Loss scaling ------------------------------------------------------------------------------

// The factor of a loss's gradient, so that 16-bit gradients do not underflow (Micikevicius et al.
// 2018). The losses multiply by it, clipping divides by it, the optimiser moves it: after a step
// whose gradient was not finite scale *= backoff_factor, after growth_interval finite ones in a row
// scale *= growth_factor. It stays within [2^-40, 2^40].
typedef struct frnn_loss_scale {  // 16 bytes of device memory
  double scale;
  int64_t good_steps;  // finite steps since it last moved
} frnn_loss_scale;

// ---- Clipping ----------------------------------------------------------------------------------

typedef enum frnn_clip_action {
  FRNN_MEASURE = 0,        // the norm alone; an optimiser applies `factor` as it reads the gradient
  FRNN_SCALE = 1,          // g *= coefficient / scale
  FRNN_CLAMP_ELEMENTS = 2  // g = clamp(g / scale, -max_norm, max_norm), NaN stays; coefficient 1
} frnn_clip_action;

typedef enum frnn_norm_kind {
  FRNN_L2 = 0,       // sqrt(sum g^2) (Pascanu, Mikolov and Bengio 2013)
  FRNN_L1 = 1,       // sum |g|
  FRNN_INFINITY = 2  // max |g|
} frnn_norm_kind;

// What becomes of a gradient with a NaN or an infinity in it.
typedef enum frnn_nonfinite {
  FRNN_PROPAGATE = 0,  // IEEE: the norm is NaN or infinite, the coefficient NaN or 0
  FRNN_ERROR = 1,  // as FRNN_SKIP, and every later step is skipped too until `failed` is cleared
  FRNN_SKIP = 2,   // `skip` is set: the optimiser's step does nothing, FRNN_SCALE neither
  FRNN_CLAMP = 3   // NaN counts as 0, infinity as max_norm (where that is infinite, too, as the
                   // largest finite number of the list's type), both here and in the optimiser
} frnn_nonfinite;

typedef struct frnn_clip_result {  // 64 bytes of device memory, zeroed before the first call
  double norm;                     // before clipping, of the gradient without the loss scale
  double coefficient;              // 1 where norm <= max_norm, else max_norm / norm
  int64_t finite;                  // 1, or 0 where any element was NaN or infinite
  int64_t skip;                    // 1: an optimiser's step is to do nothing
  int64_t failed;   // FRNN_ERROR: the number of the first call that was not finite; 0: none. The
                    // result then keeps that call's norm until the caller clears this word
  int64_t calls;    // calls so far
  double factor;    // what is left to multiply the gradient with: coefficient / scale, or 1 where
                    // the action has done so
  double infinite;  // FRNN_CLAMP: what an infinite element is read as, in the list's own scale;
                    // 0: nothing is replaced
} frnn_clip_result;

// The norm over all tensors of one list, or of each of them. Every element is read once; the sum is
// in a fixed order that depends on nothing but the lengths, in double across threads.
typedef struct frnn_clip {
  int64_t struct_bytes;
  int64_t table;       // device
  int64_t chunks;      // as frnn_table_bytes answered
  int64_t layout;      // likewise
  int64_t list;        // which list to measure
  int64_t action;      // frnn_clip_action on the list, in place; the norm is that before it
  int64_t norm_kind;   // frnn_norm_kind
  int64_t policy;      // frnn_nonfinite
  int64_t per_tensor;  // 1: each tensor is clipped by its own norm, and `result` is an array
  double max_norm;     // > 0; infinity measures without clipping
  int64_t loss_scale;  // device address of an frnn_loss_scale, optional: 1
  int64_t result;      // device address of an frnn_clip_result; with per_tensor of 1 + count of
                       // them: the first has norm, finite, skip and failed of all, coefficient 1;
                       // those of tensor k are at 1 + k
  int64_t workspace;
  int64_t workspace_bytes;  // at least 16 * chunks
  int64_t stream;
} frnn_clip;

FRNN_API int frnn_clip_by_global_norm(int64_t device, const frnn_clip* clip);

// ---- Optimisers --------------------------------------------------------------------------------

// g below is the gradient after clipping; lr the rate of this step, t its number from 1.
typedef enum frnn_optimizer_kind {
  FRNN_SGD = 0,      // v = beta1 v + g; p -= lr v. Without state (two lists): p -= lr g
  FRNN_ADAGRAD = 1,  // m += g^2; p -= lr g / sqrt(m + epsilon)   (min-char-rnn's form)
  FRNN_ADAM = 2,     // Kingma and Ba 2015, algorithm 1, bias-corrected; epsilon outside the root
  FRNN_ADAMW = 3,    // Loshchilov and Hutter 2019: as FRNN_ADAM, but weight decay is decoupled,
                     // p -= lr (m^ / (sqrt(v^) + epsilon) + weight_decay p)
  FRNN_RMSPROP = 4   // Hinton 2012: v = beta2 v + (1 - beta2) g^2; u = g / (sqrt(v) + epsilon);
                     // with momentum b = beta1 b + u, p -= lr b, else p -= lr u
} frnn_optimizer_kind;

// The rate of step t. With t <= warmup: lr = learning_rate t / warmup. Then, with u = t - warmup
// and r = min(u / period, 1):
typedef enum frnn_schedule {
  FRNN_CONSTANT = 0,     // learning_rate
  FRNN_LINEAR = 1,       // learning_rate (1 - (1 - decay) r)
  FRNN_COSINE = 2,       // learning_rate (decay + (1 - decay) (1 + cos(pi r)) / 2)
                         //   (Loshchilov and Hutter 2017, without restarts)
  FRNN_EXPONENTIAL = 3,  // learning_rate decay^(u / period)
  FRNN_STEP = 4,         // learning_rate decay^floor(u / period)
  FRNN_INVERSE_SQRT = 5  // learning_rate sqrt(period / (period + u)); with period = warmup that of
                         //   Vaswani et al. 2017
} frnn_schedule;

// The caller zeroes it, sets learning_rate, and may write any of the first three words in the order
// of the stream (frnn_write_word).
typedef struct frnn_optimizer_state {  // 80 bytes of device memory
  int64_t step;                        // steps made; those that were skipped do not count
  int64_t skipped;                     // steps skipped
  double learning_rate;                // before the schedule
  double rate;                         // of the last step
  int64_t failed;                      // 1 where `table` held another layout: nothing was done
  // what a step works out for its own elements
  int64_t apply;         // 1, or 0 where it is skipped
  double step_size;      // rate over the first bias correction
  double inverse_bias2;  // 1 over the second
  double decay;          // rate * weight_decay where that is decoupled
  double factor;         // of the gradient; 1 with a per-tensor clip
} frnn_optimizer_state;

// One step over all parameters: every tensor is read and written once. Lists: 0 parameters (f32,
// the master weights), 1 gradients (f32, bf16 or f16), then the state (f32): SGD none or v, ADAGRAD
// m, ADAM and ADAMW m and v, RMSPROP v or v and b. SGD and RMSPROP need v and b where beta1 > 0.
// A list of bf16 or f16 after these receives the parameters rounded to it, for nets that read them.
typedef struct frnn_optimizer {
  int64_t struct_bytes;
  int64_t kind;   // frnn_optimizer_kind
  int64_t table;  // device
  int64_t chunks;
  int64_t layout;
  double beta1;          // in [0, 1); SGD, RMSPROP: momentum; ADAM: 0.9 as published
  double beta2;          // in [0, 1); ADAM: 0.999 as published; RMSPROP: 0.9 in the lecture
  double epsilon;        // >= 0
  double weight_decay;   // >= 0; FRNN_ADAMW: decoupled; else L2: g += weight_decay p after clipping
  int64_t state;         // device address of an frnn_optimizer_state
  int64_t clip;          // device address of the result of a clip of list 1, optional
  int64_t per_tensor;    // 1: of a clip per tensor
  int64_t loss_scale;    // device address of an frnn_loss_scale to move, optional; needs `clip`
  double growth_factor;  // >= 1
  double backoff_factor;    // in (0, 1]
  int64_t growth_interval;  // >= 1
  int64_t schedule;         // frnn_schedule
  int64_t warmup;           // steps, >= 0
  int64_t period;           // steps, >= 1 unless the schedule is constant
  double decay;             // >= 0
  int64_t stream;
} frnn_optimizer;

FRNN_API int frnn_optimizer_step(int64_t device, const frnn_optimizer* optimizer);

#ifdef __cplusplus
}
#endif

#endif  // FUSEDRNN_OPTIMIZER_H_
