// How resident backward kernels are cut: a pure function of the problem, needed by their launchers
// and by plans.

#ifndef FUSEDRNN_SRC_KERNELS_RESIDENT_BACKWARD_SHAPE_H_
#define FUSEDRNN_SRC_KERNELS_RESIDENT_BACKWARD_SHAPE_H_

#include "kernels/resident_shape.h"
#include "machine/qualifiers.h"

namespace frnn {

// Units that all threads together take in one round: each thread has one column.
constexpr int kUnitsOfRound = kResidentThreads / kBatchTile;

// What is compiled: a warp has up to `tiles` tiles of 16 rows of R^T, and keeps the fragments of
// the first `depth` of its steps along k in registers. A thread has up to `rounds` units.
struct BackwardForm {
  int tiles, depth, rounds;
};
// The last one is for 16 bits: in fp32 few sizes would fit it, and some would spill registers.
constexpr BackwardForm kBackwardForms[] = {{1, 32, 4}, {2, 16, 2}, {4, 8, 2}, {6, 4, 2}};
constexpr int kBackwardFormsOfF32 = 3;

constexpr int kStaged = 8;  // fragments of a lane that are on their way to registers together
constexpr int kStagedBytes = kStaged * kResidentWarps * kFragmentBytes;

struct ResidentBackwardShape {
  int form;          // index in kBackwardForms
  int cluster;       // blocks of a launch
  int owners;        // of them that have units; the others have nothing to do
  int units;         // of a block, a multiple of 8
  int owner_factor;  // owner_of()
  int tiles;         // of 16 rows of R^T
  int blocks;        // of gates: rows of R that belong to a unit
  int k_steps;       // of one product: blocks * units rows of R, rounded up to mma's K
  int splits;        // warps that share out a tile's steps along k
  int b_steps;       // that B has room for: k_steps and what is read together with them
  int rest;          // steps of a warp along k whose fragments lie in shared memory,
  int rest_at;       // in bytes from here on
  int b_at;          // where B begins, in bytes; the slots begin at 0
  int shared_bytes;  // dynamic
};

// The block that has the eight units from 8 * eight on, without a division in the loop: for numbers
// below 256, e / d is e * (65536 / d, rounded up) / 65536.
constexpr int owner_factor(int units) {
  return (65536 + units / 8 - 1) / (units / 8);
}
FRNN_HOST_DEVICE int owner_of(const ResidentBackwardShape& shape, int eight) {
  return (eight * shape.owner_factor) >> 16;
}

}  // namespace frnn

#endif  // FUSEDRNN_SRC_KERNELS_RESIDENT_BACKWARD_SHAPE_H_
