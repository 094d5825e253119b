// K1 and K2 forward of the LSTM, with peepholes and coupled gates.

#include "kernels/resident_forward.h"

namespace frnn {

template <typename Elem>
Status resident_forward_lstm(const Queue& queue, const ResidentLaunch& launch,
                             const ResidentForward<Elem>& args) {
  return resident::launch_forward_of<resident::ResidentLstm>(queue, "resident_forward_lstm", launch,
                                                             args);
}

template Status resident_forward_lstm(const Queue&, const ResidentLaunch&,
                                      const ResidentForward<float>&);
template Status resident_forward_lstm(const Queue&, const ResidentLaunch&,
                                      const ResidentForward<machine::Bf16>&);
template Status resident_forward_lstm(const Queue&, const ResidentLaunch&,
                                      const ResidentForward<machine::F16>&);

}  // namespace frnn
