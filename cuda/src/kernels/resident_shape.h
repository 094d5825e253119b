// How a resident sequence kernel is cut: what the host decides (host/resident_geometry.cpp) and the
// kernel reads. The recurrent matrix stays on the chip for the whole sequence, in registers and
// shared memory of the blocks of one cluster.
//
// A cell is cut into "unit tiles": 8 hidden units (LSTM) or 16 (GRU, RNN) with all their gates.
// Block r of a cluster owns the tiles [tiles * r / C, tiles * (r + 1) / C). Inside a block warp w
// is row warp w % row_warps of reduction split w / row_warps: it multiplies the tiles row_warp,
// row_warp + row_warps, .. with its share of the vector. What is beyond row_warps * splits idles.
//
// A vector (h, or r * h) of the batch tile lies in shared memory as kBatchTile rows of `pitch`
// bytes. "k tile": 32 bytes of such a row, 16 values of 16 bits or 8 of 32, the depth of one
// mma.sync; they are loaded and shared out in pairs.

#ifndef FUSEDRNN_SRC_KERNELS_RESIDENT_SHAPE_H_
#define FUSEDRNN_SRC_KERNELS_RESIDENT_SHAPE_H_

#include "machine/qualifiers.h"

namespace frnn {

constexpr int kResidentWarps = 8;  // so each thread may have all 255 registers
constexpr int kResidentThreads = 32 * kResidentWarps;
constexpr int kBatchTile = 8;        // batch rows of a cluster: the columns of one mma.sync
constexpr int kFragmentBytes = 512;  // of a 16-row k tile of weights: 16 bytes a lane

struct ResidentShape {
  int cluster;          // C, blocks
  int tiles;            // unit tiles of the layer
  int row_warps;        // warps that share out a block's unit tiles
  int splits;           // ways that the reduction is cut: 1, 2, 4 or 8; 1 with two rounds
  int pairs;            // k tile pairs of the vector
  int pairs_per_split;  // but for the last, which may have fewer
  int pitch;            // bytes; an odd multiple of 16: ldmatrix finds its 8 rows in all banks
  // Places in dynamic shared memory. The transaction barriers come first, then two vectors.
  int vectors_at;
  int weights_at;  // fragments that registers do not hold: of warp w from w * fragments_of_warp on
  int sums_at;     // partial sums between splits
  int bytes;
  int fragments_of_warp;  // in shared memory
};

// The first unit tile of block `rank`.
FRNN_HOST_DEVICE int first_tile(const ResidentShape& shape, int rank) {
  return static_cast<int>(static_cast<unsigned>(shape.tiles * rank) /
                          static_cast<unsigned>(shape.cluster));
}

// Depth, in k tiles, of what a warp holds in registers of each of its 16-row tiles: 128 registers
// of each lane, fewer where the sums and gates of many tiles need some, too, and where fp32 weights
// are taken apart (`apart`).
constexpr int held_depth(int row_tiles, int rounds, bool apart) {
  const int tiles = row_tiles * rounds;
  const int fragments = tiles == 6 ? 16 : (rounds == 2 || tiles == 3) ? 24 : 32;
  return (fragments - (apart ? 4 : 0)) / tiles / 2 * 2;
}

// Unit tiles that a warp may serve, by the 16-row tiles of each: the kernels that are compiled. A
// warp with two GRU tiles of 32-bit weights would find no room for them on any device.
constexpr int most_rounds(int row_tiles, int bytes_of_value) {
  return row_tiles == 3 && bytes_of_value == 4 ? 1 : 2;
}

}  // namespace frnn

#endif  // FUSEDRNN_SRC_KERNELS_RESIDENT_SHAPE_H_
