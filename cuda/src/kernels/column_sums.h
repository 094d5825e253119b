// Column sums of a matrix, for the gradients of biases.

#ifndef FUSEDRNN_SRC_KERNELS_COLUMN_SUMS_H_
#define FUSEDRNN_SRC_KERNELS_COLUMN_SUMS_H_

#include "kernels/launch.h"

namespace frnn {

// Into how many runs of rows the matrix is cut: a function of the rows alone, so that the order of
// summation does not depend on the device.
constexpr int64_t column_sum_splits(int64_t rows) {
  return rows < 256 ? 1 : (rows > 64 * 256 ? 64 : ceil_div(rows, 256));
}
constexpr int64_t column_sum_partials(int64_t rows, int64_t columns) {  // floats of scratch
  return column_sum_splits(rows) * columns;
}

struct ColumnSums {
  int64_t rows;
  int64_t columns;
  const float* matrix;  // [rows, columns]
  float* partials;      // scratch, column_sum_partials floats
  float* first;         // [columns] = or +=, optional
  float* second;        // [columns] = or +=, optional: the same sums again
  bool accumulate;
};
Status column_sums(const Queue& queue, const ColumnSums& sums);

}  // namespace frnn

#endif  // FUSEDRNN_SRC_KERNELS_COLUMN_SUMS_H_
