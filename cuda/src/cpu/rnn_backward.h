// What the units of the backward pass share: a call's memory, and the chunk of steps whose
// gradients are at hand.

#ifndef FUSEDRNN_SRC_CPU_RNN_BACKWARD_H_
#define FUSEDRNN_SRC_CPU_RNN_BACKWARD_H_

#include "cpu/kernels.h"
#include "cpu/layout.h"
#include "cpu/simd.h"

namespace frnn::cpu::FRNN_CPU_ISA::backward {

static inline const float* floats_at(int64_t address) {
  return reinterpret_cast<const float*>(address);
}
static inline float* writable_at(int64_t address) {
  return reinterpret_cast<float*>(address);
}

// Steps [first, first + steps), and where the first one's gradients lie: places are one more than
// steps, so that the step behind the chunk, which the last one reads, is not overwritten by it.
struct Chunk {
  int64_t first, steps, place;

  int64_t place_of(int64_t t) const { return place + t - first; }
};

// One member's view of a call.
struct Call {
  const frnn_rnn& rnn;
  Layout l;
  int64_t gradient_row;
  float* w_hh;
  float* w_ih;
  float* gradients;
  float* carry;
  float* zeros;
  const float* records;
  const float* rh;
  Chunk chunk, behind;  // the one at hand, and the one before it in the order of work

  explicit Call(const frnn_rnn& r) : rnn(r), l(layout_of(r, kWidth)) {
    gradient_row = l.cell.gradient_row * l.H;
    float* work = line_start(r.workspace);
    w_hh = work + l.back_w_hh;
    w_ih = work + l.back_w_ih;
    gradients = work + l.gradients;
    carry = work + l.carry;
    zeros = work + l.back_zeros;
    records = rh = nullptr;
    if (l.reserve_bytes > 0) {
      records = line_start(r.reserve) + l.reserve_records;
      rh = line_start(r.reserve) + l.reserve_rh;
    }
    chunk = behind = {l.T, 0, 0};
  }

  // Goes on to the steps before those at hand.
  void next_chunk() {
    behind = chunk;
    chunk.steps = behind.first < l.back_steps ? behind.first : l.back_steps;
    chunk.first = behind.first - chunk.steps;
    chunk.place = 0;
    if (chunk.place_of(behind.first - 1) == behind.place) chunk.place = 1;
  }

  const float* record(int64_t t, int64_t row) const { return records + (t * l.B + row) * l.record; }
  float* gradient(int64_t t, int64_t row) const {
    const Chunk& holds = t < chunk.first + chunk.steps ? chunk : behind;
    return gradients + (holds.place_of(t) * l.B + row) * gradient_row;
  }
  // h of the step before t.
  const float* state(int64_t t) const {
    if (t > 0) return floats_at(rnn.y) + (t - 1) * l.B * l.H;
    return rnn.h0 != 0 ? floats_at(rnn.h0) : zeros;
  }
  int64_t state_row(int64_t t) const { return t > 0 || rnn.h0 != 0 ? l.H : 0; }
};

// rnn_gradients.cpp. Packs w_ih for dx.
void pack_input_weights(const Worker& worker, const Call& call);
// What the gradients of the chunk at hand give: dx, and their part of the weights' and the biases'
// gradients. Called by every member of a team once all members' gradients are there; when it
// returns, all have been read.
void chunk_gradients(const Worker& worker, const Call& call);

}  // namespace frnn::cpu::FRNN_CPU_ISA::backward

#endif  // FUSEDRNN_SRC_CPU_RNN_BACKWARD_H_
