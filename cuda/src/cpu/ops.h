// The operations around a recurrent net, shared out over a team. Arguments were checked by the
// door.

#ifndef FUSEDRNN_SRC_CPU_OPS_H_
#define FUSEDRNN_SRC_CPU_OPS_H_

#include <cstdint>

#include "cpu/kernels.h"
#include "cpu/pool.h"
#include "fusedrnn.h"
#include "host/provider.h"
#include "host/status.h"

namespace frnn::cpu {

// What an operation runs on.
struct Machine {
  Pool& pool;
  const Kernels& kernels;
  int threads;

  // A team for so much work: waking a thread costs as much as some million operations. What takes
  // one thread no longer than a time slice of another program does not wait for a crowded
  // processor.
  int team(double operations) const {
    constexpr double kWorthWaking = 1e6, kWorthWaiting = 2e8;
    const bool alone = operations < kWorthWaking || (operations < kWorthWaiting && Pool::crowded());
    return alone ? 1 : threads;
  }
};

// As memmove; a team shares out what is large.
void copy_bytes(const Machine& machine, int64_t destination, int64_t source, int64_t bytes);
void rnn_pack(const Machine& machine, const frnn_rnn& rnn);
// Refuses packed weights that are not those of this call: only now can they be read.
Status rnn_forward(const Machine& machine, const frnn_rnn& rnn);
void rnn_backward(const Machine& machine, const frnn_rnn& rnn);
void mask_add(const Machine& machine, const MaskAdd& what);
void linear_forward(const Machine& machine, const frnn_linear& linear);
void linear_backward(const Machine& machine, const frnn_linear& linear);
void embedding_forward(const Machine& machine, const frnn_embedding& embedding);
void embedding_backward(const Machine& machine, const frnn_embedding& embedding);
void softmax_xent_forward_backward(const Machine& machine, const frnn_softmax_xent& xent);
void mse_forward_backward(const Machine& machine, const frnn_mse& mse);
void sample(const Machine& machine, const frnn_sample& what);

}  // namespace frnn::cpu

#endif  // FUSEDRNN_SRC_CPU_OPS_H_
