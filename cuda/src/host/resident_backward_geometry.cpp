#include "host/resident_backward_geometry.h"

#include <algorithm>
#include <iterator>

#include "host/plan.h"
#include "host/resident_geometry.h"

namespace frnn {
namespace {

constexpr int up(int a, int b) {
  return (a + b - 1) / b;
}

// The smallest form that holds the tiles of a warp and the units of a thread; -1: none.
int form_of(int tiles, int rounds, int forms) {
  for (int form = 0; form < forms; ++form) {
    if (tiles <= kBackwardForms[form].tiles && rounds <= kBackwardForms[form].rounds) return form;
  }
  return -1;
}

Status refuse(const std::string& reason) {
  return Status::fail(FRNN_UNSUPPORTED, reason);
}

}  // namespace

Status resident_backward_geometry(const frnn_rnn& rnn, const machine::Properties& device,
                                  int cluster, ResidentBackwardShape* shape) {
  frnn_rnn trained = rnn;
  trained.flags |= FRNN_TRAINING;
  const std::string refusal = resident_refusal(trained, device, cluster);
  if (!refusal.empty()) return refuse(refusal);
  const int k = is_16_bit(rnn.dtype) ? 16 : 8;  // mma's
  const int H = static_cast<int>(std::min<int64_t>(rnn.H, 1 << 20));
  ResidentBackwardShape s{};
  s.cluster = cluster;
  s.units = up(up(H, cluster), 8) * 8;
  s.owner_factor = owner_factor(s.units);
  s.blocks = static_cast<int>(gates_of(rnn.cell, rnn.variant));
  s.owners = up(H, s.units);
  s.tiles = up(s.owners * s.units, 16);
  s.splits = 1;
  while (s.owners == 1 && s.tiles * 2 * s.splits <= kResidentWarps)
    s.splits *= 2;
  const int tiles_of_warp = up(s.tiles, kResidentWarps / s.splits);
  const int forms = k == 16 ? static_cast<int>(std::size(kBackwardForms)) : kBackwardFormsOfF32;
  s.form = form_of(tiles_of_warp, up(s.units, kUnitsOfRound), forms);
  if (s.form < 0) {
    return refuse(format(
        "H=%d: backward in clusters of %d gives a block %d hidden units and a warp %d tiles "
        "of 16; it has room for %d and %d",
        H, cluster, s.units, tiles_of_warp,
        tiles_of_warp > kBackwardForms[0].tiles ? kBackwardForms[forms - 1].rounds * kUnitsOfRound
                                                : kBackwardForms[0].rounds * kUnitsOfRound,
        kBackwardForms[forms - 1].tiles));
  }
  const BackwardForm form = kBackwardForms[s.form];
  s.k_steps = up(s.blocks * s.units, k);
  const int steps = up(s.k_steps, s.splits);
  s.rest = std::max(0, steps - form.depth);
  s.b_steps = s.splits * (s.rest > 0 ? steps : up(steps, 4) * 4);
  const int64_t slots = int64_t{2} * s.owners * s.splits * s.units * kBatchTile * 4;
  const int64_t b = int64_t{s.b_steps} * 32 * 8;
  s.b_at = static_cast<int>(std::max(slots, int64_t{kStagedBytes}));
  s.rest_at = static_cast<int>(s.b_at + b);
  const int64_t bytes = s.rest_at + int64_t{s.rest} * form.tiles * kResidentThreads * 16;
  constexpr int64_t kStatic = 256;  // the barriers, which are not dynamic
  if (bytes + kStatic > device.shared_bytes_per_block) {
    return refuse(format(
        "H=%d: backward in clusters of %d needs %lld bytes of shared memory in a block, the device "
        "has %lld",
        H, cluster, static_cast<long long>(bytes + kStatic),
        static_cast<long long>(device.shared_bytes_per_block)));
  }
  s.shared_bytes = static_cast<int>(bytes);
  *shape = s;
  return Status::success();
}

}  // namespace frnn
