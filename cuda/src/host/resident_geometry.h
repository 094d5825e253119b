// Whether the recurrent matrix of a problem fits one SM (kernel K1) or the SMs of a cluster (K2),
// and how it is then cut: a pure function of the problem and the device's properties, shared by the
// planner, the launchers and the tests. The meaning of the parts is in kernels/resident_shape.h.

#ifndef FUSEDRNN_SRC_HOST_RESIDENT_GEOMETRY_H_
#define FUSEDRNN_SRC_HOST_RESIDENT_GEOMETRY_H_

#include <cstdint>
#include <string>

#include "fusedrnn.h"
#include "kernels/resident_shape.h"
#include "machine/properties.h"

namespace frnn {

// What one mma.sync multiplies: by the call's dtype, and for f32 by whether TF32 is allowed.
enum class ResidentProduct { kBf16, kF16, kTf32, kF32 };
ResidentProduct resident_product(const frnn_rnn& rnn);

// How a cell is laid into 16-row tiles of mma.sync.
struct ResidentCell {
  int units;      // of a unit tile
  int row_tiles;  // 16-row tiles of a unit tile
  int passes;     // products, and exchanges, of a step
};
ResidentCell resident_cell(int64_t cell);

struct ResidentGeometry {
  ResidentShape shape;
  ResidentProduct product;
  ResidentCell cell;
  int rounds;           // unit tiles of a warp: 1 or 2, an argument of the kernel's template
  int64_t batch_tiles;  // clusters
  int64_t blocks() const { return batch_tiles * shape.cluster; }

  // Of the block that has most, in one step: for predictions.
  int multiplications() const;  // mma.sync of the busiest quarter of the SM
  int spilled_bytes() const;    // weights read from shared memory
  int vector_bytes() const;     // the vector read from shared memory, by all warps together
  int sum_bytes() const;        // partial sums written and read
  int exchanged_bytes() const;  // sent to each peer
};

// What K1 and K2 do not serve, or the device does not have, whatever the sizes; empty where nothing
// is in the way. For forward and backward.
std::string resident_refusal(const frnn_rnn& rnn, const machine::Properties& properties,
                             int cluster);

// Fills `geometry` and answers an empty text, or answers why it cannot be. `cluster` is a number of
// blocks; 1 is K1.
std::string resident_geometry(const frnn_rnn& rnn, const machine::Properties& properties,
                              int cluster, ResidentGeometry* geometry);

}  // namespace frnn

#endif  // FUSEDRNN_SRC_HOST_RESIDENT_GEOMETRY_H_
