#include "cpu/ops.h"

#include <cstring>

#include "cpu/family_layout.h"
#include "cpu/packed.h"
#include "cpu/split.h"
#include "host/plan.h"

namespace frnn::cpu {

namespace {

template <typename E>
E* at(int64_t address) {
  return reinterpret_cast<E*>(address);
}

// Few rows are not shared out, and a team then meets again and again, and hands over its results:
// some hundred meetings' time in all beside those of the steps.
int team_of(const Machine& machine, const frnn_rnn& rnn) {
  constexpr int64_t kRowsApart = 8;
  constexpr double kMeetings = 100, kOperationsPerNs = 200;
  const double gates = static_cast<double>(gates_of(rnn.cell, rnn.variant) * rnn.H);
  const double row = 2.0 * gates * static_cast<double>(rnn.I + width_of(rnn.H, rnn.P));
  const double operations = row * static_cast<double>(rnn.T * rnn.B);
  if (rnn.B >= kRowsApart) return machine.team(operations);
  const double gain_ns = operations / kOperationsPerNs * (1 - 1.0 / machine.threads);
  const bool gains = gain_ns > kMeetings * static_cast<double>(Pool::meeting());
  return gains || Pool::meeting_is_old() ? machine.team(operations) : 1;
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

// From here on a second thread gains more than waking it costs.
constexpr int64_t kLargeCopy = 4 << 20;

}  // namespace

void copy_bytes(const Machine& machine, int64_t destination, int64_t source, int64_t bytes) {
  const bool apart = destination + bytes <= source || source + bytes <= destination;
  if (!apart || bytes < kLargeCopy) {
    std::memmove(at<char>(destination), at<const char>(source), static_cast<size_t>(bytes));
    return;
  }
  machine.pool.run(machine.threads, [&](const Worker& worker) {
    const Range mine = split(bytes, worker.count, worker.index);
    std::memcpy(at<char>(destination) + mine.first, at<const char>(source) + mine.first,
                static_cast<size_t>(mine.size()));
  });
}

void rnn_pack(const Machine& machine, const frnn_rnn& rnn) {
  if (rnn.packed == 0 || !plain_call(rnn)) return;
  const int team = machine.team(static_cast<double>(gates_of(rnn.cell) * rnn.H * (rnn.I + rnn.H)));
  machine.pool.run(team, [&](const Worker& worker) { machine.kernels.rnn_pack(worker, rnn); });
  const PackedHeader header = packed_header(rnn, machine.kernels);
  std::memcpy(line_start(rnn.packed), &header, sizeof header);
}

Status rnn_forward(const Machine& machine, const frnn_rnn& rnn) {
  const int team = team_of(machine, rnn);
  if (plain_call(rnn)) {
    if (rnn.packed != 0) FRNN_TRY(check_packed(rnn, machine.kernels));
    machine.pool.run(team, [&](const Worker& worker) { machine.kernels.rnn_forward(worker, rnn); });
    return Status::success();
  }
  const Family family = family_of(rnn);
  machine.pool.run(team,
                   [&](const Worker& worker) { machine.kernels.family_forward(worker, family); });
  return Status::success();
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

}  // namespace frnn::cpu
