// What the planner decided, as the JSON of frnn_explain.

#ifndef FUSEDRNN_SRC_HOST_EXPLAIN_H_
#define FUSEDRNN_SRC_HOST_EXPLAIN_H_

#include <string>

#include "fusedrnn.h"
#include "host/planner.h"

namespace frnn {

// Checks the net's sizes and settings; a forced kernel that cannot be is FRNN_UNSUPPORTED.
Status explain_net(const frnn_net& net, Planner& planner, std::string* json);

}  // namespace frnn

#endif  // FUSEDRNN_SRC_HOST_EXPLAIN_H_
