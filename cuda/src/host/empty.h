// Calls with no work to do (T, B or N is 0): their results follow from the inputs by
// copies and fills alone, so that no kernel needs a case for them.

#ifndef FUSEDRNN_SRC_HOST_EMPTY_H_
#define FUSEDRNN_SRC_HOST_EMPTY_H_

#include "host/provider.h"

namespace frnn {

Status empty_rnn_forward(Device& device, const frnn_rnn& rnn);
Status empty_rnn_backward(Device& device, const frnn_rnn& rnn);
Status empty_linear_backward(Device& device, const frnn_linear& linear);
Status empty_embedding_backward(Device& device, const frnn_embedding& embedding);
// Of any loss.
Status empty_loss(Device& device, int64_t result, int64_t stream);

}  // namespace frnn

#endif  // FUSEDRNN_SRC_HOST_EMPTY_H_
