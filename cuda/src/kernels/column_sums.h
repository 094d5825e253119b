// Column sums of a matrix, for the gradients of biases.

#ifndef FUSEDRNN_SRC_KERNELS_COLUMN_SUMS_H_
#define FUSEDRNN_SRC_KERNELS_COLUMN_SUMS_H_

#include "kernels/column_split.h"
#include "kernels/launch.h"
#include "machine/numbers.h"

namespace frnn {

// From fp32 or from the element type of the sums; sums in fp32 and double.
template <typename In, typename Out>
struct ColumnSums {
  int64_t rows;
  int64_t columns;
  const In* matrix;  // [rows, columns]
  float* partials;   // scratch, column_sum_partials floats
  Out* first;        // [columns] = or +=, optional
  Out* second;       // [columns] = or +=, optional: the same sums again
  bool accumulate;
  const float* factor = nullptr;  // [rows, columns], optional: sums of matrix * factor
};
template <typename In, typename Out>
Status column_sums(const Queue& queue, const ColumnSums<In, Out>& sums);

}  // namespace frnn

#endif  // FUSEDRNN_SRC_KERNELS_COLUMN_SUMS_H_
