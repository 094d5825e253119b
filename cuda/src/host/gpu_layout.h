// How the gpu providers lay out reserve and workspace: byte offsets, a pure function of the
// problem. gpu_plan.cpp answers sizes from it, gpu_rnn*.cpp place pointers by it.

#ifndef FUSEDRNN_SRC_HOST_GPU_LAYOUT_H_
#define FUSEDRNN_SRC_HOST_GPU_LAYOUT_H_

#include <cstdint>

#include "fusedrnn.h"
#include "host/carver.h"

namespace frnn {

// What forward leaves for backward, in `reserve`.
struct RnnReserve {
  int64_t gates;  // [T, B, G*H] activated; RNN keeps none: y is enough
  int64_t c;      // LSTM [T, B, H]
  int64_t ah_n;   // GRU [T, B, H]: U_n h + b_hh_n
  int64_t rh;     // reset-before GRU [T, B, H]: r * h
  int64_t bytes;
};
RnnReserve rnn_reserve(const frnn_rnn& rnn);

struct RnnForwardWorkspace {
  int64_t chunk_steps;  // steps whose input product is computed at once
  int64_t gates;        // [chunk_steps, B, G*H], unless the reserve has them
  int64_t ah;           // GRU [B, 3H]
  int64_t c;            // LSTM without training [B, H]
  int64_t rh;           // reset-before GRU without training [B, H]
  int64_t zeros;        // [B, H]: stands for an absent h0 or c0
  int64_t blas;         // kBlasAlignment more than blas_bytes
  int64_t blas_bytes;
  int64_t bytes;
};
RnnForwardWorkspace rnn_forward_workspace(const frnn_rnn& rnn);

struct RnnBackwardWorkspace {
  int64_t da;        // [T, B, G*H]; GRU: of the input parts
  int64_t dah;       // GRU [T, B, 3H]: of the recurrent parts
  int64_t dh;        // [B, H]
  int64_t dc;        // LSTM [B, H]
  int64_t drh;       // reset-before GRU [B, H]
  int64_t zeros;     // [B, H]: stands for an absent h0, c0, dhT or dcT
  int64_t partials;  // of the column sums
  int64_t blas;
  int64_t blas_bytes;
  int64_t bytes;
};
RnnBackwardWorkspace rnn_backward_workspace(const frnn_rnn& rnn);

// ---- The whole family -------------------------------------------------------------------------
//
// What the plain layouts above do not serve: rows of their own lengths, reverse, batch-first or
// strided outputs, variants, projections, masks, MUT cells, 16-bit elements. "Rows" have one row
// for each (t, b) in x's order; "Elem" marks what has the call's dtype, the rest is fp32. G counts
// the gate blocks of w_ih, R those of w_hh.

bool is_family(const frnn_rnn& rnn);

struct FamilyReserve {
  int64_t gates;   // rows [., G*H] activated; RNN: the new h, before zoneout
  int64_t c_prev;  // LSTM rows [., H]
  int64_t ah_n;    // GRU rows [., H]; MUT1: tanh of the input part of n
  // with a norm, in units before the gain
  int64_t unit_ih;   // rows [., G*H]
  int64_t scale_ih;  // layer norm [rows], batch norm [G*H]
  int64_t count;     // batch norm: live rows
  int64_t unit_hh;   // layer norm rows [., 4H]
  int64_t scale_hh;  // layer norm [rows]
  int64_t bytes;
};
FamilyReserve family_reserve(const frnn_rnn& rnn);

struct FamilyForwardWorkspace {
  int64_t gates;      // rows [., G*H], without training
  int64_t ah;         // [B, G*H]
  int64_t h;          // Elem [B, W]
  int64_t hin;        // Elem [B, W], with recurrent dropout; otherwise h
  int64_t c;          // LSTM [B, H]
  int64_t m;          // with a projection Elem [B, H]
  int64_t projected;  // with a projection [B, W]
  int64_t rh;         // reset before: Elem [B, H]
  int64_t un;         // reset before: [B, H]
  int64_t tanh_h;     // MUT3 Elem [B, H]
  int64_t fresh_c;    // layer norm [B, H]
  int64_t mean;       // batch norm [G*H]
  int64_t blas;
  int64_t blas_bytes;
  int64_t bytes;
};
FamilyForwardWorkspace family_forward_workspace(const frnn_rnn& rnn);

struct FamilyBackwardWorkspace {
  int64_t da;               // Elem rows [., G*H]
  int64_t dah;              // GRU, MUT1: Elem rows [., R*H]; otherwise da
  int64_t da_step;          // Elem [B, R*H], with lengths
  int64_t dh;               // [B, W]
  int64_t dhin;             // [B, W]
  int64_t dc;               // LSTM [B, H]
  int64_t hin;              // Elem rows [., W]
  int64_t rh;               // reset before: Elem rows [., H]
  int64_t drh;              // reset before: [B, H]
  int64_t tanh_h;           // MUT3 Elem rows [., H]
  int64_t dtanh;            // MUT3 [B, H]
  int64_t dprojected;       // with a projection Elem rows [., W]
  int64_t dprojected_step;  // with a projection Elem [B, W], with lengths
  int64_t dm;               // with a projection [B, H]
  int64_t m;                // with a projection Elem rows [., H]
  int64_t dp;               // with peepholes rows [., K*H]
  int64_t dax;              // with a norm Elem rows [., G*H]: of W x before its norm
  int64_t fresh_c;          // layer norm [B, H]
  int64_t fresh_da;         // layer norm [B, 4H]
  int64_t bias_terms;       // layer norm rows [., H]
  int64_t gain_terms;       // layer norm rows [., H]
  int64_t sums;             // batch norm [G*H]
  int64_t weighted;         // batch norm [G*H]
  int64_t x;                // with lengths Elem rows [., I]: x without what lies beyond them
  int64_t partials;
  int64_t blas;
  int64_t blas_bytes;
  int64_t bytes;
};
FamilyBackwardWorkspace family_backward_workspace(const frnn_rnn& rnn);

struct LinearWorkspace {
  int64_t partials;
  int64_t blas;
  int64_t blas_bytes;
  int64_t bytes;
};
LinearWorkspace linear_workspace(const frnn_linear& linear);

// cuBLAS wants its workspace aligned to this.
constexpr int64_t kBlasAlignment = 256;

}  // namespace frnn

#endif  // FUSEDRNN_SRC_HOST_GPU_LAYOUT_H_
