// What the planner decided, as the JSON of frnn_explain.

#ifndef FUSEDRNN_SRC_HOST_EXPLAIN_H_
#define FUSEDRNN_SRC_HOST_EXPLAIN_H_

#include <string>

#include "fusedrnn.h"
#include "host/provider.h"

namespace frnn {

// The properties of an open device; FRNN_UNSUPPORTED where nothing is planned for it.
Status planned_device(const Device& device, const std::string& backend,
                      machine::Properties* properties, int* cluster);
// Checks the net's sizes and settings; a forced kernel that cannot be is FRNN_UNSUPPORTED.
Status explain_net(const frnn_net& net, const machine::Properties& device, int cluster,
                   std::string* json);

}  // namespace frnn

#endif  // FUSEDRNN_SRC_HOST_EXPLAIN_H_
