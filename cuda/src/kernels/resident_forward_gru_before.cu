// K1 and K2 forward of the GRU with the reset before the recurrent product: two products a step.

#include "kernels/resident_forward.h"

namespace frnn {

template <typename Elem>
Status resident_forward_gru_before(const Queue& queue, const ResidentLaunch& launch,
                                   const ResidentForward<Elem>& args) {
  return resident::launch_forward_of<resident::ResidentGruBefore>(
      queue, "resident_forward_gru_before", launch, args);
}

template Status resident_forward_gru_before(const Queue&, const ResidentLaunch&,
                                            const ResidentForward<float>&);
template Status resident_forward_gru_before(const Queue&, const ResidentLaunch&,
                                            const ResidentForward<machine::Bf16>&);
template Status resident_forward_gru_before(const Queue&, const ResidentLaunch&,
                                            const ResidentForward<machine::F16>&);

}  // namespace frnn
