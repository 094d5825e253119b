// Normalisation of the input products W x of a whole sequence.
//
// Layer norm (Ba, Kiros and Hinton 2016), over the columns of a row; batch norm (Laurent et al.
// 2016), over the live rows of a column:
//
//   u = (a - mean) / sqrt(variance + epsilon)      out = gain u
//   da_in = scale (gain da - mean(gain da) - u mean(gain da u)),   scale = 1 / sqrt(variance +
//   epsilon)
//
// Variances are biased. Sums run in a fixed order: threads in fp32 (layer) or double (batch), then
// across the block.

#include "kernels/norm.h"

#include "kernels/reduce.h"
#include "kernels/sequence_steps.h"

namespace frnn {
namespace {

constexpr int kThreads = 128;

FRNN_DEVICE bool lives(const RowsOf& rows, int64_t row) {
  if (rows.lengths == nullptr) return true;
  const int64_t t = rows.batch_first ? row % rows.T : row / rows.B;
  const int64_t b = rows.batch_first ? row / rows.T : row % rows.B;
  return t < rows.lengths[b];
}

// Grid: a block for a row, which it reads three times, from L1 after the first.
template <typename Elem>
FRNN_KERNEL_BOUNDS(kThreads, 1)
void layer_norm_rows_kernel(LayerNormRows<Elem> s) {
  FRNN_SHARED(scratch, float[kThreads / machine::kWarp]);
  const int64_t row = machine::block_index();
  float* const a = s.a + row * s.columns;
  float sum = 0.0f;
  for (int k = machine::thread_index(); k < s.columns; k += kThreads)
    sum += a[k];
  const float mean = block_sum<kThreads>(sum, scratch) / s.columns;
  sum = 0.0f;
  for (int k = machine::thread_index(); k < s.columns; k += kThreads) {
    sum += (a[k] - mean) * (a[k] - mean);
  }
  const float variance = block_sum<kThreads>(sum, scratch) / s.columns;
  const float scale = 1.0f / sqrt(variance + s.epsilon);
  for (int k = machine::thread_index(); k < s.columns; k += kThreads) {
    const float unit = (a[k] - mean) * scale;
    if (s.unit != nullptr) s.unit[row * s.columns + k] = unit;
    a[k] = unit * widen(s.gain[k]);
  }
  if (s.scale != nullptr && machine::thread_index() == 0) s.scale[row] = scale;
}

// Grid: a block for a row. Rows that do not live have da = 0, and so dax = 0, unless their product
// was not finite: those are passed over.
template <typename Elem>
FRNN_KERNEL_BOUNDS(kThreads, 1)
void layer_norm_rows_backward_kernel(LayerNormRowsBackward<Elem> s) {
  FRNN_SHARED(scratch, float[kThreads / machine::kWarp]);
  const int64_t begin = static_cast<int64_t>(machine::block_index()) * s.columns;
  float sum = 0.0f, weighted = 0.0f;
  for (int k = machine::thread_index(); k < s.columns; k += kThreads) {
    const float d = widen(s.da[begin + k]) * widen(s.gain[k]);
    sum += d;
    weighted += d == 0.0f ? 0.0f : d * s.unit[begin + k];
  }
  const float mean = block_sum<kThreads>(sum, scratch) / s.columns;
  const float slope = block_sum<kThreads>(weighted, scratch) / s.columns;
  const bool nothing = mean == 0.0f && slope == 0.0f;
  const float scale = s.scale[machine::block_index()];
  for (int k = machine::thread_index(); k < s.columns; k += kThreads) {
    const float d = widen(s.da[begin + k]) * widen(s.gain[k]);
    const bool zero = nothing && d == 0.0f;
    s.dax[begin + k] = narrow<Elem>(zero ? 0.0f : scale * (d - mean - s.unit[begin + k] * slope));
  }
}

constexpr int kColumns = 32;
constexpr int kRowLanes = 32;

// The sum over the row lanes of each column, in all of them.
FRNN_DEVICE double over_lanes(double (&lanes)[kRowLanes][kColumns], int y, int x, double value) {
  machine::sync_block();
  lanes[y][x] = value;
  machine::sync_block();
  double sum = 0.0;
  for (int k = 0; k < kRowLanes; ++k)
    sum += lanes[k][x];
  return sum;
}

// Grid: a block of 32 x 32 for 32 columns: all rows twice, 128 bytes of a row at a time.
FRNN_KERNEL_BOUNDS(kColumns* kRowLanes, 1) void column_statistics_kernel(ColumnStatistics s) {
  FRNN_SHARED(lanes, double[kRowLanes][kColumns]);
  const int x = machine::thread_index() % kColumns, y = machine::thread_index() / kColumns;
  const int64_t column = static_cast<int64_t>(machine::block_index()) * kColumns + x;
  const int64_t rows = static_cast<int64_t>(s.rows.T) * s.rows.B;
  const bool inside = column < s.columns;
  double sum = 0.0, live = 0.0;
  for (int64_t n = y; n < rows; n += kRowLanes) {
    if (!inside || !lives(s.rows, n)) continue;
    sum += s.a[n * s.columns + column];
    live += 1.0;
  }
  const double count = over_lanes(lanes, y, x, live);
  const double mean = over_lanes(lanes, y, x, sum) / (count > 0.0 ? count : 1.0);
  sum = 0.0;
  for (int64_t n = y; n < rows; n += kRowLanes) {
    if (!inside || !lives(s.rows, n)) continue;
    const double d = s.a[n * s.columns + column] - mean;
    sum += d * d;
  }
  const double squares = over_lanes(lanes, y, x, sum);
  if (!inside || y != 0) return;
  const double variance = count > 0.0 ? squares / count : 0.0;
  s.mean[column] = static_cast<float>(mean);
  s.scale[column] = static_cast<float>(1.0 / sqrt(variance + s.epsilon));
  if (column == 0) *s.count = static_cast<float>(count);
  if (s.running_mean == nullptr || count == 0.0) return;
  const double unbiased = count > 1.0 ? squares / (count - 1.0) : variance;
  const double m = s.momentum;
  s.running_mean[column] = static_cast<float>((1.0 - m) * s.running_mean[column] + m * mean);
  s.running_var[column] = static_cast<float>((1.0 - m) * s.running_var[column] + m * unbiased);
}

// Grid: a block for a row.
template <typename Elem>
FRNN_KERNEL_BOUNDS(kThreads, 1)
void norm_columns_kernel(NormColumns<Elem> s) {
  const int64_t row = machine::block_index();
  if (!lives(s.rows, row)) return;
  for (int k = machine::thread_index(); k < s.columns; k += kThreads) {
    const float scale = s.scale != nullptr ? s.scale[k] : 1.0f / sqrt(s.variance[k] + s.epsilon);
    const int64_t at = row * s.columns + k;
    const float unit = (s.a[at] - s.mean[k]) * scale;
    if (s.unit != nullptr) s.unit[at] = unit;
    s.a[at] = unit * widen(s.gain[k]);
  }
}

// Grid: a block for a row.
template <typename Elem>
FRNN_KERNEL_BOUNDS(kThreads, 1)
void norm_columns_backward_kernel(NormColumnsBackward<Elem> s) {
  const int64_t row = machine::block_index();
  const bool live = lives(s.rows, row);
  const float count = *s.count;
  for (int k = machine::thread_index(); k < s.columns; k += kThreads) {
    const int64_t at = row * s.columns + k;
    float d = 0.0f;
    if (live) {
      d = widen(s.da[at]) - s.sums[k] / count - s.unit[at] * (s.weighted[k] / count);
      d *= s.scale[k] * widen(s.gain[k]);
    }
    s.dax[at] = narrow<Elem>(d);
  }
}

template <typename Args>
Status launch_rows(const Queue& queue, const char* name, void (*kernel)(Args), int64_t rows,
                   const Args& args) {
  return queue.context.launch(name, kernel, {rows, kThreads, 0, false}, queue.stream, args);
}

int64_t rows_of(const RowsOf& rows) {
  return static_cast<int64_t>(rows.T) * rows.B;
}

}  // namespace

template <typename Elem>
Status layer_norm_rows(const Queue& queue, const LayerNormRows<Elem>& args) {
  return launch_rows(queue, "layer_norm_rows", layer_norm_rows_kernel<Elem>, args.rows, args);
}
template <typename Elem>
Status layer_norm_rows_backward(const Queue& queue, const LayerNormRowsBackward<Elem>& args) {
  return launch_rows(queue, "layer_norm_rows_backward", layer_norm_rows_backward_kernel<Elem>,
                     args.rows, args);
}
Status column_statistics(const Queue& queue, const ColumnStatistics& args) {
  return queue.context.launch("column_statistics", column_statistics_kernel,
                              {ceil_div(args.columns, kColumns), kColumns * kRowLanes, 0, false},
                              queue.stream, args);
}
template <typename Elem>
Status norm_columns(const Queue& queue, const NormColumns<Elem>& args) {
  return launch_rows(queue, "norm_columns", norm_columns_kernel<Elem>, rows_of(args.rows), args);
}
template <typename Elem>
Status norm_columns_backward(const Queue& queue, const NormColumnsBackward<Elem>& args) {
  return launch_rows(queue, "norm_columns_backward", norm_columns_backward_kernel<Elem>,
                     rows_of(args.rows), args);
}

FRNN_FOR_ALL_ELEMENTS(layer_norm_rows, LayerNormRows);
FRNN_FOR_ALL_ELEMENTS(layer_norm_rows_backward, LayerNormRowsBackward);
FRNN_FOR_ALL_ELEMENTS(norm_columns, NormColumns);
FRNN_FOR_ALL_ELEMENTS(norm_columns_backward, NormColumnsBackward);

}  // namespace frnn
