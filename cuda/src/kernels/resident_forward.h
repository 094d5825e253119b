// The kernel of K1 and K2 forward: one block, or one cluster, takes a batch tile through all steps.
//
// A step: every warp multiplies its row tiles of weights with its share of h (tensor cores), the
// shares are added up where the reduction was split, each lane applies the cell to its elements
// (all gates of a unit lie in one lane), and the new h goes to all blocks of the cluster. c, or the
// lane's own h, stays in registers; W x of the next step is fetched while the current one is
// exchanged. What backward reads is written after h is on its way.

#ifndef FUSEDRNN_SRC_KERNELS_RESIDENT_FORWARD_H_
#define FUSEDRNN_SRC_KERNELS_RESIDENT_FORWARD_H_

#include "kernels/resident_cells.h"
#include "kernels/resident_exchange.h"
#include "kernels/resident_product.h"

namespace frnn {
namespace resident {

// A column of the batch tile, as one lane sees it.
struct Column {
  int b;
  int end;  // the step after its last one in this launch; no more than first_step where it has none
  int row;  // of rows tensors, at the current step
};

FRNN_DEVICE int length_of(const ResidentRows& r, int b) {
  if (b >= r.B) return 0;
  if (r.lengths == nullptr) return r.T;
  const int length = r.lengths[b];
  return length < 0 ? 0 : (length > r.T ? r.T : length);
}
FRNN_DEVICE int row_of(const ResidentRows& r, int b, int t) {  // T * B < 2^31
  return r.batch_first ? b * r.T + t : t * r.B + b;
}

template <typename Cell, typename Product, int Rounds>
class ForwardBlock {
  using Elem = typename Product::Elem;
  static constexpr int kSlots = Cell::kSlots;
  static constexpr int kGates = Cell::kGates;
  static constexpr int kRowTiles = Cell::kRowTiles * Rounds;
  static constexpr int kHeld = held_depth(kRowTiles);

 public:
  FRNN_DEVICE ForwardBlock(const ResidentForward<Elem>& s, char* shared)
      : s_(s),
        shared_(shared),
        exchange_(shared, s.shape, s.shape.pitch, bytes_of_peers(s.shape)),
        row_warp_(machine::warp_index() % s.shape.row_warps),
        split_(machine::warp_index() / s.shape.row_warps),
        first_b_(machine::block_index() / s.shape.cluster * kBatchTile),
        lane_unit_(machine::lane_index() / 4) {}

  FRNN_DEVICE void run() {
    load_weights();
    fill_vectors();
    begin_columns();
    begin_units();
    exchange_.begin();
    finish_empty_columns();
    for (int step = s_.rows.first_step; step < live_end_; ++step) {
      const bool last = step + 1 == live_end_;
      pass<0>(step, last);
      if constexpr (Cell::kPasses == 2) pass<1>(step, last);
    }
    clear_rest_of_y();
  }

 private:
  // ---- Who owns what ----

  static FRNN_DEVICE int bytes_of_peers(const ResidentShape& shape) {
    if (shape.cluster == 1) return 0;
    const int rank = machine::cluster_rank();
    const int own = first_tile(shape, rank + 1) - first_tile(shape, rank);
    return (shape.tiles - own) * Cell::kUnits * kBatchTile * static_cast<int>(sizeof(Elem));
  }
  FRNN_DEVICE int begin_tile() const { return first_tile(s_.shape, exchange_.rank()); }
  FRNN_DEVICE int end_tile() const { return first_tile(s_.shape, exchange_.rank() + 1); }
  FRNN_DEVICE int tile_of(int round) const {
    return begin_tile() + row_warp_ + round * s_.shape.row_warps;
  }
  FRNN_DEVICE bool has(int round) const { return tile_of(round) < end_tile(); }
  FRNN_DEVICE int unit_of(int round, int slot) const {
    return tile_of(round) * Cell::kUnits + 8 * (slot / 2) + lane_unit_;
  }
  // Splits share out the slots of a tile; those of the later splits may be left without.
  FRNN_DEVICE bool owns(int slot) const {
    const int owners = s_.shape.splits < kSlots ? s_.shape.splits : kSlots;
    return slot % owners == split_;
  }

  // ---- Before the loop ----

  // A row of w_hh from the split's first column on; null where there is none.
  struct WeightRow {
    const Elem* from;
    int columns;
    FRNN_DEVICE Elem operator()(int k) const {
      return from != nullptr && k < columns ? from[k] : narrow<Elem>(0.0f);
    }
  };

  FRNN_DEVICE void load_weights() {
    const ResidentShape& shape = s_.shape;
    const int H = s_.rows.H, first_pair = split_ * shape.pairs_per_split;
    const int left = shape.pairs - first_pair;
    const int k_tiles = 2 * (left < shape.pairs_per_split ? left : shape.pairs_per_split);
    const int first_k = first_pair * 2 * Product::kDepth;
    const int depth = k_tiles * Product::kDepth;
    const int columns = H - first_k < depth ? H - first_k : depth;
    float* const spilled =
        reinterpret_cast<float*>(shared_ + shape.weights_at +
                                 machine::warp_index() * shape.fragments_of_warp * kFragmentBytes);
    weights_.load(spilled, k_tiles, [&](int m, int row) {
      const int tile = tile_of(m % Rounds), j = tile * Cell::kUnits + Cell::unit_of(row);
      const int block = Cell::block_of(s_, Cell::gate_of(m / Rounds, row));
      const bool there = tile < end_tile() && block >= 0 && j < H;
      const int64_t at = (static_cast<int64_t>(block) * H + j) * H + first_k;
      return WeightRow{there ? s_.w_hh + at : nullptr, columns};
    });
  }

  // Both vectors, with what pads them: h0 and zeros.
  FRNN_DEVICE void fill_vectors() {
    const int H = s_.rows.H, width = s_.shape.pitch / static_cast<int>(sizeof(Elem));
    Elem* const first = reinterpret_cast<Elem*>(exchange_.current());
    Elem* const second = reinterpret_cast<Elem*>(exchange_.next());
    for (int at = machine::thread_index(); at < kBatchTile * width; at += machine::thread_count()) {
      const int b = first_b_ + at / width, j = at % width;
      const bool there = s_.h0 != nullptr && b < s_.rows.B && j < H;
      first[at] =
          there ? Product::stored(s_.h0[static_cast<int64_t>(b) * H + j]) : narrow<Elem>(0.0f);
      second[at] = narrow<Elem>(0.0f);
    }
  }

  FRNN_DEVICE void begin_columns() {
    const ResidentRows& r = s_.rows;
    for (int n = 0; n < kBatchTile; ++n) {
      const int length = length_of(r, first_b_ + n);
      const int end = length < r.end_step ? length : r.end_step;
      live_end_ = end > live_end_ ? end : live_end_;
    }
    FRNN_UNROLL
    for (int p = 0; p < 2; ++p) {
      const int b = first_b_ + 2 * (machine::lane_index() % 4) + p, length = length_of(r, b);
      const int t = r.reverse ? length - 1 - r.first_step : r.first_step;
      column_[p] = {b, length < r.end_step ? length : r.end_step, row_of(r, b, t)};
    }
    row_step_ = (r.batch_first ? 1 : r.B) * (r.reverse ? -1 : 1);
  }

  FRNN_DEVICE void begin_units() {
    FRNN_UNROLL
    for (int round = 0; round < Rounds; ++round) {
      FRNN_UNROLL
      for (int e = 0; e < kSlots; ++e) {
        const int j = unit_of(round, e), b = column_[e % 2].b;
        mine_[round][e] = has(round) && owns(e) && j < s_.rows.H;
        if (e % 2 == 0 && has(round) && j < s_.rows.H) unit_[round][e / 2] = Cell::unit(s_, j);
        const bool there = mine_[round][e] && b < s_.rows.B;
        const int64_t at = static_cast<int64_t>(b) * s_.rows.H + j;
        const float h0 = there && s_.h0 != nullptr ? widen(s_.h0[at]) : 0.0f;
        memory_[round][e] = Cell::begin(h0, there && s_.c0 != nullptr ? s_.c0[at] : 0.0f);
        fetch(round, e, s_.rows.first_step, column_[e % 2].row);
      }
    }
  }

  // A row without a step in this launch hands its state through.
  FRNN_DEVICE void finish_empty_columns() {
    FRNN_UNROLL
    for (int round = 0; round < Rounds; ++round) {
      FRNN_UNROLL
      for (int e = 0; e < kSlots; ++e) {
        const Column& c = column_[e % 2];
        if (!mine_[round][e] || c.b >= s_.rows.B || c.end > s_.rows.first_step) continue;
        const int64_t at = static_cast<int64_t>(c.b) * s_.rows.H + unit_of(round, e);
        if (s_.h_last != nullptr) s_.h_last[at] = s_.h0 != nullptr ? s_.h0[at] : narrow<Elem>(0.0f);
        if (s_.c_last != nullptr) s_.c_last[at] = Cell::cell_state(memory_[round][e]);
      }
    }
  }

  // ---- A step ----

  // W x of a slot at `step`, if the row lives then.
  FRNN_DEVICE void fetch(int round, int e, int step, int row) {
    if (!mine_[round][e] || step >= column_[e % 2].end) return;
    const int64_t H = s_.rows.H;
    const float* const from = s_.ax + (row - s_.ax_row) * s_.G * H + unit_of(round, e);
    FRNN_UNROLL
    for (int q = 0; q < kGates; ++q) {
      const int block = Cell::block_of(s_, q);
      ax_[round][e][q] = block >= 0 ? from[block * H] : 0.0f;
    }
  }

  template <int Pass>
  FRNN_DEVICE void pass(int step, bool last) {
    constexpr bool kEnds = Pass == Cell::kPasses - 1;
    constexpr int kFirst = Cell::first_row_tile(Pass) * Rounds;
    constexpr int kLast = Cell::first_row_tile(Pass + 1) * Rounds;
    FRNN_UNROLL
    for (int m = kFirst; m < kLast; ++m)
      sums_[m].clear();
    const int first_pair = split_ * s_.shape.pairs_per_split;
    multiply<kFirst, kLast>(
        weights_, vector_row(exchange_.current(), s_.shape.pitch) + 64 * first_pair, sums_);
    if (s_.shape.splits > 1) hand_over_sums<Pass>();
    FRNN_UNROLL
    for (int round = 0; round < Rounds; ++round) {
      FRNN_UNROLL
      for (int e = 0; e < kSlots; ++e) {
        if (has(round) && owns(e)) advance<Pass>(round, e, step);
      }
    }
    if (!kEnds || !last) send();
    if constexpr (kEnds) save(step);
    if (!kEnds || !last) exchange_.end();
  }

  template <int Pass>
  FRNN_DEVICE void advance(int round, int e, int step) {
    const Column& column = column_[e % 2];
    Elem stored = narrow<Elem>(0.0f);
    if (mine_[round][e] && step < column.end) {
      float ah[kGates] = {};
      FRNN_UNROLL
      for (int q = Cell::first_gate(Pass); q < Cell::first_gate(Pass + 1); ++q)
        ah[q] = s_.shape.splits > 1 ? gathered_sum(round, e, q) : own_sum(round, e, q);
      stored = narrow<Elem>(Cell::template advance<Pass>(s_, unit_of(round, e), unit_[round][e / 2],
                                                         ax_[round][e], ah, &memory_[round][e],
                                                         &result_[round][e]));
      if constexpr (Pass == Cell::kPasses - 1) {
        h_[round][e] = stored;
        Cell::keep_h(&memory_[round][e], widen(stored));
        fetch(round, e, step + 1, column.row + row_step_);
      }
    }
    *reinterpret_cast<Elem*>(place_of(e, unit_of(round, e))) = Product::stored(stored);
  }

  // Of a value of the lane's column in the next vector.
  FRNN_DEVICE char* place_of(int e, int j) const {
    const int n = 2 * (machine::lane_index() % 4) + e % 2;
    return exchange_.next() + n * s_.shape.pitch + j * static_cast<int>(sizeof(Elem));
  }

  // A slot is 8 neighbouring units of 4 columns: 16 or 32 bytes of each column.
  FRNN_DEVICE void send() const {
    constexpr int kPieces = 8 * static_cast<int>(sizeof(Elem)) / 16;
    if (s_.shape.cluster == 1) return;
    machine::sync_warp();
    FRNN_UNROLL
    for (int round = 0; round < Rounds; ++round) {
      FRNN_UNROLL
      for (int e = 0; e < kSlots; ++e) {
        if (!has(round) || !owns(e)) continue;
        const int first = tile_of(round) * Cell::kUnits + 8 * (e / 2);
        char* const octet = exchange_.next() + first * static_cast<int>(sizeof(Elem));
        exchange_.send(4 * kPieces, [&](int i) {
          return octet + (2 * (i / kPieces) + e % 2) * s_.shape.pitch + 16 * (i % kPieces);
        });
      }
    }
  }

  FRNN_DEVICE void save(int step) {
    FRNN_UNROLL
    for (int round = 0; round < Rounds; ++round) {
      FRNN_UNROLL
      for (int e = 0; e < kSlots; ++e) {
        const Column& column = column_[e % 2];
        if (!mine_[round][e] || step >= column.end) continue;
        const int j = unit_of(round, e);
        s_.y[column.row * s_.y_ld + j] = h_[round][e];
        Cell::save(s_, memory_[round][e], result_[round][e], column.row, j);
        if (step + 1 != column.end) continue;
        const int64_t at = static_cast<int64_t>(column.b) * s_.rows.H + j;
        if (s_.h_last != nullptr) s_.h_last[at] = h_[round][e];
        if (s_.c_last != nullptr) s_.c_last[at] = Cell::cell_state(memory_[round][e]);
      }
    }
    column_[0].row += row_step_;
    column_[1].row += row_step_;
  }

  // ---- Sums of a reduction that was split ----

  FRNN_DEVICE float own_sum(int round, int e, int q) const {
    const Element at = Cell::where_is(q, e);
    return sums_[at.row_tile * Rounds + round].at(at.index);
  }
  FRNN_DEVICE float* shared_sum(int split, int round, int e, int q) const {
    const int warp = split * s_.shape.row_warps + row_warp_;
    const int at = ((warp * Rounds + round) * kSlots + e) * kGates + q;
    return reinterpret_cast<float*>(shared_ + s_.shape.sums_at) + at * machine::kWarp +
           machine::lane_index();
  }
  template <int Pass>
  FRNN_DEVICE void hand_over_sums() const {
    FRNN_UNROLL
    for (int round = 0; round < Rounds; ++round) {
      FRNN_UNROLL
      for (int e = 0; e < kSlots; ++e) {
        if (owns(e)) continue;
        FRNN_UNROLL
        for (int q = Cell::first_gate(Pass); q < Cell::first_gate(Pass + 1); ++q)
          *shared_sum(split_, round, e, q) = own_sum(round, e, q);
      }
    }
    machine::sync_block();
  }
  // In the order of the splits, whichever of them adds up.
  FRNN_DEVICE float gathered_sum(int round, int e, int q) const {
    float sum = split_ == 0 ? own_sum(round, e, q) : *shared_sum(0, round, e, q);
    for (int split = 1; split < s_.shape.splits; ++split)
      sum += split == split_ ? own_sum(round, e, q) : *shared_sum(split, round, e, q);
    return sum;
  }

  // ---- After the loop ----

  // Rows beyond their length: y of the block's units is zero.
  FRNN_DEVICE void clear_rest_of_y() const {
    const ResidentRows& r = s_.rows;
    const int first = begin_tile() * Cell::kUnits;
    const int end = end_tile() * Cell::kUnits < r.H ? end_tile() * Cell::kUnits : r.H;
    for (int b = first_b_; b < first_b_ + kBatchTile && b < r.B; ++b) {
      const int length = length_of(r, b);
      for (int t = length > r.first_step ? length : r.first_step; t < r.end_step; ++t) {
        Elem* const to = s_.y + row_of(r, b, t) * s_.y_ld;
        for (int j = first + machine::thread_index(); j < end; j += machine::thread_count())
          to[j] = narrow<Elem>(0.0f);
      }
    }
  }

  const ResidentForward<Elem>& s_;
  char* const shared_;
  Exchange exchange_;
  const int row_warp_;
  const int split_;
  const int first_b_;
  const int lane_unit_;
  int live_end_ = 0;
  int row_step_ = 0;
  Column column_[2];
  bool mine_[Rounds][kSlots];
  Weights<Product, kRowTiles, kHeld> weights_;
  Sums<Product, kRowTiles> sums_[kRowTiles];
  typename Cell::Unit unit_[Rounds][kSlots / 2];
  typename Cell::Memory memory_[Rounds][kSlots];
  typename Cell::Result result_[Rounds][kSlots];
  float ax_[Rounds][kSlots][kGates];
  Elem h_[Rounds][kSlots];
};

// Grid: kBatchTile rows of the batch for each cluster, 32 threads for each warp of the shape. Moved
// for a unit and step: 4 bytes of W x for each gate and what is saved; operations: 2 H for each
// gate.
template <typename Cell, typename Product, int Rounds>
FRNN_KERNEL_BOUNDS(kResidentThreads, 1)
void resident_forward_kernel(ResidentForward<typename Product::Elem> s) {
  ForwardBlock<Cell, Product, Rounds> block(s, machine::dynamic_shared<char>());
  block.run();
}

template <typename Cell, typename Product>
Status launch_forward(const Queue& queue, const char* name, const ResidentLaunch& launch,
                      const ResidentForward<typename Product::Elem>& args) {
  const ResidentShape& shape = args.shape;
  const machine::Grid grid = {launch.blocks, machine::kWarp * shape.row_warps * shape.splits,
                              shape.bytes, false, shape.cluster};
  auto* kernel = resident_forward_kernel<Cell, Product, 1>;
  if constexpr (most_rounds(Cell::kRowTiles, sizeof(typename Product::Elem)) == 2) {
    if (launch.rounds == 2) kernel = resident_forward_kernel<Cell, Product, 2>;
  }
  return queue.context.launch(name, kernel, grid, queue.stream, args);
}

template <typename Cell, typename Elem>
Status launch_forward_of(const Queue& queue, const char* name, const ResidentLaunch& launch,
                         const ResidentForward<Elem>& args) {
  if constexpr (sizeof(Elem) == 2) {
    return launch_forward<Cell, HalfProduct<Elem>>(queue, name, launch, args);
  } else {
    return launch.tf32 ? launch_forward<Cell, Tf32Product>(queue, name, launch, args)
                       : launch_forward<Cell, F32Product>(queue, name, launch, args);
  }
}

}  // namespace resident
}  // namespace frnn

#endif  // FUSEDRNN_SRC_KERNELS_RESIDENT_FORWARD_H_
