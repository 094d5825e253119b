#include "cpu/ops.h"

#include <cmath>

#include "cpu/family_layout.h"
#include "cpu/split.h"
#include "host/plan.h"
#include "host/table.h"

namespace frnn::cpu {

namespace {

template <typename E>
E* at(int64_t address) {
  return reinterpret_cast<E*>(address);
}

// The table of parallel lists that the door wrote.
struct Table {
  const TableHeader& header;
  const Chunk* chunks;
  const int64_t* addresses;

  explicit Table(int64_t address)
      : header(*at<const TableHeader>(address)),
        chunks(at<const Chunk>(address + static_cast<int64_t>(sizeof(TableHeader)))),
        addresses(at<const int64_t>(address + header.addresses_offset)) {}

  float* chunk(int64_t list, const Chunk& c) const {
    return at<float>(addresses[list * header.count + c.tensor]) + c.offset;
  }
};

frnn_clip_result clip_result(const double* sums, int64_t chunks, const frnn_clip& clip) {
  double squares = 0.0;
  for (int64_t i = 0; i < chunks; ++i)
    squares += sums[i];
  frnn_clip_result result;
  result.norm = std::sqrt(squares);
  const bool keeps = result.norm <= clip.max_norm || clip.action == FRNN_CLAMP_ELEMENTS;
  result.coefficient = keeps ? 1.0 : clip.max_norm / result.norm;
  result.finite = std::isfinite(result.norm) ? 1 : 0;
  return result;
}

OptimizerRates rates_of(const frnn_optimizer& o, double gradient_scale) {
  OptimizerRates rates{};
  double learning_rate = o.learning_rate;
  if (o.kind == FRNN_ADAM) {
    const double step = static_cast<double>(o.step);
    learning_rate /= 1.0 - std::pow(o.beta1, step);
    rates.inverse_bias2 = static_cast<float>(1.0 / (1.0 - std::pow(o.beta2, step)));
  }
  rates.learning_rate = static_cast<float>(learning_rate);
  rates.weight_decay = static_cast<float>(o.weight_decay);
  rates.beta1 = static_cast<float>(o.beta1);
  rates.beta2 = static_cast<float>(o.beta2);
  rates.one_minus_beta1 = static_cast<float>(1.0 - o.beta1);
  rates.one_minus_beta2 = static_cast<float>(1.0 - o.beta2);
  rates.epsilon = static_cast<float>(o.epsilon);
  rates.gradient_scale = static_cast<float>(gradient_scale);
  return rates;
}

// Where a batch has too few rows to share out, members meet at every step, which pays from about
// 1 us of work in a step on.
int team_of(const Machine& machine, const frnn_rnn& rnn) {
  const double gates = static_cast<double>(gates_of(rnn.cell, rnn.variant) * rnn.H);
  const double row = 2.0 * gates * static_cast<double>(rnn.I + width_of(rnn.H, rnn.P));
  if (rnn.B < 8 && row * static_cast<double>(rnn.B) < 1.8e5) return 1;
  return machine.team(row * static_cast<double>(rnn.T * rnn.B));
}

// Masks are drawn in training alone; without them nothing is dropped.
Family family_of(const frnn_rnn& rnn) {
  const auto mask = [&](double p, MaskKind kind) {
    const bool drawn = (rnn.flags & FRNN_TRAINING) != 0 && p > 0;
    return make_mask(drawn ? p : 0.0, mask_source(rnn), kind);
  };
  return {rnn, mask(rnn.recurrent_dropout, kRecurrentDropout), mask(rnn.zoneout_h, kZoneoutH),
          mask(rnn.zoneout_c, kZoneoutC)};
}

}  // namespace

void rnn_forward(const Machine& machine, const frnn_rnn& rnn) {
  const int team = team_of(machine, rnn);
  if (plain_call(rnn)) {
    machine.pool.run(team, [&](const Worker& worker) { machine.kernels.rnn_forward(worker, rnn); });
    return;
  }
  const Family family = family_of(rnn);
  machine.pool.run(team,
                   [&](const Worker& worker) { machine.kernels.family_forward(worker, family); });
}

void rnn_backward(const Machine& machine, const frnn_rnn& given) {
  const int team = team_of(machine, given);
  frnn_rnn rnn = given;
  rnn.flags |= FRNN_TRAINING;  // the reserve's layout, and the masks
  if (plain_call(rnn)) {
    machine.pool.run(team,
                     [&](const Worker& worker) { machine.kernels.rnn_backward(worker, rnn); });
    return;
  }
  const Family family = family_of(rnn);
  machine.pool.run(team,
                   [&](const Worker& worker) { machine.kernels.family_backward(worker, family); });
}

void mask_add(const Machine& machine, const MaskAdd& what) {
  const Mask mask = make_mask(what.p, what.source, MaskKind::kDropout);
  const int64_t F = what.F;
  const double operations = static_cast<double>(what.T * what.B * F) * (what.p > 0 ? 40 : 1);
  machine.pool.run(machine.team(operations), [&](const Worker& worker) {
    const Range rows = split(what.T * what.B, worker.count, worker.index);
    for (int64_t row = rows.first; row < rows.last; ++row) {
      const int64_t t = what.batch_first != 0 ? row % what.T : row / what.B;
      const int64_t b = what.batch_first != 0 ? row / what.T : row % what.B;
      const float* first = at<const float>(what.a) + row * F;
      const float* second = what.b == 0 ? nullptr : at<const float>(what.b) + row * F;
      float* out = at<float>(what.out) + row * F;
      for (int64_t f = 0; f < F; ++f) {
        const float sum = second == nullptr ? first[f] : first[f] + second[f];
        const bool drop = mask.threshold != 0 && dropped(mask, (t * what.B + b) * F + f);
        out[f] = drop ? 0.0f : what.p > 0 ? sum * mask.scale : sum;
      }
    }
  });
}

void clip_by_global_norm(const Machine& machine, const frnn_clip& clip) {
  const Table table(clip.table);
  double* sums = at<double>(clip.workspace);
  const double elements = static_cast<double>(table.header.chunks) * kChunkElements;
  machine.pool.run(machine.team(elements), [&](const Worker& worker) {
    const Range mine = split(table.header.chunks, worker.count, worker.index);
    for (int64_t i = mine.first; i < mine.last; ++i) {
      const Chunk& chunk = table.chunks[i];
      sums[i] = machine.kernels.sum_of_squares(table.chunk(clip.list, chunk), chunk.length);
    }
    worker.sync();
    // Every member adds up the chunks in the same order, so that none has to wait for another.
    const frnn_clip_result result = clip_result(sums, table.header.chunks, clip);
    if (worker.index == 0) *at<frnn_clip_result>(clip.result) = result;
    const bool clamps = clip.action == FRNN_CLAMP_ELEMENTS;
    if (!clamps && (clip.action == FRNN_MEASURE || result.coefficient == 1.0)) return;
    const auto change = clamps ? machine.kernels.clamp_each : machine.kernels.scale;
    const double by = clamps ? clip.max_norm : result.coefficient;
    for (int64_t i = mine.first; i < mine.last; ++i) {
      const Chunk& chunk = table.chunks[i];
      change(table.chunk(clip.list, chunk), chunk.length, static_cast<float>(by));
    }
  });
}

void optimizer_step(const Machine& machine, const frnn_optimizer& optimizer) {
  double gradient_scale = 1.0;
  if (optimizer.clip != 0) {
    const frnn_clip_result& clip = *at<const frnn_clip_result>(optimizer.clip);
    if ((optimizer.flags & FRNN_SKIP_NONFINITE) != 0 && clip.finite == 0) return;
    gradient_scale = clip.coefficient;
  }
  const Table table(optimizer.table);
  const OptimizerRates rates = rates_of(optimizer, gradient_scale);
  const double elements = static_cast<double>(table.header.chunks) * kChunkElements;
  machine.pool.run(machine.team(4 * elements), [&](const Worker& worker) {
    const Range mine = split(table.header.chunks, worker.count, worker.index);
    for (int64_t i = mine.first; i < mine.last; ++i) {
      const Chunk& chunk = table.chunks[i];
      machine.kernels.update(optimizer.kind, rates, chunk.length, table.chunk(0, chunk),
                             table.chunk(1, chunk), table.chunk(2, chunk),
                             optimizer.kind == FRNN_ADAM ? table.chunk(3, chunk) : nullptr);
    }
  });
}

}  // namespace frnn::cpu
