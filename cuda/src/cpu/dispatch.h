// A cell chosen at run time made a constant of the code that runs it.

#ifndef FUSEDRNN_SRC_CPU_DISPATCH_H_
#define FUSEDRNN_SRC_CPU_DISPATCH_H_

#include <cstdint>
#include <type_traits>

#include "fusedrnn.h"

namespace frnn::cpu::FRNN_CPU_ISA {

template <int64_t kCell>
using CellConstant = std::integral_constant<int64_t, kCell>;

// run(CellConstant<cell>()) for the cells of the fast path.
template <typename Run>
static inline void with_plain_cell(int64_t cell, Run run) {
  switch (cell) {
    case FRNN_LSTM:
      return run(CellConstant<FRNN_LSTM>());
    case FRNN_GRU:
      return run(CellConstant<FRNN_GRU>());
    case FRNN_GRU_RESET_BEFORE:
      return run(CellConstant<FRNN_GRU_RESET_BEFORE>());
    case FRNN_RNN_TANH:
      return run(CellConstant<FRNN_RNN_TANH>());
    default:
      return run(CellConstant<FRNN_RNN_RELU>());
  }
}

// The same for every cell.
template <typename Run>
static inline void with_cell(int64_t cell, Run run) {
  switch (cell) {
    case FRNN_MUT1:
      return run(CellConstant<FRNN_MUT1>());
    case FRNN_MUT2:
      return run(CellConstant<FRNN_MUT2>());
    case FRNN_MUT3:
      return run(CellConstant<FRNN_MUT3>());
    default:
      return with_plain_cell(cell, run);
  }
}

}  // namespace frnn::cpu::FRNN_CPU_ISA

#endif  // FUSEDRNN_SRC_CPU_DISPATCH_H_
