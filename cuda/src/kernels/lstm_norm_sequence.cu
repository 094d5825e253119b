// One step of the layer-normalised LSTM (Ba, Kiros and Hinton 2016) for all rows; equations in
// cells/lstm_norm.h and cells/lstm.h:
//
//   a = LN(W x) + b_ih + LN(R h) + b_hh       v = LN(c) gain_c + bias_c       h = o tanh(v)
//
// LN(W x) was made for the whole sequence before (norm.cu); LN(R h) and LN(c) are made here, over
// all 4H and H columns of a row. So a block owns a row, a thread every 128th unit of it, and no
// thread reads another's units: what they share are the sums.

#include "cells/lstm_norm.h"
#include "kernels/norm.h"
#include "kernels/reduce.h"
#include "kernels/sequence_steps.h"

namespace frnn {
namespace {

constexpr int kThreads = 128;
using Scratch = float[kThreads / machine::kWarp];

struct Moments {
  float mean, scale;
};

// Of `columns` numbers that value(k) gives; each thread asks for its own.
template <typename Value>
FRNN_DEVICE Moments moments(int columns, float epsilon, Scratch& scratch, Value value) {
  float sum = 0.0f;
  for (int k = machine::thread_index(); k < columns; k += kThreads)
    sum += value(k);
  const float mean = block_sum<kThreads>(sum, scratch) / columns;
  sum = 0.0f;
  for (int k = machine::thread_index(); k < columns; k += kThreads) {
    sum += (value(k) - mean) * (value(k) - mean);
  }
  const float variance = block_sum<kThreads>(sum, scratch) / columns;
  return {mean, 1.0f / sqrt(variance + epsilon)};
}

FRNN_DEVICE Place place_of(int b, int j, int H) {
  return {b, j, static_cast<int64_t>(b) * H + j, true};
}

// Gates and c of one unit; the gates go over the normalised W x, c to scratch.
template <typename Elem>
FRNN_DEVICE void forward_cell(const LstmNormForward<Elem>& n, const Time& time, int b, int j,
                              const Moments& hh) {
  const LstmSequenceForward<Elem>& s = n.lstm;
  const int64_t H = s.seq.H;
  float* const row = s.gates + time.row * 4 * H;
  const auto preactivation = [&](int64_t gate) {
    const int64_t at = gate * H + j;
    const float unit = (s.ah[b * 4 * H + at] - hh.mean) * hh.scale;
    if (s.seq.training) n.unit_hh[time.row * 4 * H + at] = unit;
    return (row[at] + unit * widen(n.gain_hh[at])) + (bias_at(s.b_ih, at) + bias_at(s.b_hh, at));
  };
  const LstmGates<float> a = {preactivation(0), preactivation(1), preactivation(2),
                              preactivation(3)};
  const auto y = lstm_variant_forward<float>(s.variant, a, {0, 0, 0}, s.c[b * H + j]);
  row[0 * H + j] = y.gates.i;
  row[1 * H + j] = y.gates.f;
  row[2 * H + j] = y.gates.g;
  row[3 * H + j] = y.gates.o;
  n.fresh_c[b * H + j] = y.c;
}

// Grid: a block for a row of the batch.
template <typename Elem>
FRNN_KERNEL_BOUNDS(kThreads, 1)
void lstm_norm_forward_kernel(LstmNormForward<Elem> n) {
  FRNN_SHARED(scratch, Scratch);
  const LstmSequenceForward<Elem>& s = n.lstm;
  const int b = machine::block_index(), H = s.seq.H;
  const Time time = time_of(s.seq, b);
  if (!time.live) {  // the same for the whole block
    for (int j = machine::thread_index(); j < H; j += kThreads) {
      const Place p = place_of(b, j, H);
      if (s.c_last != nullptr) s.c_last[p.state] = s.c[p.state];
      end_step(s.seq, s.state, p, time, 0.0f);
    }
    return;
  }
  const int64_t begin = static_cast<int64_t>(b) * H;
  const Moments hh = moments(4 * H, n.epsilon, scratch, [&](int k) { return s.ah[4 * begin + k]; });
  if (s.seq.training && machine::thread_index() == 0) n.scale_hh[time.row] = hh.scale;
  for (int j = machine::thread_index(); j < H; j += kThreads)
    forward_cell(n, time, b, j, hh);
  const Moments cc = moments(H, n.epsilon, scratch, [&](int j) { return n.fresh_c[begin + j]; });
  for (int j = machine::thread_index(); j < H; j += kThreads) {
    const Place p = place_of(b, j, H);
    const float c_prev = s.c[p.state], fresh = n.fresh_c[p.state];
    const float v = (fresh - cc.mean) * cc.scale * widen(n.gain_c[j]) + widen(n.bias_c[j]);
    const float o = s.gates[(time.row * 4 + 3) * H + j];
    const float c = zoned(s.seq, s.seq.zoneout_c, s.seq.keep_c, time.dense * H + j, c_prev, fresh);
    if (s.seq.training) s.c_prev[time.row * H + j] = c_prev;
    s.c[p.state] = c;
    if (s.c_last != nullptr) s.c_last[p.state] = c;
    end_step(s.seq, s.state, p, time, o * tanh(v));
  }
}

template <typename Elem>
FRNN_DEVICE LstmGates<float> gates_of_row(const LstmSequenceBackward<Elem>& s, const Time& time,
                                          int j) {
  const int64_t H = s.seq.H;
  const float* const row = s.gates + time.row * 4 * H + j;
  return {row[0], row[H], row[2 * H], row[3 * H]};
}

template <typename Elem>
FRNN_DEVICE void pass_on_dead_row(const LstmNormBackward<Elem>& n, const Time& time, int b) {
  const LstmSequenceBackward<Elem>& s = n.lstm;
  const int H = s.seq.H;
  Elem* const none = nullptr;
  for (int j = machine::thread_index(); j < H; j += kThreads) {
    const Place p = place_of(b, j, H);
    s.state.dh[p.state] = begin_step(s.seq, s.state, p, time).old;
    s.dc[p.state] = s.dc_next != nullptr ? s.dc_next[p.state] : 0.0f;
    n.bias_terms[time.row * H + j] = n.gain_terms[time.row * H + j] = 0.0f;
    for (int gate = 0; gate < 4; ++gate) {
      store_gradient(s.da, none, time.row, b, 4 * H, gate * H + j, 0.0f);
      store_gradient(n.dah, s.da_step, time.row, b, 4 * H, gate * H + j, 0.0f);
    }
  }
}

// From h to v and o, and what the gradient of LN(c) needs of all units.
template <typename Elem>
FRNN_DEVICE void backward_output(const LstmNormBackward<Elem>& n, const Time& time, int b,
                                 const Moments& cc, float* sum, float* weighted) {
  const LstmSequenceBackward<Elem>& s = n.lstm;
  const int64_t H = s.seq.H;
  for (int j = machine::thread_index(); j < H; j += kThreads) {
    const Place p = place_of(b, j, s.seq.H);
    const StateGradient h = begin_step(s.seq, s.state, p, time);
    s.state.dh[p.state] = h.old;
    const float unit = (n.fresh_c[p.state] - cc.mean) * cc.scale, gain = widen(n.gain_c[j]);
    const float v = unit * gain + widen(n.bias_c[j]);
    const auto d = lstm_norm_output_backward(s.gates[(time.row * 4 + 3) * H + j], v, h.fresh);
    n.bias_terms[time.row * H + j] = d.dv;
    n.gain_terms[time.row * H + j] = d.dv * unit;
    n.fresh_da[(b * 4 + 3) * H + j] = d.da_o;
    *sum += d.dv * gain;
    *weighted += d.dv * gain * unit;
  }
}

// From c to the other gates and to c before.
template <typename Elem>
FRNN_DEVICE void backward_cell(const LstmNormBackward<Elem>& n, const Time& time, int b,
                               const Moments& cc, float mean, float slope) {
  const LstmSequenceBackward<Elem>& s = n.lstm;
  const int64_t H = s.seq.H;
  for (int j = machine::thread_index(); j < H; j += kThreads) {
    const int64_t state = b * H + j;
    const float unit = (n.fresh_c[state] - cc.mean) * cc.scale;
    const float through_v =
        cc.scale * (n.bias_terms[time.row * H + j] * widen(n.gain_c[j]) - mean - unit * slope);
    const float dc_next = s.dc_next != nullptr ? s.dc_next[state] : 0.0f;
    const bool old = zoned_old(s.seq.zoneout_c, time.dense * H + j);
    const auto d =
        lstm_norm_cell_backward(s.variant, gates_of_row(s, time, j), s.c_prev[time.row * H + j],
                                through_v + (old ? 0.0f : dc_next));
    s.dc[state] = d.dc_prev + (old ? dc_next : 0.0f);
    float* const da = n.fresh_da + b * 4 * H + j;
    da[0] = d.da_i;
    da[H] = d.da_f;
    da[2 * H] = d.da_g;
  }
}

// Grid: a block for a row of the batch.
template <typename Elem>
FRNN_KERNEL_BOUNDS(kThreads, 1)
void lstm_norm_backward_kernel(LstmNormBackward<Elem> n) {
  FRNN_SHARED(scratch, Scratch);
  const LstmSequenceBackward<Elem>& s = n.lstm;
  const int b = machine::block_index(), H = s.seq.H;
  const Time time = time_of(s.seq, b);
  if (!time.live) {
    pass_on_dead_row(n, time, b);
    return;
  }
  const int64_t begin = static_cast<int64_t>(b) * H;
  for (int j = machine::thread_index(); j < H; j += kThreads) {
    const LstmGates<float> gates = gates_of_row(s, time, j);
    const float c = gates.f * s.c_prev[time.row * H + j] + gates.i * gates.g;
    n.fresh_c[begin + j] = s.variant.cell_clip > 0 ? clamp(c, s.variant.cell_clip) : c;
  }
  const Moments cc = moments(H, n.epsilon, scratch, [&](int j) { return n.fresh_c[begin + j]; });
  float sum = 0.0f, weighted = 0.0f;
  backward_output(n, time, b, cc, &sum, &weighted);
  const float mean_c = block_sum<kThreads>(sum, scratch) / H;
  const float slope_c = block_sum<kThreads>(weighted, scratch) / H;
  backward_cell(n, time, b, cc, mean_c, slope_c);

  const float* const da = n.fresh_da + 4 * begin;
  const float* const unit = n.unit_hh + time.row * 4 * H;
  const auto each = [&](auto work) {  // the columns of this thread's own units
    for (int j = machine::thread_index(); j < H; j += kThreads) {
      for (int gate = 0; gate < 4; ++gate)
        work(gate * H + j);
    }
  };
  sum = weighted = 0.0f;
  each([&](int k) {
    sum += da[k] * widen(n.gain_hh[k]);
    weighted += da[k] * widen(n.gain_hh[k]) * unit[k];
  });
  const float mean = block_sum<kThreads>(sum, scratch) / (4 * H);
  const float slope = block_sum<kThreads>(weighted, scratch) / (4 * H);
  const float scale = n.scale_hh[time.row];
  Elem* const none = nullptr;
  each([&](int k) {
    store_gradient(s.da, none, time.row, b, 4 * H, k, da[k]);
    store_gradient(n.dah, s.da_step, time.row, b, 4 * H, k,
                   scale * (da[k] * widen(n.gain_hh[k]) - mean - unit[k] * slope));
  });
}

}  // namespace

template <typename Elem>
Status lstm_norm_forward(const Queue& queue, const LstmNormForward<Elem>& args) {
  return queue.context.launch("lstm_norm_forward", lstm_norm_forward_kernel<Elem>,
                              {args.lstm.seq.B, kThreads, 0, false}, queue.stream, args);
}
template <typename Elem>
Status lstm_norm_backward(const Queue& queue, const LstmNormBackward<Elem>& args) {
  return queue.context.launch("lstm_norm_backward", lstm_norm_backward_kernel<Elem>,
                              {args.lstm.seq.B, kThreads, 0, false}, queue.stream, args);
}

FRNN_FOR_ALL_ELEMENTS(lstm_norm_forward, LstmNormForward);
FRNN_FOR_ALL_ELEMENTS(lstm_norm_backward, LstmNormBackward);

}  // namespace frnn
