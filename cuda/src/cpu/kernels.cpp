// The table of one instruction set.

#include "cpu/kernels.h"

namespace frnn::cpu::FRNN_CPU_ISA {

const Kernels kKernels = {
    FRNN_CPU_NAME,  FRNN_CPU_WIDTH,  gemm,        rnn_forward, rnn_backward, rnn_pack,
    family_forward, family_backward, column_sums, list_norm,   change_list,  update_list,
    softmax_row,    squared_error,   add,         map,
};

}  // namespace frnn::cpu::FRNN_CPU_ISA
