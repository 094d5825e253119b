#include "host/resident_geometry.h"

#include <algorithm>

#include "host/plan.h"
#include "host/status.h"

namespace frnn {
namespace {

constexpr int kPairBytes = 64;      // of a vector's row
constexpr int kBarrierBytes = 128;  // room for the transaction barriers
constexpr int kRegistersOfBlock = 65536;

int up(int64_t value, int64_t multiple) {
  return static_cast<int>((value + multiple - 1) / multiple * multiple);
}
int divide_up(int64_t a, int64_t b) {
  return static_cast<int>((a + b - 1) / b);
}

int bytes_of_value(ResidentProduct product) {
  return product == ResidentProduct::kBf16 || product == ResidentProduct::kF16 ? 2 : 4;
}
int products_of_fragment(ResidentProduct product) {
  return product == ResidentProduct::kF32 ? 3 : 1;
}

int rounds_of(const ResidentGeometry& g) {
  return most_rounds(g.cell.row_tiles, bytes_of_value(g.product));
}
int fragments_of_warp(const ResidentGeometry& g) {
  return g.rounds * g.cell.row_tiles * 2 * g.shape.pairs_per_split;
}
int tiles_of_block(const ResidentShape& shape) {  // of the block that has most
  return divide_up(shape.tiles, shape.cluster);
}

// Places in shared memory, given how the tiles and the reduction are shared out.
void place(ResidentGeometry* g) {
  ResidentShape& s = g->shape;
  const int warps = s.row_warps * s.splits;
  const int held = held_depth(g->cell.row_tiles, g->rounds, g->product == ResidentProduct::kF32);
  s.fragments_of_warp = g->rounds * g->cell.row_tiles * std::max(0, 2 * s.pairs_per_split - held);
  s.vectors_at = kBarrierBytes;
  s.weights_at = up(s.vectors_at + 2 * kBatchTile * s.pitch, 16);
  s.sums_at = s.weights_at + warps * s.fragments_of_warp * kFragmentBytes;
  const int sums = s.splits == 1 ? 0 : warps * g->rounds * g->cell.row_tiles * kFragmentBytes;
  s.bytes = s.sums_at + sums;
}

// Clocks of what a choice of warps and splits changes: products at 8 clocks each on a quarter of
// the SM, shared memory at 128 bytes a clock, and a barrier of the block between splits.
int clocks(const ResidentGeometry& g) {
  const int shared = g.spilled_bytes() + g.vector_bytes() + g.sum_bytes();
  return 8 * g.multiplications() + shared / 128 + (g.shape.splits > 1 ? 40 : 0);
}

// Tries every way of sharing a block's work out to its warps; the fastest that fits, or the
// smallest where none does.
void share_out(ResidentGeometry* geometry, int64_t limit) {
  ResidentGeometry best = *geometry;
  best.shape.bytes = 0;
  const int tiles = tiles_of_block(geometry->shape);
  for (int rounds = 1; rounds <= rounds_of(*geometry); ++rounds) {
    const int row_warps = divide_up(tiles, rounds);
    if (row_warps > kResidentWarps) continue;
    const int most_splits = rounds == 1 ? kResidentWarps / row_warps : 1;
    for (int splits = 1; splits <= most_splits; splits *= 2) {
      ResidentGeometry g = *geometry;
      g.rounds = rounds;
      g.shape.row_warps = row_warps;
      g.shape.splits = splits;
      g.shape.pairs_per_split = divide_up(g.shape.pairs, splits);
      place(&g);
      const bool fits = g.shape.bytes <= limit, best_fits = best.shape.bytes <= limit;
      const bool better = fits != best_fits ? fits
                          : fits            ? clocks(g) < clocks(best)
                                            : g.shape.bytes < best.shape.bytes;
      if (best.shape.bytes == 0 || better) best = g;
    }
  }
  *geometry = best;
}

std::string refusal_of_member(const frnn_rnn& rnn) {
  const auto no = [](const char* what) {
    return format("K1 and K2 have no %s: K0 serves it", what);
  };
  if (rnn.cell > FRNN_RNN_RELU) return no("MUT cells");
  if ((rnn.variant & ~int64_t{FRNN_PEEPHOLE | FRNN_COUPLED}) != 0) return no("ablated LSTM gates");
  if (rnn.P != 0) return no("projection");
  if (rnn.norm != FRNN_NO_NORM) return no("layer or batch norm");
  if (rnn.cell_clip > 0) return no("cell_clip");
  if (rnn.zoneout_h > 0 || rnn.zoneout_c > 0) return no("zoneout");
  if (rnn.recurrent_dropout > 0 && (rnn.flags & FRNN_TRAINING) != 0) return no("recurrent dropout");
  if (rnn.dtype == FRNN_F64) return no("f64");
  return "";
}

std::string try_cluster(const frnn_rnn& rnn, const machine::Properties& properties, int cluster,
                        ResidentGeometry* g) {
  g->product = resident_product(rnn);
  g->cell = resident_cell(rnn.cell);
  g->batch_tiles = divide_up(rnn.B, kBatchTile);
  ResidentShape& s = g->shape;
  s.cluster = cluster;
  s.tiles = divide_up(rnn.H, g->cell.units);
  s.pairs = divide_up(rnn.H * bytes_of_value(g->product), kPairBytes);
  s.pitch = s.pairs * kPairBytes + 16;
  if (cluster > s.tiles) {
    return format("a cluster of %d needs as many tiles of %d units, H=%lld has %d", cluster,
                  g->cell.units, static_cast<long long>(rnn.H), s.tiles);
  }
  const int most = kResidentWarps * rounds_of(*g) * g->cell.units;
  if (tiles_of_block(s) * g->cell.units > most) {
    return format("H=%lld: a block serves up to %d hidden units, in a cluster of %d it had %d",
                  static_cast<long long>(rnn.H), most, cluster, tiles_of_block(s) * g->cell.units);
  }
  share_out(g, properties.shared_bytes_per_block);
  if (s.bytes > properties.shared_bytes_per_block) {
    return format(
        "H=%lld: the recurrent weights need %d bytes of shared memory in each of %d blocks, the "
        "device has %lld",
        static_cast<long long>(rnn.H), s.bytes, cluster,
        static_cast<long long>(properties.shared_bytes_per_block));
  }
  return "";
}

}  // namespace

ResidentProduct resident_product(const frnn_rnn& rnn) {
  if (rnn.dtype == FRNN_BF16) return ResidentProduct::kBf16;
  if (rnn.dtype == FRNN_F16) return ResidentProduct::kF16;
  return (rnn.flags & FRNN_ALLOW_TF32) != 0 ? ResidentProduct::kTf32 : ResidentProduct::kF32;
}

ResidentCell resident_cell(int64_t cell) {
  switch (cell) {
    case FRNN_LSTM:
      return {8, 2, 1};
    case FRNN_GRU:
      return {16, 3, 1};
    case FRNN_GRU_RESET_BEFORE:
      return {16, 3, 2};
    default:
      return {16, 1, 1};
  }
}

int ResidentGeometry::multiplications() const {
  const int warps = shape.row_warps * shape.splits;
  return divide_up(warps, 4) * fragments_of_warp(*this) * products_of_fragment(product);
}
int ResidentGeometry::spilled_bytes() const {
  return shape.row_warps * shape.splits * shape.fragments_of_warp * kFragmentBytes;
}
int ResidentGeometry::vector_bytes() const {
  return cell.passes * shape.row_warps * shape.pairs * kPairBytes * kBatchTile;
}
int ResidentGeometry::sum_bytes() const {
  if (shape.splits == 1) return 0;
  return 2 * shape.splits * tiles_of_block(shape) * cell.row_tiles * kFragmentBytes;
}
int ResidentGeometry::exchanged_bytes() const {
  if (shape.cluster == 1) return 0;
  return cell.passes * tiles_of_block(shape) * cell.units * kBatchTile * bytes_of_value(product);
}

std::string resident_refusal(const frnn_rnn& rnn, const machine::Properties& properties,
                             int cluster) {
  const std::string refusal = refusal_of_member(rnn);
  if (!refusal.empty()) return refusal;
  if (properties.major < 8) {
    return format("K1 and K2 need the tensor cores of compute capability 8.0, the device has %d.%d",
                  properties.major, properties.minor);
  }
  if (properties.registers_per_multiprocessor < kRegistersOfBlock) {
    return format("K1 and K2 need %d registers on a multiprocessor, the device has %d",
                  kRegistersOfBlock, properties.registers_per_multiprocessor);
  }
  if (cluster > std::max(properties.largest_cluster, 1)) {
    return format("a cluster of %d blocks: the device has clusters of %d at the most", cluster,
                  properties.largest_cluster);
  }
  return "";
}

std::string resident_geometry(const frnn_rnn& rnn, const machine::Properties& properties,
                              int cluster, ResidentGeometry* geometry) {
  const std::string refusal = resident_refusal(rnn, properties, cluster);
  return refusal.empty() ? try_cluster(rnn, properties, cluster, geometry) : refusal;
}

}  // namespace frnn
