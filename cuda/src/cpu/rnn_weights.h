// The weights of a plain layer as its forward pass reads them: panels with the gates of a tile's
// units beside each other, and both biases in the order of the panels.

#ifndef FUSEDRNN_SRC_CPU_RNN_WEIGHTS_H_
#define FUSEDRNN_SRC_CPU_RNN_WEIGHTS_H_

#include "cpu/layout.h"
#include "cpu/worker.h"

namespace frnn::cpu::FRNN_CPU_ISA {

struct RnnWeights {
  void* w_ih;  // floats, or where narrow_weights() bf16: Float32 and Bfloat16 of product.h
  void* w_hh;
  float* bias_x;  // what the input product starts from
  float* bias_h;  // what the recurrent product starts from
  float* zeros;   // [H]
};

static inline RnnWeights weights_at(const Layout& l, float* block) {
  return {block + l.w_ih, block + l.w_hh, block + l.bias_x, block + l.bias_h, block + l.zeros};
}

// Called by every member of a team. When it returns, all members' work is there.
void pack_weights(const Worker& worker, const frnn_rnn& rnn, const Layout& l, const RnnWeights& to);

}  // namespace frnn::cpu::FRNN_CPU_ISA

#endif  // FUSEDRNN_SRC_CPU_RNN_WEIGHTS_H_
