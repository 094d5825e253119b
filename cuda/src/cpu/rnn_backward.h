// What the units of the backward pass share: a call's memory, and the chunk of steps whose
// gradients are at hand.

#ifndef FUSEDRNN_SRC_CPU_RNN_BACKWARD_H_
#define FUSEDRNN_SRC_CPU_RNN_BACKWARD_H_

#include "cpu/kernels.h"
#include "cpu/layout.h"
#include "cpu/rnn_rows.h"

namespace frnn::cpu::FRNN_CPU_ISA::backward {

// Steps [first, first + steps), and the place of the earliest time's gradients. There is one more
// place than steps, so that the step behind the chunk, which the chunk's last one reads, is not
// overwritten by it.
struct Chunk {
  int64_t first, steps, place;
};

// One member's view of a call.
struct Call : RnnRows {
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

  explicit Call(const frnn_rnn& r) : RnnRows(r), l(layout_of(r, kWidth)) {
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
    if (behind.steps > 0 && place_of(chunk, behind.first - 1) == place_of(behind, behind.first)) {
      chunk.place = 1;
    }
  }
  // The earliest time of the chunk at hand, and its gradients: those of later times follow.
  int64_t chunk_time() const { return first_time(chunk.first, chunk.steps); }
  float* chunk_gradients(int64_t row) const {
    return gradients + (chunk.place * l.B + row) * gradient_row;
  }
  // Those of a step, of this chunk or the one behind it.
  float* gradient(int64_t step, int64_t row) const {
    const int64_t place = place_of(step < chunk.first + chunk.steps ? chunk : behind, step);
    return gradients + (place * l.B + row) * gradient_row;
  }

  const float* record(int64_t t, int64_t row) const { return records + (t * l.B + row) * l.record; }
  const float* state(int64_t t) const { return RnnRows::state(t, zeros); }

 private:
  int64_t place_of(const Chunk& c, int64_t step) const {
    return c.place + time(step) - first_time(c.first, c.steps);
  }
};

// rnn_gradients.cpp. Packs w_ih for dx.
void pack_input_weights(const Worker& worker, const Call& call);
// What the gradients of the chunk at hand give: dx, and their part of the weights' and the biases'
// gradients. Called by every member of a team once all members' gradients are there; when it
// returns, all have been read.
void chunk_gradients(const Worker& worker, const Call& call);

}  // namespace frnn::cpu::FRNN_CPU_ISA::backward

#endif  // FUSEDRNN_SRC_CPU_RNN_BACKWARD_H_
