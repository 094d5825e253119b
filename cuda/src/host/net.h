// Whole networks, composed of layers in one direction that a provider runs.

#ifndef FUSEDRNN_SRC_HOST_NET_H_
#define FUSEDRNN_SRC_HOST_NET_H_

#include <string>

#include "host/provider.h"
#include "host/validate.h"

namespace frnn {

Status net_sizes(const frnn_net& net, const std::string& backend, frnn_rnn_sizes* sizes);

// Checks everything first; nothing is launched where anything is wrong.
Status net_forward(Device& device, const frnn_net& net, const std::string& backend);
Status net_backward(Device& device, const frnn_net& net, const std::string& backend);

}  // namespace frnn

#endif  // FUSEDRNN_SRC_HOST_NET_H_
