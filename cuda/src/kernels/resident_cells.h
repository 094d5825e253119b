// Cells as the resident forward kernel sees them: how a unit tile is laid into 16-row tiles of
// mma.sync, and what a thread does with the sums. The equations are those of cells/.
//
// The rows of a unit tile are ordered so that all gates of a unit come out in the same lane. A lane
// then has kSlots elements of the tile: slot e is column 2 (lane % 4) + e % 2 of the batch tile and
// unit lane / 4 + 8 (e / 2) of the unit tile.
//   LSTM       8 units, 2 row tiles of (i, f) and (g, o): 8 rows of each gate
//   GRU       16 units, 3 row tiles: r, z, n
//   RNN       16 units, 1 row tile
//
// A cell has: kUnits, kRowTiles, kGates, kSlots; kPasses, products of a step, pass p with the row
// tiles [first_row_tile(p), first_row_tile(p + 1)) and gates likewise; gate_of(row tile, row) and
// unit_of(row); where_is(gate, slot): the row tile and element of its accumulator; Unit: what is
// constant for a unit; Memory: what a slot keeps from step to step; Result: what backward may want;
// advance<pass>: the cell, whose answer enters the vector that the next product reads.

#ifndef FUSEDRNN_SRC_KERNELS_RESIDENT_CELLS_H_
#define FUSEDRNN_SRC_KERNELS_RESIDENT_CELLS_H_

#include "cells/gru.h"
#include "cells/lstm_variant.h"
#include "cells/rnn.h"
#include "kernels/resident.h"
#include "kernels/sequence_steps.h"

namespace frnn {
namespace resident {

struct Element {
  int row_tile, index;
};

// Both biases of a gate block for a unit.
template <typename Elem>
FRNN_DEVICE float bias_sum(const ResidentForward<Elem>& s, int block, int j) {
  if (block < 0) return 0.0f;
  const int64_t at = static_cast<int64_t>(block) * s.rows.H + j;
  return bias_at(s.b_ih, at) + bias_at(s.b_hh, at);
}

struct LstmRows {
  static constexpr int kUnits = 8, kRowTiles = 2, kGates = 4, kSlots = 2, kPasses = 1;
  static FRNN_DEVICE constexpr int first_row_tile(int pass) { return pass * kRowTiles; }
  static FRNN_DEVICE constexpr int first_gate(int pass) { return pass * kGates; }
  static FRNN_DEVICE int gate_of(int row_tile, int row) { return 2 * row_tile + row / 8; }
  static FRNN_DEVICE int unit_of(int row) { return row % 8; }
  static FRNN_DEVICE constexpr Element where_is(int gate, int slot) {
    return {gate / 2, gate % 2 * 2 + slot};
  }
};

template <int Gates>
struct WholeRows {  // a row tile is a gate
  static constexpr int kUnits = 16, kRowTiles = Gates, kGates = Gates, kSlots = 4;
  static FRNN_DEVICE int gate_of(int row_tile, int) { return row_tile; }
  static FRNN_DEVICE int unit_of(int row) { return row; }
  static FRNN_DEVICE constexpr Element where_is(int gate, int slot) { return {gate, slot}; }
};

struct ResidentLstm : LstmRows {
  struct Unit {
    LstmGates<float> bias;
  };
  struct Memory {
    float c;
  };
  struct Result {
    LstmGates<float> gates;
    float c_before;
  };

  template <typename Elem>
  static FRNN_DEVICE int block_of(const ResidentForward<Elem>& s, int gate) {
    return gate == 0 ? s.blocks.i : gate == 1 ? s.blocks.f : gate == 2 ? s.blocks.g : s.blocks.o;
  }
  template <typename Elem>
  static FRNN_DEVICE Unit unit(const ResidentForward<Elem>& s, int j) {
    return {{bias_sum(s, s.blocks.i, j), bias_sum(s, s.blocks.f, j), bias_sum(s, s.blocks.g, j),
             bias_sum(s, s.blocks.o, j)}};
  }
  // Read at every step, from L1: most layers have none, and registers are few.
  template <typename Elem>
  static FRNN_DEVICE LstmPeepholes<float> peepholes(const ResidentForward<Elem>& s, int j) {
    if (s.peephole == nullptr) return {0.0f, 0.0f, 0.0f};
    const auto row = [&](int k) {
      return k >= 0 ? widen(s.peephole[static_cast<int64_t>(k) * s.rows.H + j]) : 0.0f;
    };
    return {row(s.blocks.pi), row(s.blocks.pf), row(s.blocks.po)};
  }
  static FRNN_DEVICE Memory begin(float, float c0) { return {c0}; }
  template <int Pass, typename Elem>
  static FRNN_DEVICE float advance(const ResidentForward<Elem>& s, int j, const Unit& u,
                                   const float (&ax)[kGates], const float (&ah)[kGates],
                                   Memory* memory, Result* result) {
    const LstmGates<float> a = {(ax[0] + ah[0]) + u.bias.i, (ax[1] + ah[1]) + u.bias.f,
                                (ax[2] + ah[2]) + u.bias.g, (ax[3] + ah[3]) + u.bias.o};
    const auto y = lstm_variant_forward(s.variant, a, peepholes(s, j), memory->c);
    *result = {y.gates, memory->c};
    memory->c = y.c;
    return y.m;
  }
  static FRNN_DEVICE void keep_h(Memory*, float) {}
  template <typename Elem>
  static FRNN_DEVICE void save(const ResidentForward<Elem>& s, const Memory& memory,
                               const Result& result, int64_t row, int j) {
    const int64_t H = s.rows.H, at = row * H + j;
    if (s.gates != nullptr) {
      float* const to = s.gates + row * s.G * H + j;
      if (s.blocks.i >= 0) to[s.blocks.i * H] = result.gates.i;
      to[s.blocks.f * H] = result.gates.f;
      to[s.blocks.g * H] = result.gates.g;
      to[s.blocks.o * H] = result.gates.o;
    }
    if (s.c_before != nullptr) s.c_before[at] = result.c_before;
    if (s.c_after != nullptr) s.c_after[at] = memory.c;
  }
  static FRNN_DEVICE float cell_state(const Memory& memory) { return memory.c; }
};

struct ResidentGru : WholeRows<3> {
  static constexpr int kPasses = 1;
  static FRNN_DEVICE constexpr int first_row_tile(int pass) { return 3 * pass; }
  static FRNN_DEVICE constexpr int first_gate(int pass) { return 3 * pass; }
  struct Unit {
    float r, z, input_n, recurrent_n;  // biases
  };
  struct Memory {
    float h;
  };
  struct Result {
    GruGates<float> gates;
    float ah_n;
  };

  template <typename Elem>
  static FRNN_DEVICE int block_of(const ResidentForward<Elem>&, int gate) {
    return gate;
  }
  template <typename Elem>
  static FRNN_DEVICE Unit unit(const ResidentForward<Elem>& s, int j) {
    const int64_t n = int64_t{2} * s.rows.H + j;
    return {bias_sum(s, 0, j), bias_sum(s, 1, j), bias_at(s.b_ih, n), bias_at(s.b_hh, n)};
  }
  static FRNN_DEVICE Memory begin(float h0, float) { return {h0}; }
  template <int Pass, typename Elem>
  static FRNN_DEVICE float advance(const ResidentForward<Elem>&, int, const Unit& u,
                                   const float (&ax)[kGates], const float (&ah)[kGates],
                                   Memory* memory, Result* result) {
    const float ah_n = ah[2] + u.recurrent_n;
    const auto y = gru_forward<float>({ax[0] + u.r, ax[1] + u.z, ax[2] + u.input_n},
                                      {ah[0], ah[1], ah_n}, memory->h);
    *result = {y.gates, ah_n};
    return y.h;
  }
  static FRNN_DEVICE void keep_h(Memory* memory, float h) { memory->h = h; }
  template <typename Elem>
  static FRNN_DEVICE void save(const ResidentForward<Elem>& s, const Memory&, const Result& result,
                               int64_t row, int j) {
    const int64_t H = s.rows.H;
    if (s.gates != nullptr) {
      float* const to = s.gates + row * 3 * H + j;
      to[0] = result.gates.r;
      to[H] = result.gates.z;
      to[2 * H] = result.gates.n;
    }
    if (s.ah_n != nullptr) s.ah_n[row * H + j] = result.ah_n;
  }
  static FRNN_DEVICE float cell_state(const Memory&) { return 0.0f; }
};

// Pass 0: r and z from h, then r * h goes round; pass 1: n from that.
struct ResidentGruBefore : WholeRows<3> {
  static constexpr int kPasses = 2;
  static FRNN_DEVICE constexpr int first_row_tile(int pass) { return pass == 0 ? 0 : pass + 1; }
  static FRNN_DEVICE constexpr int first_gate(int pass) { return first_row_tile(pass); }
  struct Unit {
    float r, z, n;  // biases
  };
  struct Memory {
    float h;
  };
  struct Result {
    GruGates<float> gates;
    float rh;
  };

  template <typename Elem>
  static FRNN_DEVICE int block_of(const ResidentForward<Elem>&, int gate) {
    return gate;
  }
  template <typename Elem>
  static FRNN_DEVICE Unit unit(const ResidentForward<Elem>& s, int j) {
    return {bias_sum(s, 0, j), bias_sum(s, 1, j), bias_sum(s, 2, j)};
  }
  static FRNN_DEVICE Memory begin(float h0, float) { return {h0}; }
  template <int Pass, typename Elem>
  static FRNN_DEVICE float advance(const ResidentForward<Elem>&, int, const Unit& u,
                                   const float (&ax)[kGates], const float (&ah)[kGates],
                                   Memory* memory, Result* result) {
    if constexpr (Pass == 0) {
      const auto y =
          gru_before_forward_first((ax[0] + ah[0]) + u.r, (ax[1] + ah[1]) + u.z, memory->h);
      result->gates.r = y.r;
      result->gates.z = y.z;
      return result->rh = y.rh;
    } else {
      const auto y = gru_before_forward_second((ax[2] + ah[2]) + u.n, result->gates.z, memory->h);
      result->gates.n = y.n;
      return y.h;
    }
  }
  static FRNN_DEVICE void keep_h(Memory* memory, float h) { memory->h = h; }
  template <typename Elem>
  static FRNN_DEVICE void save(const ResidentForward<Elem>& s, const Memory&, const Result& result,
                               int64_t row, int j) {
    const int64_t H = s.rows.H;
    if (s.gates != nullptr) {
      float* const to = s.gates + row * 3 * H + j;
      to[0] = result.gates.r;
      to[H] = result.gates.z;
      to[2 * H] = result.gates.n;
    }
    if (s.rh != nullptr) s.rh[row * H + j] = result.rh;
  }
  static FRNN_DEVICE float cell_state(const Memory&) { return 0.0f; }
};

struct ResidentRnn : WholeRows<1> {
  static constexpr int kPasses = 1;
  static FRNN_DEVICE constexpr int first_row_tile(int pass) { return pass; }
  static FRNN_DEVICE constexpr int first_gate(int pass) { return pass; }
  struct Unit {
    float bias;
  };
  struct Memory {};
  struct Result {
    float h;
  };

  template <typename Elem>
  static FRNN_DEVICE int block_of(const ResidentForward<Elem>&, int) {
    return 0;
  }
  template <typename Elem>
  static FRNN_DEVICE Unit unit(const ResidentForward<Elem>& s, int j) {
    return {bias_sum(s, 0, j)};
  }
  static FRNN_DEVICE Memory begin(float, float) { return {}; }
  template <int Pass, typename Elem>
  static FRNN_DEVICE float advance(const ResidentForward<Elem>& s, int, const Unit& u,
                                   const float (&ax)[kGates], const float (&ah)[kGates], Memory*,
                                   Result* result) {
    const float a = (ax[0] + ah[0]) + u.bias;
    return result->h = s.relu ? RnnRelu::forward(a) : RnnTanh::forward(a);
  }
  static FRNN_DEVICE void keep_h(Memory*, float) {}
  template <typename Elem>
  static FRNN_DEVICE void save(const ResidentForward<Elem>& s, const Memory&, const Result& result,
                               int64_t row, int j) {
    if (s.gates != nullptr) s.gates[row * s.rows.H + j] = result.h;
  }
  static FRNN_DEVICE float cell_state(const Memory&) { return 0.0f; }
};

}  // namespace resident
}  // namespace frnn

#endif  // FUSEDRNN_SRC_KERNELS_RESIDENT_CELLS_H_
