// The whole family of layers on a gpu (see is_family in gpu_layout.h). The loop is that of
// gpu_rnn.h; but each row finds its own time of a step, so what products read and write lies in
// [B, .] tensors of the step, and kernels carry it to and from the rows of the sequence.

#ifndef FUSEDRNN_SRC_HOST_GPU_FAMILY_H_
#define FUSEDRNN_SRC_HOST_GPU_FAMILY_H_

#include "host/gpu_blas.h"
#include "kernels/norm.h"
#include "kernels/resident_backward_shape.h"

namespace frnn {

Status gpu_family_forward(const Queue& queue, BlasSession& blas, const frnn_rnn& rnn);
Status gpu_family_backward(const Queue& queue, BlasSession& blas, const frnn_rnn& rnn,
                           const ResidentBackwardShape* resident);

// The settings that every kernel of a call shares; step 0.
RowsOf rows_of(const frnn_rnn& rnn);
Sequence sequence_of(const frnn_rnn& rnn, bool training);
LstmVariant lstm_variant_of(const frnn_rnn& rnn);
LstmBlocks lstm_blocks_of(const frnn_rnn& rnn);
ResetBeforeKind reset_before_kind_of(const frnn_rnn& rnn);

}  // namespace frnn

#endif  // FUSEDRNN_SRC_HOST_GPU_FAMILY_H_
