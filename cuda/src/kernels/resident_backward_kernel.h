// The loop of resident backward kernels. Of a step, in a block that owns `units` hidden units:
//
//   1. dh = what passed the product by + the sum over sources of slots + dy; the cell; da goes to
//      memory, for the gradients of the weights, and into B
//   2. partial = R_own^T da_own, for all H units, by the tensor cores. R_own^T is stationary: its
//      fragments are in registers, the rest in shared memory, and are loaded once
//   3. each half tile of 8 units goes to the slots of the block that owns them (reduce-scatter)
//
// Every source has slots of its own and they are summed in the order of sources, so the bits do not
// depend on who came first. The other way round, gathering all of da and multiplying it with the
// columns R[:, own], would move all gates of a unit where this moves one float, and would need a
// sum across warps, for a block then has few rows of A and a long k.
//
// Slots alternate with the parity of the exchange. A block may write exchange x into another's
// slots once that block has read exchange x - 2 there. It has: it sent its part of x - 1 after
// that, and the writer has waited for x - 1 before it began x. So no barrier is needed but the one
// that the data bring along, and none at the end: who has all parts of the last exchange is written
// to no more.

#ifndef FUSEDRNN_SRC_KERNELS_RESIDENT_BACKWARD_KERNEL_H_
#define FUSEDRNN_SRC_KERNELS_RESIDENT_BACKWARD_KERNEL_H_

#include <type_traits>

#include "kernels/resident_backward_cells.h"
#include "kernels/resident_product.h"
#include "machine/cluster.h"

namespace frnn {

// A lane's two words of B in a step along k.
struct alignas(8) Factors {
  uint32_t b[2];
};

// Eight neighbouring rows of R, of which the first `count` are there.
template <typename Elem>
struct EightRows {
  const Elem* begin;
  int count;
};

struct alignas(8) FloatPair {
  float low, high;
};

// A stretch of steps along k: [begin, end).
struct Steps {
  int begin, end;
};

template <typename Cell, typename Product, int kTiles, int kDepth, int kRounds>
class BackwardBlock {
 public:
  using Elem = typename Product::Elem;
  using Args = ResidentBackward<Elem>;
  using Fragment = resident::Fragment;
  using Sums = resident::Sums<Product, kTiles>;

  FRNN_DEVICE BackwardBlock(const Args& args, machine::TransactionBarrier (&full)[2])
      : s(args),
        full(full),
        thread(machine::thread_index()),
        rank(s.shape.cluster > 1 ? machine::cluster_rank() : 0),
        column(thread / 8 % kBatchTile),
        unit(thread % 8 + thread / 64 * 8),
        sources(s.shape.owners * s.shape.splits) {
    row_warps = kept(kResidentWarps / s.shape.splits);
    split = kept(machine::warp_index() / row_warps);
    row_warp = kept(machine::warp_index() % row_warps);
    first_tile = rank + 1 < s.shape.owners ? (rank + 1) * s.shape.units / 16 : 0;
    b = machine::block_index() / s.shape.cluster * kBatchTile + column;
    length = length_of(s, b);
    longest = 0;
    for (int c = 0; c < kBatchTile; ++c) {
      const int other = length_of(s, b - column + c);
      longest = other > longest ? other : longest;
    }
    slots = machine::dynamic_shared<float>();
    factors = reinterpret_cast<Factors*>(machine::dynamic_shared<char>() + s.shape.b_at);
    rest = reinterpret_cast<float*>(machine::dynamic_shared<char>() + s.shape.rest_at) + 4 * thread;
  }

  FRNN_DEVICE void run() {
    if (rank >= s.shape.owners) {  // no units are left for this block
      machine::sync_cluster();
      return;
    }
    begin();
    for (int step = s.T - 1; step >= 0; --step) {
      const bool any_live = step < longest;  // the same in all blocks of the cluster
      backward_step(step, any_live);
      if (step > 0) prefetch(step - 1);
      if (any_live && (step > 0 || s.dh0 != nullptr)) exchange(last_product());
    }
    end();
  }

 private:
  static constexpr int kGroup = 4;  // steps along k that are read together

  // ---- Where things are ----

  // A value that is not to be computed again at each use.
  FRNN_DEVICE static int kept(int value) {
    return static_cast<int>(machine::opaque(static_cast<uint32_t>(value)));
  }
  FRNN_DEVICE int slots_of_source() const { return s.shape.units * kBatchTile; }
  // Columns 0-3 and 4-7 change places in every second group of four units: then neither the writers
  // (two neighbouring columns of 8 units in a warp) nor the readers (8 units of 4 columns) meet in
  // a bank.
  FRNN_DEVICE static int slot_in_source(int unit, int column) {
    return unit * kBatchTile + (column ^ (unit & 4));
  }
  FRNN_DEVICE float* slot(int source, int unit, int column) const {
    const int buffer = exchanges % 2;
    return slots + (buffer * sources + source) * slots_of_source() + slot_in_source(unit, column);
  }
  FRNN_DEVICE int first_unit() const { return rank * s.shape.units; }
  FRNN_DEVICE int unit_of(int round) const { return unit + round * kUnitsOfRound; }
  FRNN_DEVICE bool inside(int round) const {
    return b < s.B && unit_of(round) < s.shape.units && first_unit() + unit_of(round) < s.H;
  }
  // Blocks begin with tiles of the block after them, so that not all send to one at once.
  FRNN_DEVICE int tile(int i) const {
    const int at = row_warp + i * row_warps;
    const int tiles = s.shape.tiles, turned = at + first_tile;
    return at >= tiles ? at : turned >= tiles ? turned - tiles : turned;
  }
  FRNN_DEVICE int k_step(int i) const { return split + i * s.shape.splits; }

  FRNN_DEVICE Steps last_product() const {
    return {0, Cell::kTwoProducts ? inner_begin() : s.shape.k_steps};
  }
  FRNN_DEVICE Steps inner_product() const { return {inner_begin(), s.shape.k_steps}; }
  FRNN_DEVICE int inner_begin() const { return 2 * s.shape.units / Product::kDepth; }

  // ---- Before and after the loop ----

  FRNN_DEVICE void begin() {
    if (s.shape.owners > 1 && thread == 0) {
      machine::barrier_init(&full[0], 1);
      machine::barrier_init(&full[1], 1);
      machine::publish_barriers();
    }
    // What no unit puts into B stays zero: rows that fill a step of k, columns beyond the batch.
    load_weights();
    for (int k = thread; k < s.shape.b_steps * machine::kWarp; k += kResidentThreads)
      factors[k] = {{0, 0}};
    FRNN_UNROLL
    for (int r = 0; r < kRounds; ++r) {
      passed[r] = {0.0f, 0.0f};
      if (!inside(r)) continue;
      const int64_t at = static_cast<int64_t>(b) * s.H + first_unit() + unit_of(r);
      if (s.dhT != nullptr) passed[r].dh = widen(s.dhT[at]);
      if (s.dcT != nullptr) passed[r].dc = s.dcT[at];
    }
    prefetch(s.T - 1);
    if (s.shape.cluster > 1) {
      machine::sync_cluster();  // everyone's barriers are there, and B's zeros
    } else {
      machine::sync_block();
    }
  }

  // Fragments go to registers by way of the slots' memory, each lane's by its own words: so the
  // code that gathers one is there once in a loop, not kDepth * kTiles times.
  FRNN_DEVICE void load_weights() {
    float* const staged = machine::dynamic_shared<float>() + 4 * thread;
    constexpr int kSteps = kStaged / kTiles, kTogether = kSteps * kTiles;
    FRNN_UNROLL
    for (int first = 0; first < kDepth; first += kSteps) {
      for (int f = 0; f < kTogether; ++f)
        put_fragment(staged, f, gather(f % kTiles, first + f / kTiles));
      FRNN_UNROLL
      for (int f = 0; f < kTogether; ++f)
        weights[first + f / kTiles][f % kTiles] = fragment_at(staged, f);
    }
    for (int f = 0; f < s.shape.rest * kTiles; ++f)
      put_fragment(rest, f, gather(f % kTiles, kDepth + f / kTiles));
  }

  // This thread's 16 bytes number `f` of an array that begins with them.
  FRNN_DEVICE static void put_fragment(float* shared, int f, const Fragment& a) {
    using machine::float_of;
    machine::store4(shared + f * 4 * kResidentThreads,
                    {float_of(a.r[0]), float_of(a.r[1]), float_of(a.r[2]), float_of(a.r[3])});
  }
  FRNN_DEVICE static Fragment fragment_at(const float* shared, int f) {
    using machine::bits_of;
    const machine::Float4 v = machine::load4(shared + f * 4 * kResidentThreads);
    return {{bits_of(v.x), bits_of(v.y), bits_of(v.z), bits_of(v.w)}};
  }

  // R^T at tile m's units, over the rows of R that this block owns: row block * units + u for block
  // `block` of its unit u. Eight neighbours, from a multiple of 8 on, are of one block.
  FRNN_DEVICE Fragment gather(int m, int i) const {
    const int first = k_step(i) * Product::kDepth;
    const int64_t H = s.H;
    const auto row_of_eight = [&](int k) {
      const int block = k / s.shape.units, j = first_unit() + k - block * s.shape.units;
      return EightRows<Elem>{s.w_hh + (block * H + j) * H, block < s.shape.blocks ? s.H - j : 0};
    };
    const EightRows<Elem> low = row_of_eight(first), high = row_of_eight(first + 8);
    return resident::load_fragment<Product>([&](int row, int k) {
      const int to = tile(m) * 16 + row;
      if (to >= s.H || k % 8 >= (k < 8 ? low.count : high.count)) return narrow<Elem>(0.0f);
      return (k < 8 ? low.begin : high.begin)[k % 8 * H + to];
    });
  }

  FRNN_DEVICE void end() {
    float arrived[kRounds];
    receive(arrived);
    FRNN_UNROLL
    for (int r = 0; r < kRounds; ++r) {
      if (!inside(r)) continue;
      const int64_t at = static_cast<int64_t>(b) * s.H + first_unit() + unit_of(r);
      if (s.dh0 != nullptr) s.dh0[at] = narrow<Elem>(passed[r].dh + arrived[r]);
      if (s.dc0 != nullptr) s.dc0[at] = passed[r].dc;
    }
  }

  // ---- A step ----

  FRNN_DEVICE void prefetch(int step) {
    const Moment at = moment_of(s, b, length, step);
    FRNN_UNROLL
    for (int r = 0; r < kRounds; ++r) {
      if (at.live && inside(r)) saved[r] = Cell::load(s, at, first_unit() + unit_of(r));
    }
  }

  FRNN_DEVICE void backward_step(int step, bool any_live) {
    float arrived[kRounds];
    receive(arrived);
    const Moment at = moment_of(s, b, length, step);
    FRNN_UNROLL
    for (int r = 0; r < kRounds; ++r) {
      if (!inside(r)) continue;
      float dh = passed[r].dh + arrived[r];
      if (at.live) dh = saved[r].dy + dh;
      Cell::gradient(s, at, first_unit() + unit_of(r), saved[r], dh, passed[r], into_b(r));
    }
    if constexpr (Cell::kTwoProducts) {
      if (any_live) exchange(inner_product());
      receive(arrived);
      FRNN_UNROLL
      for (int r = 0; r < kRounds; ++r) {
        if (!inside(r)) continue;
        Cell::second(s, at, first_unit() + unit_of(r), saved[r], arrived[r], passed[r], into_b(r));
      }
    }
  }

  FRNN_DEVICE auto into_b(int round) const {
    return [this, round](int block, float value) {
      put(static_cast<unsigned>(block * s.shape.units + unit_of(round)), value);
    };
  }

  // What the exchange before brought for this thread's units; nothing before the first.
  FRNN_DEVICE void receive(float (&arrived)[kRounds]) {
    FRNN_UNROLL
    for (int r = 0; r < kRounds; ++r)
      arrived[r] = 0.0f;
    if (!sent) return;
    machine::sync_block();  // this block's own slots; and no warp reads B any more
    if (s.shape.owners > 1) machine::barrier_wait(&full[exchanges % 2], exchanges / 2 % 2);
    FRNN_UNROLL
    for (int r = 0; r < kRounds; ++r) {
      if (!inside(r)) continue;
      const float* from = slot(0, unit_of(r), column);
      for (int source = 0; source < sources; ++source, from += slots_of_source())
        arrived[r] += *from;
    }
    sent = false;
    ++exchanges;
  }

  FRNN_DEVICE void exchange(const Steps& steps) {
    machine::sync_block();  // B is whole
    if (s.shape.owners > 1 && thread == 0) {
      const int bytes = (sources - s.shape.splits) * slots_of_source() * 4;
      machine::barrier_arrive_expect(&full[exchanges % 2], bytes);
    }
    Sums sums[kTiles];
    FRNN_UNROLL
    for (int m = 0; m < kTiles; ++m)
      sums[m].clear();
    multiply(steps, sums);
    FRNN_UNROLL
    for (int m = 0; m < kTiles; ++m)
      send(m, sums[m]);
    sent = true;
  }

  FRNN_DEVICE void multiply(const Steps& steps, Sums (&sums)[kTiles]) const {
    const auto concerns = [&](int k) {
      return !Cell::kTwoProducts || (k >= steps.begin && k < steps.end);
    };
    FRNN_UNROLL
    for (int group = 0; group < kDepth; group += kGroup) {
      if (k_step(group) >= steps.end) continue;
      Factors f[kGroup];
      FRNN_UNROLL
      for (int i = 0; i < kGroup; ++i)
        f[i] = load_b(k_step(group + i));
      FRNN_UNROLL
      for (int i = 0; i < kGroup; ++i) {
        if (!concerns(k_step(group + i))) continue;
        FRNN_UNROLL
        for (int m = 0; m < kTiles; ++m)
          add(sums[m], weights[group + i][m], f[i], i);
      }
    }
    for (int i = 0; i < s.shape.rest; ++i) {
      if (!concerns(k_step(kDepth + i))) continue;
      const Factors f = load_b(k_step(kDepth + i));
      FRNN_UNROLL
      for (int m = 0; m < kTiles; ++m)
        sums[m].template add<0>(fragment_at(rest, i * kTiles + m), f.b);
    }
  }

  // By turns in two chains of sums.
  FRNN_DEVICE static void add(Sums& sums, const Fragment& a, const Factors& f, int turn) {
    if (turn % 2 == 0) {
      sums.template add<0>(a, f.b);
    } else {
      sums.template add<1>(a, f.b);
    }
  }

  FRNN_DEVICE Factors load_b(int k_step) const {
    return factors[k_step * machine::kWarp + machine::lane_index()];
  }

  // Puts row k of this thread's column into B (machine/matrix.h says where that is).
  FRNN_DEVICE void put(unsigned k, float value) const {
    constexpr unsigned kK = Product::kDepth, kOfWord = kK / 8;
    const unsigned lane = k / kK * machine::kWarp + column * 4u + k / kOfWord % 4;
    const unsigned i = k % kK / (kK / 2);
    Elem* const word = reinterpret_cast<Elem*>(&factors[lane].b[i]);
    word[k % kOfWord] = Product::stored(narrow<Elem>(value));
  }

  // The two halves of tile m: 8 units each, which one block owns.
  FRNN_DEVICE void send(int m, const Sums& sums) const {
    const int g = machine::lane_index() / 4, t = machine::lane_index() % 4;
    FRNN_UNROLL
    for (int half = 0; half < 2; ++half) {
      const FloatPair pair = {sums.at(2 * half), sums.at(2 * half + 1)};
      const int eight = tile(m) * 2 + half, owner = owner_of(s.shape, eight);
      if (owner >= s.shape.owners) continue;
      const int source = rank * s.shape.splits + split;
      float* const to = slot(source, 8 * eight - owner * s.shape.units + g, 2 * t);
      if (owner == rank) {
        *reinterpret_cast<FloatPair*>(to) = pair;
      } else {
        machine::store_async(reinterpret_cast<FloatPair*>(to), pair, &full[exchanges % 2], owner);
      }
    }
  }

  const Args& s;
  machine::TransactionBarrier (&full)[2];  // the slots of this parity
  const int thread, rank, column, unit, sources;
  int row_warps;        // warps that share out the tiles
  int row_warp, split;  // this warp among them, and of those that share out its steps along k
  int first_tile, b, length;
  int longest;        // of the rows of this cluster
  float* slots;       // [2][sources][units][columns]
  Factors* factors;   // B, in the order of fragments: [b_steps][lanes]
  float* rest;        // this thread's of [rest][kTiles][threads]
  bool sent = false;  // an exchange is on its way
  int exchanges = 0;  // that are done
  Fragment weights[kDepth][kTiles];
  typename Cell::Saved saved[kRounds];
  PassedOn passed[kRounds];
};

// Grid: a cluster for 8 rows of the batch. Of a step a block reads from memory the saved values of
// its units (LSTM: 5 floats and dy for a unit and row) and writes their da; exchanges
// (cluster - 1) * units * 8 floats each way; runs blocks * units / K * H / 16 products.
template <typename Cell, typename Product, int kTiles, int kDepth, int kRounds>
FRNN_KERNEL_BOUNDS(kResidentThreads, 1)
void resident_backward_kernel(ResidentBackward<typename Product::Elem> s) {
  FRNN_SHARED(full, machine::TransactionBarrier[2]);
  BackwardBlock<Cell, Product, kTiles, kDepth, kRounds>(s, full).run();
}

template <typename Cell, typename Product>
Status launch_resident_backward(const Queue& queue, const char* name,
                                const ResidentBackward<typename Product::Elem>& args) {
  const ResidentBackwardShape& shape = args.shape;
  const machine::Grid grid = {ceil_div(args.B, kBatchTile) * shape.cluster, kResidentThreads,
                              shape.shared_bytes, false, shape.cluster};
  const auto launch = [&](auto number) {
    constexpr int kNumber = decltype(number)::value;
    constexpr BackwardForm kForm = kBackwardForms[kNumber];
    return queue.context.launch(
        name, resident_backward_kernel<Cell, Product, kForm.tiles, kForm.depth, kForm.rounds>, grid,
        queue.stream, args);
  };
  switch (shape.form) {
    case 0:
      return launch(std::integral_constant<int, 0>{});
    case 1:
      return launch(std::integral_constant<int, 1>{});
    case 2:
      return launch(std::integral_constant<int, 2>{});
    default:
      if constexpr (sizeof(typename Product::Elem) == 2) {
        return launch(std::integral_constant<int, 3>{});
      } else {
        return Status::fail(FRNN_INTERNAL, "resident backward: a form that fp32 does not have");
      }
  }
}

// Chooses the products of an element type.
template <typename Cell, typename Elem>
Status resident_backward_of(const Queue& queue, const char* name,
                            const ResidentBackward<Elem>& args, bool tf32) {
  if constexpr (sizeof(Elem) == 2) {
    return launch_resident_backward<Cell, resident::HalfProduct<Elem>>(queue, name, args);
  } else {
    return tf32 ? launch_resident_backward<Cell, resident::Tf32Product>(queue, name, args)
                : launch_resident_backward<Cell, resident::F32Product>(queue, name, args);
  }
}

// Instantiates a launcher for all element types.
#define FRNN_FOR_ALL_RESIDENT(launcher)                                                         \
  template Status launcher<float>(const Queue&, const ResidentBackward<float>&, bool);          \
  template Status launcher<machine::Bf16>(const Queue&, const ResidentBackward<machine::Bf16>&, \
                                          bool);                                                \
  template Status launcher<machine::F16>(const Queue&, const ResidentBackward<machine::F16>&, bool)

}  // namespace frnn

#endif  // FUSEDRNN_SRC_KERNELS_RESIDENT_BACKWARD_KERNEL_H_
