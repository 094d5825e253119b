// What a unit does in a step of a resident backward kernel, for each cell: what it reads of what
// forward saved, and where its gradients go. Equations are in cells/.
//
//   kTwoProducts            the step has a product inside
//   Saved                   what is read, one step ahead
//   load(s, at, j)          reads it for unit j
//   gradient(s, at, j, saved, dh, unit, put)
//                           from the whole gradient of h to those of the preactivations: stores
//                           them, puts them into the product by put(block, value), and leaves in
//                           `unit` what does not pass the product
//   second(...)             the same after the inner product, whose result is `drh`

#ifndef FUSEDRNN_SRC_KERNELS_RESIDENT_BACKWARD_CELLS_H_
#define FUSEDRNN_SRC_KERNELS_RESIDENT_BACKWARD_CELLS_H_

#include "cells/gru.h"
#include "cells/lstm_variant.h"
#include "cells/rnn.h"
#include "kernels/resident_backward.h"
#include "machine/device.h"

namespace frnn {

using machine::narrow;
using machine::widen;

// A step of a row of the batch.
struct Moment {
  bool inside;  // the row is there
  bool live;    // and has not ended
  bool first;   // before this step stands h0
  int b;
  int64_t row;         // of this time; of a row that has ended: where zeros belong
  int64_t row_before;  // of the step before
};

template <typename Rows>
FRNN_DEVICE int length_of(const Rows& s, int b) {
  if (b >= s.B) return 0;
  if (s.lengths == nullptr) return s.T;
  const int length = s.lengths[b];
  return length < 0 ? 0 : (length > s.T ? s.T : length);
}

template <typename Rows>
FRNN_DEVICE Moment moment_of(const Rows& s, int b, int length, int step) {
  const bool live = step < length;
  const int64_t t = live && s.reverse ? length - 1 - step : step;
  const int64_t before = s.reverse ? t + 1 : t - 1;
  const int64_t B = s.B, T = s.T;
  return {b < s.B,
          live,
          step == 0,
          b,
          s.batch_first ? b * T + t : t * B + b,
          s.batch_first ? b * T + before : before * B + b};
}

// h before the step.
template <typename Rows>
FRNN_DEVICE float h_before(const Rows& s, const Moment& at, int j) {
  if (!at.first) return widen(s.y[at.row_before * s.y_ld + j]);
  return s.h0 != nullptr ? widen(s.h0[static_cast<int64_t>(at.b) * s.H + j]) : 0.0f;
}

template <typename Elem>
FRNN_DEVICE float dy_of(const ResidentBackward<Elem>& s, const Moment& at, int j) {
  return s.dy != nullptr ? widen(s.dy[at.row * s.y_ld + j]) : 0.0f;
}

// What passes from step to step in a thread's registers, for one unit of one row.
struct PassedOn {
  float dh;  // of the state before, without what comes by the recurrent product
  float dc;
};

struct LstmBackwardUnit {
  static constexpr bool kTwoProducts = false;
  struct Saved {
    float i, f, g, o, c_prev, dy;
  };

  template <typename Elem>
  static FRNN_DEVICE Saved load(const ResidentBackward<Elem>& s, const Moment& at, int j) {
    const int64_t H = s.H;
    const float* const row = s.gates + at.row * s.shape.blocks * H + j;
    Saved v;
    v.i = s.blocks.i >= 0 ? row[s.blocks.i * H] : 1.0f;
    v.f = row[s.blocks.f * H];
    v.g = row[s.blocks.g * H];
    v.o = row[s.blocks.o * H];
    v.dy = dy_of(s, at, j);
    if (!s.c_before) {
      v.c_prev = s.c_prev[at.row * H + j];
    } else if (!at.first) {
      v.c_prev = s.c_prev[at.row_before * H + j];
    } else {
      v.c_prev = s.c0 != nullptr ? s.c0[at.b * H + j] : 0.0f;
    }
    return v;
  }

  template <typename Elem>
  static FRNN_DEVICE LstmPeepholes<float> peepholes(const ResidentBackward<Elem>& s, int j) {
    if (!s.variant.peephole) return {0.0f, 0.0f, 0.0f};
    const int64_t H = s.H;
    const auto row = [&](int block) { return widen(s.peephole[block * H + j]); };
    return {s.blocks.pi >= 0 ? row(s.blocks.pi) : 0.0f, row(s.blocks.pf), row(s.blocks.po)};
  }

  template <typename Elem, typename Put>
  static FRNN_DEVICE void gradient(const ResidentBackward<Elem>& s, const Moment& at, int j,
                                   const Saved& v, float dh, PassedOn& unit, const Put& put) {
    LstmVariantBackward<float> d = {{0, 0, 0, 0}, {0, 0, 0}, unit.dc, 0};
    if (at.live) {
      const float i = s.variant.coupled ? 1.0f - v.f : v.i;
      d = lstm_variant_backward<float>(s.variant, {i, v.f, v.g, v.o}, peepholes(s, j), v.c_prev, dh,
                                       unit.dc);
    }
    unit = {at.live ? 0.0f : dh, d.dc_prev};
    const int64_t H = s.H;
    Elem* const row = s.da + at.row * s.shape.blocks * H + j;
    const auto gate = [&](int block, float value) {
      put(block, value);
      row[block * H] = narrow<Elem>(value);
    };
    if (s.blocks.i >= 0) gate(s.blocks.i, d.da.i);
    gate(s.blocks.f, d.da.f);
    gate(s.blocks.g, d.da.g);
    gate(s.blocks.o, d.da.o);
    if (!s.variant.peephole) return;
    float* const dp = s.dp + at.row * (s.blocks.po + 1) * H + j;
    if (s.blocks.pi >= 0) dp[s.blocks.pi * H] = d.dp.i;
    dp[s.blocks.pf * H] = d.dp.f;
    dp[s.blocks.po * H] = d.dp.o;
  }
};

struct GruBackwardUnit {
  static constexpr bool kTwoProducts = false;
  struct Saved {
    float r, z, n, ah_n, h_prev, dy;
  };

  template <typename Elem>
  static FRNN_DEVICE Saved load(const ResidentBackward<Elem>& s, const Moment& at, int j) {
    const int64_t H = s.H;
    const float* const row = s.gates + at.row * 3 * H + j;
    return {row[0],         row[H], row[2 * H], s.ah_n[at.row * H + j], h_before(s, at, j),
            dy_of(s, at, j)};
  }

  template <typename Elem, typename Put>
  static FRNN_DEVICE void gradient(const ResidentBackward<Elem>& s, const Moment& at, int j,
                                   const Saved& v, float dh, PassedOn& unit, const Put& put) {
    GruBackward<float> d = {{0, 0, 0}, 0, dh};
    if (at.live) d = gru_backward<float>({v.r, v.z, v.n}, v.ah_n, v.h_prev, dh);
    unit.dh = d.dh_prev;
    const int64_t H = s.H, offset = at.row * 3 * H + j;
    const auto gate = [&](int block, float dax, float dah) {
      put(block, dah);
      s.da[offset + block * H] = narrow<Elem>(dax);
      s.dah[offset + block * H] = narrow<Elem>(dah);
    };
    gate(0, d.dax.r, d.dax.r);
    gate(1, d.dax.z, d.dax.z);
    gate(2, d.dax.n, d.dah_n);
  }
};

struct GruBeforeBackwardUnit {
  static constexpr bool kTwoProducts = true;
  static constexpr int kInnerBlock = 2;  // n: its product comes first, alone
  struct Saved {
    float r, z, n, h_prev, dy;
  };

  template <typename Elem>
  static FRNN_DEVICE Saved load(const ResidentBackward<Elem>& s, const Moment& at, int j) {
    const int64_t H = s.H;
    const float* const row = s.gates + at.row * 3 * H + j;
    return {row[0], row[H], row[2 * H], h_before(s, at, j), dy_of(s, at, j)};
  }

  template <typename Elem, typename Put>
  static FRNN_DEVICE void gradient(const ResidentBackward<Elem>& s, const Moment& at, int j,
                                   const Saved& v, float dh, PassedOn& unit, const Put& put) {
    GruBeforeBackwardFirst<float> d = {0, 0, dh};
    if (at.live) d = gru_before_backward_first(v.z, v.n, v.h_prev, dh);
    unit.dh = d.dh_prev;
    const int64_t H = s.H;
    Elem* const row = s.da + at.row * 3 * H + j;
    put(1, d.da_z);
    put(2, d.da_n);
    row[H] = narrow<Elem>(d.da_z);
    row[2 * H] = narrow<Elem>(d.da_n);
  }

  template <typename Elem, typename Put>
  static FRNN_DEVICE void second(const ResidentBackward<Elem>& s, const Moment& at, int j,
                                 const Saved& v, float drh, PassedOn& unit, const Put& put) {
    GruBeforeBackwardSecond<float> d = {0, unit.dh};
    if (at.live) d = gru_before_backward_second(v.r, v.h_prev, drh, unit.dh);
    unit.dh = d.dh_prev;
    put(0, d.da_r);
    s.da[at.row * 3 * s.H + j] = narrow<Elem>(d.da_r);
  }
};

struct RnnBackwardUnit {
  static constexpr bool kTwoProducts = false;
  struct Saved {
    float h, dy;
  };

  template <typename Elem>
  static FRNN_DEVICE Saved load(const ResidentBackward<Elem>& s, const Moment& at, int j) {
    return {s.gates[at.row * s.H + j], dy_of(s, at, j)};
  }

  template <typename Elem, typename Put>
  static FRNN_DEVICE void gradient(const ResidentBackward<Elem>& s, const Moment& at, int j,
                                   const Saved& v, float dh, PassedOn& unit, const Put& put) {
    float da = 0.0f;
    if (at.live) da = s.relu ? RnnRelu::backward(v.h, dh) : RnnTanh::backward(v.h, dh);
    unit.dh = at.live ? 0.0f : dh;
    put(0, da);
    s.da[at.row * s.H + j] = narrow<Elem>(da);
  }
};

}  // namespace frnn

#endif  // FUSEDRNN_SRC_KERNELS_RESIDENT_BACKWARD_CELLS_H_
