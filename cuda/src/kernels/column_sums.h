// Column sums of a matrix, for the gradients of biases.

#ifndef FUSEDRNN_SRC_KERNELS_COLUMN_SUMS_H_
#define FUSEDRNN_SRC_KERNELS_COLUMN_SUMS_H_

#include "kernels/column_split.h"
#include "kernels/launch.h"

namespace frnn {

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
