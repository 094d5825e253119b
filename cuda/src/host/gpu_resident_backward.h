// The loop over time of backward as one launch of a resident kernel, in place of K0's steps. What
// comes after the loop is the caller's, as K0 has it.

#ifndef FUSEDRNN_SRC_HOST_GPU_RESIDENT_BACKWARD_H_
#define FUSEDRNN_SRC_HOST_GPU_RESIDENT_BACKWARD_H_

#include "fusedrnn.h"
#include "kernels/resident_backward.h"

namespace frnn {

// What the call itself says. The caller adds where forward left gates, c_prev and ah_n, and where
// da, dah and dp go.
template <typename Elem>
ResidentBackward<Elem> resident_backward_args(const frnn_rnn& rnn,
                                              const ResidentBackwardShape& shape);

template <typename Elem>
Status gpu_resident_backward(const Queue& queue, const frnn_rnn& rnn,
                             const ResidentBackward<Elem>& args);

}  // namespace frnn

#endif  // FUSEDRNN_SRC_HOST_GPU_RESIDENT_BACKWARD_H_
