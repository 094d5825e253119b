// Where things lie in the reserve and workspace of a recurrent call: functions of the shape and of
// the vector width alone. The plan answers sizes for the widest vector, which serve all others.
//
// Forward keeps a record per step and row: for each group of `width` hidden units, `slots` vectors
// beside each other, in place of the matrices that torch.nn would keep. The input product writes
// preactivations into the record, the step turns them into what backward needs:
//   LSTM  i f g o c      GRU  r z n (U_n h + b_hh_n)      GRU reset before  r z n      RNN  a
// In training the records of all steps are the reserve; else a few steps' worth of workspace is
// used over and over. The preactivations' gradients of backward are kept for a chunk of steps.
//
// Everything here is inlined or local to its unit, since units are compiled for different
// instruction sets.

#ifndef FUSEDRNN_SRC_CPU_LAYOUT_H_
#define FUSEDRNN_SRC_CPU_LAYOUT_H_

#include <cstdint>

#include "fusedrnn.h"

namespace frnn::cpu {
constexpr int64_t kWidestVector = 16;
// Rows of x that are multiplied at once ahead of the steps: enough to reuse the packed weights, few
// enough to find the results still in L2.
constexpr int64_t kRowsAhead = 192;
// Rows of a chunk of backward's steps, behind which the products follow that do not depend on each
// other: as many as one block of the sums over rows takes, few enough to lie in L2.
constexpr int64_t kRowsBehind = 256;
// Groups of units in a panel of the packed recurrent weights for backward.
constexpr int64_t kBackwardGroups = 4;

struct CellShape {
  int64_t gates;         // G of the header
  int64_t slots;         // vectors in a record, for each group of units
  int64_t tile_groups;   // groups of units in a tile of the forward product
  int64_t gradient_row;  // blocks of H in a row of the preactivations' gradients
};

static inline CellShape shape_of(int64_t cell) {
  switch (cell) {
    case FRNN_LSTM:
      return {4, 5, 1, 4};
    case FRNN_GRU:
      return {3, 4, 1, 4};  // the recurrent part of n has a gradient of its own
    case FRNN_GRU_RESET_BEFORE:
      return {3, 3, 1, 3};
    default:
      return {1, 1, 2, 1};
  }
}

// Hands out pieces of memory, aligned to a cache line, as offsets in floats.
struct Pieces {
  int64_t floats = 0;
  __attribute__((always_inline)) int64_t take(int64_t count) {
    const int64_t at = floats;
    floats += (count + 15) / 16 * 16;
    return at;
  }
  // The base may itself lie off a cache line.
  __attribute__((always_inline)) int64_t bytes() const {
    return floats == 0 ? 0 : (floats + 16) * 4;
  }
};

struct Layout {
  CellShape cell;
  int64_t T, B, I, H;
  int64_t width;
  int64_t tiles;   // forward tiles of tile_groups * width units
  int64_t groups;  // groups of units, those that fill up the last tile included
  int64_t padded;  // groups * width
  int64_t record;  // floats of one row's record
  bool training;
  int64_t ahead;  // steps whose input products are computed at once
  int64_t ring;   // steps that have a record: T in training, else `ahead`

  // packed weights: a block of forward's workspace, or behind a header in the caller's memory
  int64_t w_ih, w_hh, bias_x, bias_h, zeros;
  int64_t weights_floats;
  // forward's workspace
  int64_t weights, records, rh;
  int64_t forward_bytes;
  // reserve: records, and r * h of every step for the GRU that resets before
  int64_t reserve_records, reserve_rh;
  int64_t reserve_bytes;
  // backward's workspace
  int64_t back_steps;  // of a chunk; gradients of one step more have room
  int64_t back_w_hh, back_w_ih, gradients, carry, back_zeros;
  int64_t backward_bytes;
};

// Floats that the header of packed weights takes.
constexpr int64_t kPackedHeader = 16;

// Whether the weights that forward multiplies are rounded to bf16.
static inline bool narrow_weights(const frnn_rnn& rnn) {
  return rnn.packed != 0 && rnn.packed_dtype == FRNN_BF16;
}

static inline Layout layout_of(const frnn_rnn& rnn, int64_t width) {
  Layout l{};
  l.cell = shape_of(rnn.cell);
  l.T = rnn.T, l.B = rnn.B, l.I = rnn.I, l.H = rnn.H;
  l.width = width;
  const int64_t tile_units = l.cell.tile_groups * width;
  l.tiles = (l.H + tile_units - 1) / tile_units;
  l.groups = l.tiles * l.cell.tile_groups;
  l.padded = l.groups * width;
  l.record = l.padded * l.cell.slots;
  const bool before = rnn.cell == FRNN_GRU_RESET_BEFORE;
  const bool plain = rnn.cell == FRNN_RNN_TANH || rnn.cell == FRNN_RNN_RELU;
  l.training = (rnn.flags & FRNN_TRAINING) != 0;
  const bool reserve = l.training && !plain;  // a plain cell's backward needs y alone
  l.ahead = l.B >= kRowsAhead ? 1 : kRowsAhead / (l.B > 0 ? l.B : 1);
  if (l.ahead > l.T) l.ahead = l.T;
  l.ring = reserve ? l.T : l.ahead;

  Pieces weights;
  const int64_t lanes = l.padded * l.cell.gates;
  const int64_t shrink = narrow_weights(rnn) ? 2 : 1;  // lanes are a multiple of four
  l.w_ih = weights.take(lanes * l.I / shrink);
  l.w_hh = weights.take(lanes * l.H / shrink);
  l.bias_x = weights.take(lanes);
  l.bias_h = weights.take(lanes);
  l.zeros = weights.take(l.H);
  l.weights_floats = weights.floats;

  Pieces forward;
  if (rnn.packed == 0) l.weights = forward.take(l.weights_floats);
  if (!reserve) {
    l.records = forward.take(l.ring * l.B * l.record);
    if (before) l.rh = forward.take(l.B * l.H);
  }
  l.forward_bytes = forward.bytes();

  Pieces kept;
  if (reserve) {
    l.reserve_records = kept.take(l.T * l.B * l.record);
    if (before) l.reserve_rh = kept.take(l.T * l.B * l.H);
  }
  l.reserve_bytes = kept.bytes();

  Pieces backward;
  l.back_steps = l.B >= kRowsBehind ? 1 : kRowsBehind / (l.B > 0 ? l.B : 1);
  if (l.back_steps > l.T) l.back_steps = l.T;
  l.back_w_hh = backward.take(l.padded * l.cell.gates * l.H);
  l.back_w_ih = backward.take((l.I + width - 1) / width * width * l.cell.gates * l.H);
  l.gradients = backward.take((l.back_steps + 1) * l.B * l.cell.gradient_row * l.H);
  l.carry = backward.take(l.B * l.padded);
  l.back_zeros = backward.take(l.H);
  l.backward_bytes = backward.bytes();
  return l;
}

// The first float on a cache line at or after an address.
static inline float* line_start(int64_t address) {
  return reinterpret_cast<float*>((address + 63) / 64 * 64);
}

}  // namespace frnn::cpu

#endif  // FUSEDRNN_SRC_CPU_LAYOUT_H_
