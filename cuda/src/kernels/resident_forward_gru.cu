// K1 and K2 forward of the GRU with the reset after the recurrent product.

#include "kernels/resident_forward.h"

namespace frnn {

template <typename Elem>
Status resident_forward_gru(const Queue& queue, const ResidentLaunch& launch,
                            const ResidentForward<Elem>& args) {
  return resident::launch_forward_of<resident::ResidentGru>(queue, "resident_forward_gru", launch,
                                                            args);
}

template Status resident_forward_gru(const Queue&, const ResidentLaunch&,
                                     const ResidentForward<float>&);
template Status resident_forward_gru(const Queue&, const ResidentLaunch&,
                                     const ResidentForward<machine::Bf16>&);
template Status resident_forward_gru(const Queue&, const ResidentLaunch&,
                                     const ResidentForward<machine::F16>&);

}  // namespace frnn
