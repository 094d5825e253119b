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

// Split: the reduction is cut, into 2, 4 or 8, and the splits share out the slots of a tile.
template <typename Cell, typename Product, int Rounds, bool Split>
class ForwardBlock {
  using Elem = typename Product::Elem;
  static constexpr int kGates = Cell::kGates;
  static constexpr int kRowTiles = Cell::kRowTiles * Rounds;
  static constexpr int kHeld = held_depth(Cell::kRowTiles, Rounds, Product::kSmall);
  static constexpr int kOwn = Split ? Cell::kSlots / 2 : Cell::kSlots;  // slots of a thread
  static constexpr int kOctets = Split ? kOwn : kOwn / 2;               // and units
  static constexpr int kColumns = Split ? 1 : 2;

 public:
  FRNN_DEVICE ForwardBlock(const ResidentForward<Elem>& s, char* shared)
      : s_(s),
        shared_(shared),
        exchange_(shared, s.shape, s.shape.pitch, bytes_of_peers(s.shape)),
        row_warp_(machine::warp_index() % s.shape.row_warps),
        split_(machine::warp_index() / s.shape.row_warps),
        owners_(s.shape.splits < Cell::kSlots ? s.shape.splits : Cell::kSlots),
        end_tile_(known(first_tile(s.shape, exchange_.rank() + 1))),
        tile_(known(first_tile(s.shape, exchange_.rank())) + row_warp_),
        first_b_(machine::block_index() / s.shape.cluster * kBatchTile) {}

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

  // Computed here, neither again in every step nor once for all steps: a division there would cost
  // more than a register, and registers for every sum of an address and a constant are not there.
  static FRNN_DEVICE int known(int value) {
    return static_cast<int>(machine::opaque(static_cast<uint32_t>(value)));
  }
  static FRNN_DEVICE int bytes_of_peers(const ResidentShape& shape) {
    if (shape.cluster == 1) return 0;
    const int rank = machine::cluster_rank();
    const int own = first_tile(shape, rank + 1) - first_tile(shape, rank);
    return (shape.tiles - own) * Cell::kUnits * kBatchTile * static_cast<int>(sizeof(Elem));
  }
  FRNN_DEVICE int tile_of(int round) const { return tile_ + round * s_.shape.row_warps; }
  FRNN_DEVICE bool has(int round) const { return tile_of(round) < end_tile_; }
  // The slot of the tile that the warp's own slot i is; beyond the tile's where it has no such.
  FRNN_DEVICE int slot_of(int i) const { return Split ? split_ + i * owners_ : i; }
  FRNN_DEVICE bool owns(int i) const {
    return !Split || (split_ < owners_ && slot_of(i) < Cell::kSlots);
  }
  static FRNN_DEVICE constexpr int column_of(int i) { return Split ? 0 : i % 2; }
  static FRNN_DEVICE constexpr int octet_of(int i) { return Split ? i : i / 2; }
  FRNN_DEVICE int parity_of(int i) const { return Split ? split_ % 2 : i % 2; }
  // The first of the slot's 8 units, and the lane's own.
  FRNN_DEVICE int octet(int round, int i) const {
    return tile_of(round) * Cell::kUnits + 8 * (slot_of(i) / 2);
  }
  FRNN_DEVICE int unit_of(int round, int i) const {
    return octet(round, i) + machine::lane_index() / 4;
  }
  FRNN_DEVICE bool mine(int round, int i) const {
    return has(round) && owns(i) && unit_of(round, i) < s_.rows.H;
  }

  // ---- Before the loop ----

  // A row of w_hh from the split's first column on; null where there is none.
  struct WeightRow {
    const Elem* from;
    int columns;
    FRNN_DEVICE Elem operator()(int k) const {
      return from != nullptr && k < columns ? from[k] : narrow<Elem>(0.0f);
    }
    FRNN_DEVICE uint32_t pair(int k) const {
      return from != nullptr && k < columns ? *reinterpret_cast<const uint32_t*>(from + k) : 0u;
    }
  };

  FRNN_DEVICE void load_weights() {
    const ResidentShape& shape = s_.shape;
    const int H = s_.rows.H, first_pair = split_ * shape.pairs_per_split;
    const int left = shape.pairs - first_pair;
    const int pairs = left < shape.pairs_per_split ? left : shape.pairs_per_split;
    const int k_tiles = pairs > 0 ? 2 * pairs : 0;
    const int first_k = first_pair * 2 * Product::kDepth;
    const int depth = k_tiles * Product::kDepth;
    const int columns = H - first_k < depth ? H - first_k : depth;
    float* const spilled =
        reinterpret_cast<float*>(shared_ + shape.weights_at +
                                 machine::warp_index() * shape.fragments_of_warp * kFragmentBytes);
    const bool even = H % 2 == 0 && reinterpret_cast<uintptr_t>(s_.w_hh) % 4 == 0;
    weights_.load(spilled, k_tiles, even, [&](int m, int row) {
      const int tile = tile_of(m % Rounds), j = tile * Cell::kUnits + Cell::unit_of(row);
      const int block = Cell::block_of(s_, Cell::gate_of(m / Rounds, row));
      const bool there = tile < end_tile_ && block >= 0 && j < H;
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
    for (int p = 0; p < kColumns; ++p) {
      const int b = first_b_ + 2 * (machine::lane_index() % 4) + parity_of(p);
      const int length = length_of(r, b), t = r.reverse ? length - 1 - r.first_step : r.first_step;
      column_[p] = {b, length < r.end_step ? length : r.end_step, row_of(r, b, t)};
    }
    row_step_ = (r.batch_first ? 1 : r.B) * (r.reverse ? -1 : 1);
  }

  FRNN_DEVICE void begin_units() {
    FRNN_UNROLL
    for (int round = 0; round < Rounds; ++round) {
      FRNN_UNROLL
      for (int i = 0; i < kOwn; ++i) {
        const int j = unit_of(round, i), b = column_[column_of(i)].b;
        if (column_of(i) == 0 && mine(round, i)) unit_[round][octet_of(i)] = Cell::unit(s_, j);
        const bool there = mine(round, i) && b < s_.rows.B;
        const int64_t at = static_cast<int64_t>(b) * s_.rows.H + j;
        const float h0 = there && s_.h0 != nullptr ? widen(s_.h0[at]) : 0.0f;
        memory_[round][i] = Cell::begin(h0, there && s_.c0 != nullptr ? s_.c0[at] : 0.0f);
        fetch(round, i, s_.rows.first_step, column_[column_of(i)].row);
      }
    }
  }

  // A row without a step in this launch hands its state through.
  FRNN_DEVICE void finish_empty_columns() {
    FRNN_UNROLL
    for (int round = 0; round < Rounds; ++round) {
      FRNN_UNROLL
      for (int i = 0; i < kOwn; ++i) {
        const Column& c = column_[column_of(i)];
        if (!mine(round, i) || c.b >= s_.rows.B || c.end > s_.rows.first_step) continue;
        const int64_t at = static_cast<int64_t>(c.b) * s_.rows.H + unit_of(round, i);
        if (s_.h_last != nullptr) s_.h_last[at] = s_.h0 != nullptr ? s_.h0[at] : narrow<Elem>(0.0f);
        if (s_.c_last != nullptr) s_.c_last[at] = Cell::cell_state(memory_[round][i]);
      }
    }
  }

  // ---- A step ----

  // W x of a slot at `step`, if the row lives then.
  FRNN_DEVICE void fetch(int round, int i, int step, int row) {
    if (!mine(round, i) || step >= column_[column_of(i)].end) return;
    const float* const from = s_.ax + (static_cast<int64_t>(row) * s_.columns + unit_of(round, i));
    FRNN_UNROLL
    for (int q = 0; q < kGates; ++q) {
      const int block = Cell::block_of(s_, q);
      ax_[round][i][q] = block >= 0 ? from[block * s_.rows.H] : 0.0f;
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
    if constexpr (Split) {
      hand_over_sums<Pass>();
      machine::sync_block();
    }
    const bool plain = Cell::is_plain(s_);
    FRNN_UNROLL
    for (int round = 0; round < Rounds; ++round) {
      if (!has(round) || !owns(0)) continue;
      if (plain) {
        advance<Pass, true>(round, step);
      } else {
        advance<Pass, false>(round, step);
      }
    }
    const bool goes_on = !kEnds || !last;
    if (goes_on) {
      send();
      exchange_.arrive();
    }
    if constexpr (kEnds) save(step);
    if (goes_on) exchange_.wait();
  }

  // The slots of a round, side by side: what a slot must not keep is computed all the same.
  template <int Pass, bool Plain>
  FRNN_DEVICE void advance(int round, int step) {
    FRNN_UNROLL
    for (int i = 0; i < kOwn; ++i) {
      const bool live = mine(round, i) && step < column_[column_of(i)].end;
      float ah[kGates] = {};
      if constexpr (Split) {
        gather_sums<Pass>(round, owns(i) ? slot_of(i) : 0, ah);
      } else {
        FRNN_UNROLL
        for (int q = Cell::first_gate(Pass); q < Cell::first_gate(Pass + 1); ++q)
          ah[q] = own_sum(round, i, q);
      }
      typename Cell::Memory memory = memory_[round][i];
      const float value = Cell::template advance<Pass, Plain, typename Product::Real>(
          s_, unit_of(round, i), unit_[round][octet_of(i)], ax_[round][i], ah, &memory,
          &result_[round][i]);
      const Elem stored = narrow<Elem>(live ? value : 0.0f);
      if constexpr (Pass == Cell::kPasses - 1) {
        h_[round][i] = stored;
        Cell::keep_h(&memory, widen(stored));
        if (live) memory_[round][i] = memory;
      }
      if (owns(i)) {
        const int n = 2 * (machine::lane_index() % 4) + parity_of(i);
        *reinterpret_cast<Elem*>(place_of(n, unit_of(round, i))) = Product::stored(stored);
      }
    }
  }

  // Of unit j of column n in the next vector.
  FRNN_DEVICE char* place_of(int n, int j) const {
    return exchange_.next() + known(n * s_.shape.pitch + j * static_cast<int>(sizeof(Elem)));
  }

  // 8 neighbouring units are 16 or 32 bytes of each column, of which the warp has 8 or every other.
  FRNN_DEVICE void send() const {
    constexpr int kOfColumn = 8 * static_cast<int>(sizeof(Elem)) / 16;
    if (s_.shape.cluster == 1) return;
    machine::sync_warp();
    FRNN_UNROLL
    for (int round = 0; round < Rounds; ++round) {
      if (!has(round)) continue;
      FRNN_UNROLL
      for (int i = 0; i < kOwn; i += kColumns) {
        if (!owns(i)) continue;
        exchange_.template send<(Split ? 4 : 8) * kOfColumn>([&](int piece) {
          const int n = piece / kOfColumn;
          return place_of(Split ? 2 * n + split_ % 2 : n, octet(round, i)) +
                 16 * (piece % kOfColumn);
        });
      }
    }
  }

  // What the step leaves in device memory, and W x of the next.
  FRNN_DEVICE void save(int step) {
    FRNN_UNROLL
    for (int round = 0; round < Rounds; ++round) {
      FRNN_UNROLL
      for (int i = 0; i < kOwn; ++i)
        fetch(round, i, step + 1, column_[column_of(i)].row + row_step_);
    }
    FRNN_UNROLL
    for (int round = 0; round < Rounds; ++round) {
      FRNN_UNROLL
      for (int i = 0; i < kOwn; ++i) {
        const Column& column = column_[column_of(i)];
        if (!mine(round, i) || step >= column.end) continue;
        const int j = known(unit_of(round, i));
        s_.y[static_cast<int64_t>(column.row) * s_.y_ld + j] = h_[round][i];
        Cell::save(s_, memory_[round][i], result_[round][i], column.row, j);
        if (step + 1 != column.end) continue;
        const int64_t at = static_cast<int64_t>(column.b) * s_.rows.H + j;
        if (s_.h_last != nullptr) s_.h_last[at] = h_[round][i];
        if (s_.c_last != nullptr) s_.c_last[at] = Cell::cell_state(memory_[round][i]);
      }
    }
    FRNN_UNROLL
    for (int p = 0; p < kColumns; ++p)
      column_[p].row += row_step_;
  }

  // ---- Sums of a reduction that was split ----

  FRNN_DEVICE float own_sum(int round, int slot, int q) const {
    const Element at = Cell::where_is(q, slot);
    return sums_[at.row_tile * Rounds + round].at(at.index);
  }
  // Of split 0; those of the next are sums_stride() floats further, those of gate q kWarp * q.
  FRNN_DEVICE float* sums_of(int round, int slot) const {
    const int at = ((row_warp_ * Rounds + round) * Cell::kSlots + slot) * kGates * machine::kWarp;
    return reinterpret_cast<float*>(shared_ + s_.shape.sums_at) + known(at + machine::lane_index());
  }
  FRNN_DEVICE int sums_stride() const {
    return s_.shape.row_warps * Rounds * Cell::kSlots * kGates * machine::kWarp;
  }
  template <int Pass>
  FRNN_DEVICE void hand_over_sums() const {
    FRNN_UNROLL
    for (int round = 0; round < Rounds; ++round) {
      FRNN_UNROLL
      for (int slot = 0; slot < Cell::kSlots; ++slot) {
        float* const to = sums_of(round, slot) + split_ * sums_stride();
        FRNN_UNROLL
        for (int q = Cell::first_gate(Pass); q < Cell::first_gate(Pass + 1); ++q)
          to[q * machine::kWarp] = own_sum(round, slot, q);
      }
    }
  }
  // Always in the order of the splits.
  template <int Pass>
  FRNN_DEVICE void gather_sums(int round, int slot, float (&ah)[kGates]) const {
    const float* even = sums_of(round, slot);
    const int stride = sums_stride();
    FRNN_UNROLL
    for (int split = 0; split < kResidentWarps; split += 2) {
      if (split >= s_.shape.splits) break;
      FRNN_UNROLL
      for (int q = Cell::first_gate(Pass); q < Cell::first_gate(Pass + 1); ++q)
        ah[q] += even[q * machine::kWarp] + even[stride + q * machine::kWarp];
      even += 2 * stride;
    }
  }

  // ---- After the loop ----

  // Rows beyond their length: y of the block's units is zero.
  FRNN_DEVICE void clear_rest_of_y() const {
    const ResidentRows& r = s_.rows;
    const int first = (tile_ - row_warp_) * Cell::kUnits;
    const int end = end_tile_ * Cell::kUnits < r.H ? end_tile_ * Cell::kUnits : r.H;
    for (int b = first_b_; b < first_b_ + kBatchTile && b < r.B; ++b) {
      const int length = length_of(r, b);
      for (int t = length > r.first_step ? length : r.first_step; t < r.end_step; ++t) {
        Elem* const to = s_.y + static_cast<int64_t>(row_of(r, b, t)) * s_.y_ld;
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
  const int owners_;  // splits that have slots
  const int end_tile_;
  const int tile_;  // the warp's first
  const int first_b_;
  int live_end_ = 0;
  int row_step_ = 0;
  Column column_[kColumns];
  Weights<Product, kRowTiles, kHeld> weights_;
  Sums<Product, kRowTiles> sums_[kRowTiles];
  typename Cell::Unit unit_[Rounds][kOctets] = {};
  typename Cell::Memory memory_[Rounds][kOwn];
  typename Cell::Result result_[Rounds][kOwn];
  float ax_[Rounds][kOwn][kGates] = {};
  Elem h_[Rounds][kOwn];
};

// Grid: kBatchTile rows of the batch for each cluster, 32 threads for each warp of the shape. Moved
// for a unit and step: 4 bytes of W x for each gate and what is saved; operations: 2 H for each
// gate.
template <typename Cell, typename Product, int Rounds, bool Split>
FRNN_KERNEL_BOUNDS(kResidentThreads, 1)
void resident_forward_kernel(ResidentForward<typename Product::Elem> s) {
  ForwardBlock<Cell, Product, Rounds, Split> block(s, machine::dynamic_shared<char>());
  block.run();
}

template <typename Cell, typename Product>
Status launch_forward(const Queue& queue, const char* name, const ResidentLaunch& launch,
                      const ResidentForward<typename Product::Elem>& args) {
  const ResidentShape& shape = args.shape;
  const machine::Grid grid = {launch.blocks, machine::kWarp * shape.row_warps * shape.splits,
                              shape.bytes, false, shape.cluster};
  auto* kernel = shape.splits == 1 ? resident_forward_kernel<Cell, Product, 1, false>
                                   : resident_forward_kernel<Cell, Product, 1, true>;
  if constexpr (most_rounds(Cell::kRowTiles, sizeof(typename Product::Elem)) == 2) {
    if (launch.rounds == 2) kernel = resident_forward_kernel<Cell, Product, 2, false>;
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
