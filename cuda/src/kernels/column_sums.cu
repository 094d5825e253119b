// Column sums of a matrix [rows, columns], deterministic: db[j] = or += sum over n of m[n, j], or
// of m[n, j] f[n, j].
//
// Two kernels. The first cuts the rows into runs (column_sum_splits) and writes the partial sums of
// each run, in fp32; the second adds the runs in order, in double. Float atomics would do it in
// one, with other bits every time.

#include "kernels/column_sums.h"

#include "machine/device.h"

namespace frnn {
namespace {

using machine::narrow;
using machine::widen;

constexpr int kColumns = 32;  // a warp reads 128 bytes of a row in one access
constexpr int kRowLanes = 8;  // and eight warps read eight rows
constexpr int kThreads = kColumns * kRowLanes;
constexpr int kFinalThreads = 128;

template <typename In, typename Out>
struct PartialArgs {
  ColumnSums<In, Out> sums;
  int64_t splits;
  int64_t rows_per_split;
  int tiles;  // of columns
};

// Grid: tiles of 32 columns times runs of rows. Lane (y, x) sums rows y, y + 8, ... of its run in
// column x; then row lane 0 adds the eight. Bytes moved: 4 * rows * columns, read once.
template <typename In, typename Out>
FRNN_KERNEL_BOUNDS(kThreads, 1)
void partial_kernel(PartialArgs<In, Out> args) {
  FRNN_SHARED(lanes, float[kRowLanes][kColumns]);
  const ColumnSums<In, Out>& s = args.sums;
  const int64_t split = machine::block_index() / args.tiles;
  const int tile = machine::block_index() % args.tiles;
  const int x = machine::thread_index() % kColumns;
  const int y = machine::thread_index() / kColumns;
  const int64_t column = static_cast<int64_t>(tile) * kColumns + x;
  const int64_t begin = split * args.rows_per_split;
  const int64_t end = begin + args.rows_per_split < s.rows ? begin + args.rows_per_split : s.rows;

  float sum = 0.0f;
  if (column < s.columns) {
    for (int64_t n = begin + y; n < end; n += kRowLanes) {
      const float value = widen(s.matrix[n * s.columns + column]);
      // What is zero stays so whatever it meets: rows that do not live may meet anything.
      const bool plain = s.factor == nullptr || value == 0.0f;
      sum += plain ? value : value * s.factor[n * s.columns + column];
    }
  }
  lanes[y][x] = sum;
  machine::sync_block();
  if (y != 0 || column >= s.columns) return;
  FRNN_UNROLL
  for (int k = 1; k < kRowLanes; ++k)
    sum += lanes[k][x];
  s.partials[split * s.columns + column] = sum;
}

template <typename In, typename Out>
struct FinalArgs {
  ColumnSums<In, Out> sums;
  int64_t splits;
};

// Grid: one thread for a column.
template <typename In, typename Out>
FRNN_KERNEL_BOUNDS(kFinalThreads, 1)
void final_kernel(FinalArgs<In, Out> args) {
  const ColumnSums<In, Out>& s = args.sums;
  const int64_t column =
      static_cast<int64_t>(machine::block_index()) * kFinalThreads + machine::thread_index();
  if (column >= s.columns) return;
  double sum = 0.0;
  for (int64_t k = 0; k < args.splits; ++k)
    sum += s.partials[k * s.columns + column];
  const float total = static_cast<float>(sum);
  const auto put = [&](Out* out) {
    if (out == nullptr) return;
    out[column] = narrow<Out>(s.accumulate ? widen(out[column]) + total : total);
  };
  put(s.first);
  put(s.second);
}

}  // namespace

template <typename In, typename Out>
Status column_sums(const Queue& queue, const ColumnSums<In, Out>& s) {
  if (s.first == nullptr && s.second == nullptr) return Status::success();
  const int64_t splits = column_sum_splits(s.rows);
  const int64_t tiles = ceil_div(s.columns, kColumns);
  const PartialArgs<In, Out> partial = {s, splits, ceil_div(s.rows, splits),
                                        static_cast<int>(tiles)};
  FRNN_TRY(queue.context.launch("column_sums_partial", partial_kernel<In, Out>,
                                {tiles * splits, kThreads, 0, false}, queue.stream, partial));
  return queue.context.launch("column_sums_final", final_kernel<In, Out>,
                              {ceil_div(s.columns, kFinalThreads), kFinalThreads, 0, false},
                              queue.stream, FinalArgs<In, Out>{s, splits});
}

using machine::Bf16;
using machine::F16;
template Status column_sums(const Queue&, const ColumnSums<float, float>&);
template Status column_sums(const Queue&, const ColumnSums<Bf16, Bf16>&);
template Status column_sums(const Queue&, const ColumnSums<F16, F16>&);
template Status column_sums(const Queue&, const ColumnSums<float, Bf16>&);
template Status column_sums(const Queue&, const ColumnSums<float, F16>&);
template Status column_sums(const Queue&, const ColumnSums<Bf16, float>&);
template Status column_sums(const Queue&, const ColumnSums<F16, float>&);

}  // namespace frnn
