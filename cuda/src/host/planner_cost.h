// What the planner expects a step of each kernel to cost. Every constant says where it comes from:
// published, derived from published numbers, or estimated; none is measured on the devices yet.

#ifndef FUSEDRNN_SRC_HOST_PLANNER_COST_H_
#define FUSEDRNN_SRC_HOST_PLANNER_COST_H_

#include "host/planner.h"
#include "host/resident_backward_geometry.h"
#include "host/resident_geometry.h"

namespace frnn {

// Each fills a way's grid, terms and times; the block's own numbers too, for K1 and K2.
void cost_step_kernels(const frnn_rnn& rnn, Pass pass, const machine::Properties& device,
                       RnnWay* way);
void cost_resident(const frnn_rnn& rnn, const machine::Properties& device,
                   const ResidentGeometry& geometry, RnnWay* way);
void cost_resident_backward(const frnn_rnn& rnn, const machine::Properties& device,
                            const ResidentBackwardShape& shape, RnnWay* way);

// Clusters of blocks that have a multiprocessor each, alive at the same time; 0: not even one.
int64_t clusters_at_once(const machine::Properties& device, int cluster, int64_t shared_bytes);

}  // namespace frnn

#endif  // FUSEDRNN_SRC_HOST_PLANNER_COST_H_
