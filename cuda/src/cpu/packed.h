// Weights that a caller has packed once for many calls: their size, and what tells that a buffer
// holds them.

#ifndef FUSEDRNN_SRC_CPU_PACKED_H_
#define FUSEDRNN_SRC_CPU_PACKED_H_

#include <cstdint>

#include "cpu/kernels.h"
#include "fusedrnn.h"
#include "host/status.h"

namespace frnn::cpu {

// Lies on the first cache line of the buffer, before the weights.
struct PackedHeader {
  uint64_t magic;
  int64_t cell, dtype, I, H;
  int64_t width;  // floats in a vector of the instruction set that packed them
};

// What the header of a call's packed weights must be.
PackedHeader packed_header(const frnn_rnn& rnn, const Kernels& kernels);
// Refuses a buffer that does not hold weights as this call on these kernels reads them.
Status check_packed(const frnn_rnn& rnn, const Kernels& kernels);

}  // namespace frnn::cpu

#endif  // FUSEDRNN_SRC_CPU_PACKED_H_
