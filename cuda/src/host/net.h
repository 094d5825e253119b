// Whole networks, composed of layers in one direction that a provider runs.

#ifndef FUSEDRNN_SRC_HOST_NET_H_
#define FUSEDRNN_SRC_HOST_NET_H_

#include <string>

#include "host/registry.h"
#include "host/validate.h"

namespace frnn {

// Sizes and settings of layer k as a call in one direction, nothing bound; checks the net's.
Status net_layer(const frnn_net& net, int64_t k, frnn_rnn* rnn);
// Chunks of time over which stacked layers run at the same time; 1: one layer after the other.
Status net_wavefront(const frnn_net& net, const std::string& backend, Planner* planner,
                     int64_t* chunks);
Status net_sizes(const frnn_net& net, const std::string& backend, frnn_rnn_sizes* sizes);
Status net_packed_bytes(const frnn_net& net, const std::string& backend, int64_t* bytes);

// Checks everything first; nothing is launched where anything is wrong.
Status net_forward(OpenDevice& open, const frnn_net& net);
Status net_backward(OpenDevice& open, const frnn_net& net);
Status net_pack(OpenDevice& open, const frnn_net& net);

}  // namespace frnn

#endif  // FUSEDRNN_SRC_HOST_NET_H_
