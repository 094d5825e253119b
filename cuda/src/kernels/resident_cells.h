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
// advance<pass, plain, real>: the cell, whose answer enters the vector that the next product reads.
// Members of the family that need more than the plain cell are told by is_plain(), once for all
// slots: branches between them would have them computed one after the other.

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

struct ResidentLstm {
  static constexpr int kUnits = 8, kRowTiles = 2, kGates = 4, kSlots = 2, kPasses = 1;
  static FRNN_DEVICE constexpr int first_row_tile(int pass) { return pass * kRowTiles; }
  static FRNN_DEVICE constexpr int first_gate(int pass) { return pass * kGates; }
  static FRNN_DEVICE int gate_of(int row_tile, int row) { return 2 * row_tile + row / 8; }
  static FRNN_DEVICE int unit_of(int row) { return row % 8; }
  static FRNN_DEVICE constexpr Element where_is(int gate, int slot) {
    return {gate / 2, gate % 2 * 2 + slot};
  }

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
  static FRNN_DEVICE bool is_plain(const ResidentForward<Elem>& s) {
    return !s.variant.peephole && !s.variant.coupled;
  }
  template <typename Elem>
  static FRNN_DEVICE int block_of(const ResidentForward<Elem>& s, int gate) {
    return gate == 0 ? s.blocks.i : gate == 1 ? s.blocks.f : gate == 2 ? s.blocks.g : s.blocks.o;
  }
  template <typename Elem>
  static FRNN_DEVICE Unit unit(const ResidentForward<Elem>& s, int j) {
    return {{bias_sum(s, s.blocks.i, j), bias_sum(s, s.blocks.f, j), bias_sum(s, s.blocks.g, j),
             bias_sum(s, s.blocks.o, j)}};
  }
  // Read at every step, from L1: few layers have them, and registers are few.
  template <typename V, typename Elem>
  static FRNN_DEVICE LstmPeepholes<V> peepholes(const ResidentForward<Elem>& s, int j) {
    const auto row = [&](int k) {
      const bool there = s.peephole != nullptr && k >= 0 && j < s.rows.H;
      return V(there ? widen(s.peephole[static_cast<int64_t>(k) * s.rows.H + j]) : 0.0f);
    };
    return {row(s.blocks.pi), row(s.blocks.pf), row(s.blocks.po)};
  }
  static FRNN_DEVICE Memory begin(float, float c0) { return {c0}; }
  template <int Pass, bool Plain, typename V, typename Elem>
  static FRNN_DEVICE float advance(const ResidentForward<Elem>& s, int j, const Unit& u,
                                   const float (&ax)[kGates], const float (&ah)[kGates],
                                   Memory* memory, Result* result) {
    const LstmGates<V> a = {(ax[0] + ah[0]) + u.bias.i, (ax[1] + ah[1]) + u.bias.f,
                            (ax[2] + ah[2]) + u.bias.g, (ax[3] + ah[3]) + u.bias.o};
    const float before = memory->c;
    const auto keep = [&](const LstmGates<V>& gates, V c) {
      *result = {{static_cast<float>(gates.i), static_cast<float>(gates.f),
                  static_cast<float>(gates.g), static_cast<float>(gates.o)},
                 before};
      memory->c = static_cast<float>(c);
    };
    if constexpr (Plain) {
      const auto y = lstm_forward<V>(a, before);
      keep(y.gates, y.c);
      return static_cast<float>(y.h);
    } else {
      const auto y = lstm_variant_forward<V>(s.variant, a, peepholes<V>(s, j), before);
      keep(y.gates, y.c);
      return static_cast<float>(y.m);
    }
  }
  static FRNN_DEVICE void keep_h(Memory*, float) {}
  template <typename Elem>
  static FRNN_DEVICE void save(const ResidentForward<Elem>& s, const Memory& memory,
                               const Result& result, int row, int j) {
    const int H = s.rows.H;
    const int64_t at = static_cast<int64_t>(row) * H + j;
    if (s.gates != nullptr) {
      float* const to = s.gates + (static_cast<int64_t>(row) * s.columns + j);
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

// Cells whose row tiles are gates and whose state is h alone.
template <int Gates>
struct WholeRows {
  static constexpr int kUnits = 16, kRowTiles = Gates, kGates = Gates, kSlots = 4;
  static FRNN_DEVICE int gate_of(int row_tile, int) { return row_tile; }
  static FRNN_DEVICE int unit_of(int row) { return row; }
  static FRNN_DEVICE constexpr Element where_is(int gate, int slot) { return {gate, slot}; }

  struct Memory {
    float h;
  };
  template <typename Elem>
  static FRNN_DEVICE int block_of(const ResidentForward<Elem>&, int gate) {
    return gate;
  }
  static FRNN_DEVICE Memory begin(float h0, float) { return {h0}; }
  static FRNN_DEVICE void keep_h(Memory* memory, float h) { memory->h = h; }
  static FRNN_DEVICE float cell_state(const Memory&) { return 0.0f; }

  template <typename Elem>
  static FRNN_DEVICE void save_gates(const ResidentForward<Elem>& s, const GruGates<float>& gates,
                                     int row, int j) {
    const int H = s.rows.H;
    if (s.gates == nullptr) return;
    float* const to = s.gates + (static_cast<int64_t>(row) * s.columns + j);
    to[0] = gates.r;
    to[H] = gates.z;
    to[2 * H] = gates.n;
  }
};

struct ResidentGru : WholeRows<3> {
  static constexpr int kPasses = 1;
  static FRNN_DEVICE constexpr int first_row_tile(int pass) { return 3 * pass; }
  static FRNN_DEVICE constexpr int first_gate(int pass) { return 3 * pass; }
  struct Unit {
    float r, z, input_n, recurrent_n;  // biases
  };
  struct Result {
    GruGates<float> gates;
    float ah_n;
  };

  template <typename Elem>
  static FRNN_DEVICE bool is_plain(const ResidentForward<Elem>&) {
    return true;
  }
  template <typename Elem>
  static FRNN_DEVICE Unit unit(const ResidentForward<Elem>& s, int j) {
    const int64_t n = int64_t{2} * s.rows.H + j;
    return {bias_sum(s, 0, j), bias_sum(s, 1, j), bias_at(s.b_ih, n), bias_at(s.b_hh, n)};
  }
  template <int Pass, bool Plain, typename V, typename Elem>
  static FRNN_DEVICE float advance(const ResidentForward<Elem>&, int, const Unit& u,
                                   const float (&ax)[kGates], const float (&ah)[kGates],
                                   Memory* memory, Result* result) {
    const float ah_n = ah[2] + u.recurrent_n;
    const auto y = gru_forward<V>({ax[0] + u.r, ax[1] + u.z, ax[2] + u.input_n},
                                  {ah[0], ah[1], ah_n}, memory->h);
    *result = {{static_cast<float>(y.gates.r), static_cast<float>(y.gates.z),
                static_cast<float>(y.gates.n)},
               ah_n};
    return static_cast<float>(y.h);
  }
  template <typename Elem>
  static FRNN_DEVICE void save(const ResidentForward<Elem>& s, const Memory&, const Result& result,
                               int row, int j) {
    save_gates(s, result.gates, row, j);
    if (s.ah_n != nullptr) s.ah_n[static_cast<int64_t>(row) * s.rows.H + j] = result.ah_n;
  }
};

// Pass 0: r and z from h, then r * h goes round; pass 1: n from that.
struct ResidentGruBefore : WholeRows<3> {
  static constexpr int kPasses = 2;
  static FRNN_DEVICE constexpr int first_row_tile(int pass) { return pass == 0 ? 0 : pass + 1; }
  static FRNN_DEVICE constexpr int first_gate(int pass) { return first_row_tile(pass); }
  struct Unit {
    float r, z, n;  // biases
  };
  struct Result {
    GruGates<float> gates;
    float rh;
  };

  template <typename Elem>
  static FRNN_DEVICE bool is_plain(const ResidentForward<Elem>&) {
    return true;
  }
  template <typename Elem>
  static FRNN_DEVICE Unit unit(const ResidentForward<Elem>& s, int j) {
    return {bias_sum(s, 0, j), bias_sum(s, 1, j), bias_sum(s, 2, j)};
  }
  template <int Pass, bool Plain, typename V, typename Elem>
  static FRNN_DEVICE float advance(const ResidentForward<Elem>&, int, const Unit& u,
                                   const float (&ax)[kGates], const float (&ah)[kGates],
                                   Memory* memory, Result* result) {
    if constexpr (Pass == 0) {
      const auto y =
          gru_before_forward_first<V>((ax[0] + ah[0]) + u.r, (ax[1] + ah[1]) + u.z, memory->h);
      result->gates.r = static_cast<float>(y.r);
      result->gates.z = static_cast<float>(y.z);
      return result->rh = static_cast<float>(y.rh);
    } else {
      const auto y =
          gru_before_forward_second<V>((ax[2] + ah[2]) + u.n, result->gates.z, memory->h);
      result->gates.n = static_cast<float>(y.n);
      return static_cast<float>(y.h);
    }
  }
  template <typename Elem>
  static FRNN_DEVICE void save(const ResidentForward<Elem>& s, const Memory&, const Result& result,
                               int row, int j) {
    save_gates(s, result.gates, row, j);
    if (s.rh != nullptr) s.rh[static_cast<int64_t>(row) * s.rows.H + j] = result.rh;
  }
};

// Plain: tanh; else relu.
struct ResidentRnn : WholeRows<1> {
  static constexpr int kPasses = 1;
  static FRNN_DEVICE constexpr int first_row_tile(int pass) { return pass; }
  static FRNN_DEVICE constexpr int first_gate(int pass) { return pass; }
  struct Unit {
    float bias;
  };
  struct Result {
    float h;
  };

  template <typename Elem>
  static FRNN_DEVICE bool is_plain(const ResidentForward<Elem>& s) {
    return !s.relu;
  }
  template <typename Elem>
  static FRNN_DEVICE Unit unit(const ResidentForward<Elem>& s, int j) {
    return {bias_sum(s, 0, j)};
  }
  template <int Pass, bool Plain, typename V, typename Elem>
  static FRNN_DEVICE float advance(const ResidentForward<Elem>&, int, const Unit& u,
                                   const float (&ax)[kGates], const float (&ah)[kGates], Memory*,
                                   Result* result) {
    const V a = (ax[0] + ah[0]) + u.bias;
    return result->h = static_cast<float>(Plain ? RnnTanh::forward(a) : RnnRelu::forward(a));
  }
  template <typename Elem>
  static FRNN_DEVICE void save(const ResidentForward<Elem>& s, const Memory&, const Result& result,
                               int row, int j) {
    if (s.gates != nullptr) s.gates[static_cast<int64_t>(row) * s.rows.H + j] = result.h;
  }
};

}  // namespace resident
}  // namespace frnn

#endif  // FUSEDRNN_SRC_KERNELS_RESIDENT_CELLS_H_
