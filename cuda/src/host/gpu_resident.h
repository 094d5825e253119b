// The forward loop over time as one launch of a resident kernel (K1, K2). Around it stands what K0
// has: the input product before it. Reserve and workspace are laid out as K0 lays them out, so
// either forward pass may be followed by either backward pass.

#ifndef FUSEDRNN_SRC_HOST_GPU_RESIDENT_H_
#define FUSEDRNN_SRC_HOST_GPU_RESIDENT_H_

#include "host/gpu_blas.h"
#include "host/resident_geometry.h"
#include "kernels/launch.h"

namespace frnn {

// `geometry` as resident_geometry() gave it for this call.
Status gpu_resident_forward(const Queue& queue, BlasSession& blas, const frnn_rnn& rnn,
                            const ResidentGeometry& geometry);

}  // namespace frnn

#endif  // FUSEDRNN_SRC_HOST_GPU_RESIDENT_H_
