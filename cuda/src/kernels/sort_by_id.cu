// Sorts rows by their ids, stably, without moving the ids: a radix sort from the lowest digit up
// (Knuth 1973) of row numbers. Each pass counts the digits of each tile of rows, adds the counts up
// and places the rows; the place of a row among its like comes from ballots, so that no order of
// threads or blocks can change it. A single tile counts for itself, in one launch.

#include "kernels/reduce.h"
#include "kernels/rows.h"

namespace frnn {
namespace {

constexpr int kThreads = 256;
constexpr int kWarps = kThreads / machine::kWarp;
constexpr int kRounds = kSortTile / kThreads;  // in which a warp sees its rows, 32 at a time
constexpr int kScanThreads = 1024;
static_assert(kThreads == kSortDigits, "a thread owns a digit");

struct SortPass {
  int64_t N, V;
  const int32_t* ids;
  const int* from;  // null: rows in their own order
  int* to;
  int* counts;  // [digits, tiles]; after the scan how many rows lie before a tile's of that digit
  int64_t tiles;
  int shift, bits;  // of the digit
};

struct Item {
  int row;
  int digit;
  bool there;
};

FRNN_DEVICE Item item_at(const SortPass& s, int64_t position) {
  if (position >= s.N) return {0, 0, false};
  const int row = s.from == nullptr ? static_cast<int>(position) : s.from[position];
  const int64_t id = s.ids[row];
  const int64_t key = id >= 0 && id < s.V ? id : s.V;
  return {row, static_cast<int>(key >> s.shift) & ((1 << s.bits) - 1), true};
}

// Where this warp's rows of a round begin, of this lane's tile.
FRNN_DEVICE int64_t position_of(int round) {
  return machine::block_index() * kSortTile + machine::warp_index() * (kSortTile / kWarps) +
         round * machine::kWarp + machine::lane_index();
}

// The lanes whose rows have this lane's digit.
FRNN_DEVICE unsigned like_lanes(const SortPass& s, const Item& item) {
  unsigned like = machine::ballot(item.there);
  for (int bit = 0; bit < s.bits; ++bit) {
    const bool set = ((item.digit >> bit) & 1) != 0;
    const unsigned votes = machine::ballot(set);
    like &= set ? votes : ~votes;
  }
  return like;
}

FRNN_DEVICE unsigned lanes_below() {
  return (1u << machine::lane_index()) - 1u;
}

// What the lanes, or the threads, before this one hold.
FRNN_DEVICE int warp_sum_before(int value) {
  int sum = value;
  FRNN_UNROLL
  for (int distance = 1; distance < machine::kWarp; distance *= 2) {
    const int before = machine::shuffle_up(sum, distance);
    if (machine::lane_index() >= distance) sum += before;
  }
  return sum - value;
}
template <int Threads>
FRNN_DEVICE int block_sum_before(int value, int (&scratch)[Threads / machine::kWarp]) {
  const int within = warp_sum_before(value);
  if (machine::lane_index() == machine::kWarp - 1) scratch[machine::warp_index()] = within + value;
  machine::sync_block();
  int before = within;
  for (int w = 0; w < machine::warp_index(); ++w)
    before += scratch[w];
  machine::sync_block();
  return before;
}

// Grid: a block for a tile. Sums of whole numbers: the order of the additions does not matter.
FRNN_KERNEL_BOUNDS(kThreads, 1) void count_kernel(SortPass s) {
  FRNN_SHARED(counts, int[kSortDigits]);
  counts[machine::thread_index()] = 0;
  machine::sync_block();
  for (int round = 0; round < kRounds; ++round) {
    const Item item = item_at(s, position_of(round));
    if (item.there) (void)machine::atomic_add(&counts[item.digit], 1);
  }
  machine::sync_block();
  s.counts[machine::thread_index() * s.tiles + machine::block_index()] =
      counts[machine::thread_index()];
}

// Grid: one block, whose threads own equal parts of the counts.
FRNN_KERNEL_BOUNDS(kScanThreads, 1) void scan_kernel(SortPass s) {
  FRNN_SHARED(scratch, int[kScanThreads / machine::kWarp]);
  const int64_t total = kSortDigits * s.tiles;
  const int64_t part = (total + kScanThreads - 1) / kScanThreads;
  const int64_t begin = machine::thread_index() * part;
  const int64_t end = begin + part < total ? begin + part : total;
  int sum = 0;
  for (int64_t k = begin; k < end; ++k)
    sum += s.counts[k];
  int before = block_sum_before<kScanThreads>(sum, scratch);
  for (int64_t k = begin; k < end; ++k) {
    const int count = s.counts[k];
    s.counts[k] = before;
    before += count;
  }
}

// Grid: a block for a tile, whose warps own runs of 256 rows of it.
FRNN_KERNEL_BOUNDS(kThreads, 1) void place_kernel(SortPass s) {
  FRNN_SHARED(places, int[kWarps][kSortDigits]);
  FRNN_SHARED(scratch, int[kWarps]);
  const int digit = machine::thread_index();
  int(&mine)[kSortDigits] = places[machine::warp_index()];
  for (int d = machine::lane_index(); d < kSortDigits; d += machine::kWarp)
    mine[d] = 0;
  machine::sync_warp();
  for (int round = 0; round < kRounds; ++round) {
    const Item item = item_at(s, position_of(round));
    const unsigned like = like_lanes(s, item);
    if (item.there && (like & lanes_below()) == 0) mine[item.digit] += machine::count_bits(like);
    machine::sync_warp();
  }
  machine::sync_block();
  int total = 0;
  for (int w = 0; w < kWarps; ++w)
    total += places[w][digit];
  int before = block_sum_before<kThreads>(total, scratch);
  if (s.tiles > 1) before = s.counts[digit * s.tiles + machine::block_index()];
  for (int w = 0; w < kWarps; ++w) {
    const int count = places[w][digit];
    places[w][digit] = before;
    before += count;
  }
  machine::sync_block();
  for (int round = 0; round < kRounds; ++round) {
    const Item item = item_at(s, position_of(round));
    const unsigned like = like_lanes(s, item);
    const unsigned lower = like & lanes_below();
    const int base = mine[item.digit];
    machine::sync_warp();
    if (item.there) s.to[base + machine::count_bits(lower)] = item.row;
    if (item.there && lower == 0) mine[item.digit] = base + machine::count_bits(like);
    machine::sync_warp();
  }
}

int bits_for(int64_t largest) {
  int bits = 1;
  while ((largest >> bits) != 0)
    ++bits;
  return bits;
}

}  // namespace

Status sort_by_id(const Queue& queue, int64_t N, int64_t V, const int32_t* ids,
                  const EmbeddingWorkspace& work, const int** order) {
  const int bits = bits_for(V);  // V itself stands for what is outside
  const int passes = static_cast<int>(ceil_div(bits, 8));
  const int width = static_cast<int>(ceil_div(bits, passes));
  SortPass s{};
  s.N = N, s.V = V, s.ids = ids, s.tiles = sort_tiles(N), s.bits = width;
  s.counts = reinterpret_cast<int*>(work.counts);
  for (int pass = 0; pass < passes; ++pass) {
    s.shift = pass * width;
    s.to = reinterpret_cast<int*>(work.order[pass % 2]);
    if (s.tiles > 1) {
      FRNN_TRY(queue.context.launch("sort_count", count_kernel, {s.tiles, kThreads, 0, false},
                                    queue.stream, s));
      FRNN_TRY(queue.context.launch("sort_scan", scan_kernel, {1, kScanThreads, 0, false},
                                    queue.stream, s));
    }
    FRNN_TRY(queue.context.launch("sort_place", place_kernel, {s.tiles, kThreads, 0, false},
                                  queue.stream, s));
    s.from = s.to;
  }
  *order = s.from;
  return Status::success();
}

}  // namespace frnn
