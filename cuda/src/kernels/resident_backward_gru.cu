// GRU with the reset after the recurrent product: backward through a whole sequence, the weights
// resident (resident_backward_kernel.h).

#include "kernels/resident_backward_kernel.h"

namespace frnn {

template <typename Elem>
Status resident_gru_backward(const Queue& queue, const ResidentBackward<Elem>& args, bool tf32) {
  return resident_backward_of<GruBackwardUnit>(queue, "resident_gru_backward", args, tf32);
}

FRNN_FOR_ALL_RESIDENT(resident_gru_backward);

}  // namespace frnn
