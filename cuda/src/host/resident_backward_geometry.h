// Where a resident backward kernel fits, and how it is cut then: a pure function, for launchers,
// plans and tests.

#ifndef FUSEDRNN_SRC_HOST_RESIDENT_BACKWARD_GEOMETRY_H_
#define FUSEDRNN_SRC_HOST_RESIDENT_BACKWARD_GEOMETRY_H_

#include "fusedrnn.h"
#include "host/status.h"
#include "kernels/resident_backward_shape.h"
#include "machine/properties.h"

namespace frnn {

// The shape with `cluster` blocks (1: K1). FRNN_UNSUPPORTED and the reason where that cannot be.
Status resident_backward_geometry(const frnn_rnn& rnn, const machine::Properties& device,
                                  int cluster, ResidentBackwardShape* shape);

}  // namespace frnn

#endif  // FUSEDRNN_SRC_HOST_RESIDENT_BACKWARD_GEOMETRY_H_
