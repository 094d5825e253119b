// Into how many runs of rows column_sums cuts a matrix: a function of the rows alone, so that the
// order of summation does not depend on the device. Also read by the plan, which has no machine.

#ifndef FUSEDRNN_SRC_KERNELS_COLUMN_SPLIT_H_
#define FUSEDRNN_SRC_KERNELS_COLUMN_SPLIT_H_

#include <cstdint>

namespace frnn {

constexpr int64_t column_sum_splits(int64_t rows) {
  constexpr int64_t kRows = 256;   // enough for the eight row lanes of a block to be worth starting
  constexpr int64_t kSplits = 64;  // with 64 the smallest G*H still fills half of an H200
  return rows < kRows ? 1 : (rows > kSplits * kRows ? kSplits : (rows + kRows - 1) / kRows);
}

// Floats of scratch.
constexpr int64_t column_sum_partials(int64_t rows, int64_t columns) {
  return column_sum_splits(rows) * columns;
}

}  // namespace frnn

#endif  // FUSEDRNN_SRC_KERNELS_COLUMN_SPLIT_H_
