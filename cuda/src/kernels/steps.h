// The fused kernels of one time step, between two matrix products. Each takes what the products
// gave, adds the biases, applies the cell, and writes the new state and what backward will read.
//
// All tensors are dense and row-major; a pointer marked optional may be null. `x` below is the
// state before the step where the name says `_prev`. Element counts B * H stay below 2^31 (the
// provider refuses more). Reads and writes of a kernel are elementwise, so a state may be updated
// in place.

#ifndef FUSEDRNN_SRC_KERNELS_STEPS_H_
#define FUSEDRNN_SRC_KERNELS_STEPS_H_

#include "kernels/launch.h"

namespace frnn {

struct LstmForwardStep {
  int B, H;
  float* gates;         // [B, 4H] in: W x + R h; out: activated gates, where save_gates
  const float* b_ih;    // [4H], optional
  const float* b_hh;    // [4H], optional
  const float* c_prev;  // [B, H]
  float* c;             // [B, H] =
  float* h;             // [B, H] =
  float* h_last;        // [B, H] = h, optional
  float* c_last;        // [B, H] = c, optional
  bool save_gates;
};
Status lstm_forward_step(const Queue& queue, const LstmForwardStep& step);

struct LstmBackwardStep {
  int B, H;
  const float* gates;   // [B, 4H] activated
  const float* c_prev;  // [B, H]
  const float* c;       // [B, H]
  const float* dy;      // [B, H], optional
  const float* dh;      // [B, H] from the next step
  const float* dc;      // [B, H] from the next step
  float* da;            // [B, 4H] =
  float* dc_prev;       // [B, H] =, may be dc
};
Status lstm_backward_step(const Queue& queue, const LstmBackwardStep& step);

struct GruForwardStep {
  int B, H;
  float* gates;         // [B, 3H] in: W x; out: activated gates, where ah_n
  const float* ah;      // [B, 3H] U h
  const float* b_ih;    // [3H], optional
  const float* b_hh;    // [3H], optional
  const float* h_prev;  // [B, H]
  float* h;             // [B, H] =
  float* h_last;        // [B, H] = h, optional
  float* ah_n;          // [B, H] = U_n h + b_hh_n, kept for backward, optional
};
Status gru_forward_step(const Queue& queue, const GruForwardStep& step);

struct GruBackwardStep {
  int B, H;
  const float* gates;   // [B, 3H] activated
  const float* ah_n;    // [B, H]
  const float* h_prev;  // [B, H]
  const float* dy;      // [B, H], optional
  const float* dh;      // [B, H] from the next step
  float* dax;           // [B, 3H] = gradient of W x
  float* dah;           // [B, 3H] = gradient of U h
  float* dh_prev;       // [B, H] = the part through z; may be dh; dah U is still to be added
};
Status gru_backward_step(const Queue& queue, const GruBackwardStep& step);

// The reset-before GRU: each pass in two halves.
struct GruBeforeForwardFirstStep {
  int B, H;
  float* gates;         // [B, 3H] r and z in: W x + U h; out: activated; n is passed over
  const float* b_ih;    // [3H], optional
  const float* b_hh;    // [3H], optional
  const float* h_prev;  // [B, H]
  float* rh;            // [B, H] = r * h_prev
};
Status gru_before_forward_first_step(const Queue& queue, const GruBeforeForwardFirstStep& step);

struct GruBeforeForwardSecondStep {
  int B, H;
  float* gates;         // [B, 3H] n in: W x + U (r * h); out: activated; z is read
  const float* b_ih;    // [3H], optional
  const float* b_hh;    // [3H], optional
  const float* h_prev;  // [B, H]
  float* h;             // [B, H] =
  float* h_last;        // [B, H] = h, optional
};
Status gru_before_forward_second_step(const Queue& queue, const GruBeforeForwardSecondStep& step);

struct GruBeforeBackwardFirstStep {
  int B, H;
  const float* gates;   // [B, 3H] activated
  const float* h_prev;  // [B, H]
  const float* dy;      // [B, H], optional
  const float* dh;      // [B, H] from the next step
  float* da;            // [B, 3H] z and n =; r is passed over
  float* dh_prev;       // [B, H] = the part through z; may be dh
};
Status gru_before_backward_first_step(const Queue& queue, const GruBeforeBackwardFirstStep& step);

struct GruBeforeBackwardSecondStep {
  int B, H;
  const float* gates;   // [B, 3H] activated
  const float* h_prev;  // [B, H]
  const float* drh;     // [B, H] da_n U_n
  float* da;            // [B, 3H] r =
  float* dh_prev;  // [B, H] += the part through r * h; da_r U_r + da_z U_z is still to be added
};
Status gru_before_backward_second_step(const Queue& queue, const GruBeforeBackwardSecondStep& step);

struct RnnForwardStep {
  int B, H;
  const float* a;     // [B, H] W x + R h
  const float* b_ih;  // [H], optional
  const float* b_hh;  // [H], optional
  float* h;           // [B, H] =
  float* h_last;      // [B, H] = h, optional
};
struct RnnBackwardStep {
  int B, H;
  const float* h;   // [B, H] of this step
  const float* dy;  // [B, H], optional
  const float* dh;  // [B, H] from the next step
  float* da;        // [B, H] =
};
Status rnn_tanh_forward_step(const Queue& queue, const RnnForwardStep& step);
Status rnn_relu_forward_step(const Queue& queue, const RnnForwardStep& step);
Status rnn_tanh_backward_step(const Queue& queue, const RnnBackwardStep& step);
Status rnn_relu_backward_step(const Queue& queue, const RnnBackwardStep& step);

}  // namespace frnn

#endif  // FUSEDRNN_SRC_KERNELS_STEPS_H_
