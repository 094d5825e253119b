#include "host/planner_cost.h"

#include <algorithm>

namespace frnn {
namespace {

// ---- Constants --------------------------------------------------------------------------------

// Shared memory delivers 128 bytes a clock (published, CUDA programming guide).
constexpr double kSharedBytesPerClock = 128;
// L2 delivers about 5.5 TB/s on an H200, 132 multiprocessors at 1.98 GHz (estimated from
// micro-benchmarks of the H100): 21 bytes a clock and multiprocessor.
constexpr double kL2BytesPerClock = 21;
// From the issue of an mma.sync to its sums, 16 x 8 outputs (published micro-benchmarks: 33 on
// Ampere and Hopper).
constexpr double kMmaLatency = 33;
// A barrier of a block, 20 to 40 ns (estimated).
constexpr double kBlockBarrierClocks = 60;
// Storing the new vector into the block's own shared memory and loading it as operands: two times
// the latency of shared memory, 23 to 33 clocks (published).
constexpr double kOwnExchangeClocks = 60;
// Remote stores that land, the barrier that counts them, and the wait: 0.25 us without payload
// (estimated; one remote access takes about 200 clocks, published).
constexpr double kClusterExchangeUs = 0.25;
// What a multiprocessor receives from its cluster (derived from published all-gather times).
constexpr double kClusterBytesPerUs = 25000;
// Of one exponential, logistic or hyperbolic tangent at fp32 accuracy, with its share of the rest
// (estimated from the code), on 128 lanes; and the chain gates, c, tanh, h that nothing hides.
constexpr double kInstructionsOfFunction = 25;
constexpr double kLanesPerClock = 128;
constexpr double kPointwiseLatency = 150;
// A kernel that follows another on a stream: 2 to 2.5 us (estimated; about 1 us within a graph).
constexpr double kBoundaryUs = 2.25;
// A launch with all its blocks in place and an empty pipe (estimated).
constexpr double kLaunchUs = 5;
// What a cuBLAS product of a step reaches of the peak (estimated; these are small products).
constexpr double kProductEfficiency = 0.6;
// A graphics processing cluster has 16 to 18 multiprocessors (published); a thread-block cluster
// lies within one.
constexpr int kMultiprocessorsOfGpc = 16;

// Clocks between two mma.sync of m16n8k16 (16 bits) or m16n8k8 (TF32) on a quarter of a
// multiprocessor: derived from the published peak with fp32 sums; on Hopper and later data-centre
// chips mma.sync reaches about 62% of that peak (published).
double mma_clocks(const machine::Properties& device) {
  const bool data_centre = device.minor == 0 && device.major <= 10;
  if (!data_centre) return 16;
  return device.major == 8 ? 8 : 6.5;
}

// ---- Pieces -----------------------------------------------------------------------------------

double us_of(double clocks, const machine::Properties& device) {
  return clocks * 1000 / std::max(device.clock_khz, 1);
}

double l2_us(double bytes, const machine::Properties& device) {
  return us_of(bytes / (kL2BytesPerClock * device.multiprocessors), device);
}

// Sequences come from and go to memory at its own rate, R from L2.
double memory_us(double bytes, const machine::Properties& device) {
  if (device.memory_bytes_per_second == 0) return l2_us(bytes, device);
  return bytes * 1e6 / static_cast<double>(device.memory_bytes_per_second);
}

double functions_of(int64_t cell) {
  return cell == FRNN_LSTM ? 5 : gates_of(cell) == 1 ? 1 : 3;
}

double r_bytes(const frnn_rnn& rnn) {
  const double columns = static_cast<double>(width_of(rnn.H, rnn.P));
  const double rows = static_cast<double>(recurrent_gates_of(rnn.cell, rnn.variant) * rnn.H);
  return rows * columns * static_cast<double>(bytes_of(rnn.dtype));
}

// Bytes of the sequence that a step of all rows reads and writes.
double sequence_bytes(const frnn_rnn& rnn, Pass pass) {
  const double units = static_cast<double>(rnn.B * rnn.H);
  const double gates = static_cast<double>(gates_of(rnn.cell, rnn.variant));
  const double state = static_cast<double>(bytes_of(rnn.dtype));
  const bool keeps = pass == Pass::kBackward || (rnn.flags & FRNN_TRAINING) != 0;
  const double kept = 4 * gates + (rnn.cell == FRNN_LSTM ? 4 : 0);
  if (pass == Pass::kForward) return units * (4 * gates + state + (keeps ? kept : 0));
  return units * (kept + 4 * gates + 2 * state);
}

double pointwise_us(const frnn_rnn& rnn, int64_t units, const machine::Properties& device) {
  const double values = static_cast<double>(units) * kBatchTile;
  const double instructions = values * functions_of(rnn.cell) * kInstructionsOfFunction;
  return us_of(instructions / kLanesPerClock + kPointwiseLatency, device);
}

double exchange_us(int cluster, int passes, double received, const machine::Properties& device) {
  if (cluster == 1) {
    return passes * us_of(2 * kBlockBarrierClocks + kOwnExchangeClocks, device);
  }
  return passes * kClusterExchangeUs + received / kClusterBytesPerUs;
}

// Products, weights in shared memory and the sequence's own traffic run side by side; the slowest
// counts. The others are listed for the reader.
void settle(const frnn_rnn& rnn, const machine::Properties& device, double r_of_cluster,
            RnnWay* way) {
  double side_by_side = 0, chain = 0;
  for (size_t n = 0; n < way->terms.size(); ++n) {
    double& sum = n < 3 ? side_by_side : chain;
    sum = n < 3 ? std::max(sum, way->terms[n].us) : sum + way->terms[n].us;
  }
  const int64_t clusters = way->blocks / way->cluster;
  const int64_t at_once = clusters_at_once(device, way->cluster, way->shared_bytes);
  way->waves = (clusters + at_once - 1) / std::max<int64_t>(at_once, 1);
  way->step_us = static_cast<double>(way->waves) * (side_by_side + chain);
  way->fixed_us = kLaunchUs + l2_us(static_cast<double>(clusters) * r_of_cluster, device);
  way->loop_us = way->fixed_us + static_cast<double>(rnn.T) * way->step_us;
}

}  // namespace

int64_t clusters_at_once(const machine::Properties& device, int cluster, int64_t shared_bytes) {
  if (device.emulated) {  // it has no registers to run out of
    constexpr int64_t kReserved = 1024;
    const int64_t by_threads = device.threads_per_multiprocessor / kResidentThreads;
    const int64_t by_shared = device.shared_bytes_per_multiprocessor / (shared_bytes + kReserved);
    return std::min(by_threads, by_shared) * device.multiprocessors / cluster;
  }
  if (cluster == 1) return device.multiprocessors;
  const int64_t gpcs = device.multiprocessors / kMultiprocessorsOfGpc;
  if (gpcs == 0) return device.multiprocessors / cluster;
  return gpcs * (kMultiprocessorsOfGpc / cluster);
}

void cost_step_kernels(const frnn_rnn& rnn, Pass pass, const machine::Properties& device,
                       RnnWay* way) {
  const bool twice = rnn.cell != FRNN_LSTM && gates_of(rnn.cell) == 3 && rnn.cell != FRNN_GRU;
  const double kernels = (twice ? 4 : 2) + (rnn.P > 0 ? 2 : 0);
  const bool narrow = is_16_bit(rnn.dtype);
  const bool tensor = narrow || (rnn.flags & FRNN_ALLOW_TF32) != 0;
  // Multiply-adds a clock and multiprocessor: 16 x 8 x 16 (or 8) in each quarter, or one a lane.
  const double tensor_rate = 4.0 * 16 * 8 * (narrow ? 16 : 8) / mma_clocks(device);
  const double rate = (tensor ? tensor_rate : kLanesPerClock) * device.multiprocessors;
  const double values = r_bytes(rnn) / static_cast<double>(bytes_of(rnn.dtype));
  const double clocks = static_cast<double>(rnn.B) * values / (rate * kProductEfficiency);
  way->terms = {{"product", us_of(clocks, device)},
                {"weights from L2", l2_us(r_bytes(rnn), device)},
                {"sequence from memory", memory_us(2 * sequence_bytes(rnn, pass), device)},
                {"kernel boundaries", kernels * kBoundaryUs}};
  way->step_us =
      std::max({way->terms[0].us, way->terms[1].us, way->terms[2].us}) + way->terms[3].us;
  way->loop_us = static_cast<double>(rnn.T) * way->step_us;
}

void cost_resident(const frnn_rnn& rnn, const machine::Properties& device,
                   const ResidentGeometry& g, RnnWay* way) {
  const ResidentShape& s = g.shape;
  const int64_t tiles = (s.tiles + s.cluster - 1) / s.cluster;
  const int64_t warps = s.row_warps * s.splits;
  const int64_t fragments = warps * g.rounds * g.cell.row_tiles * 2 * s.pairs_per_split;
  way->units = tiles * g.cell.units;
  way->batch_tile = kBatchTile;
  way->warps = kResidentWarps;
  way->shared_weight_bytes = g.spilled_bytes();
  way->register_bytes = fragments * kFragmentBytes - way->shared_weight_bytes;
  way->shared_bytes = s.bytes;
  way->blocks = g.blocks();

  // A warp's products into one sum follow each other; those into others fill the gaps.
  const double products = g.product == ResidentProduct::kF32 ? 3 : 1;
  const double chain = 2.0 * s.pairs_per_split * products * kMmaLatency;
  const double issue = g.multiplications() * mma_clocks(device);
  const double shared = g.spilled_bytes() + g.vector_bytes() + g.sum_bytes();
  const double received = static_cast<double>(g.exchanged_bytes()) * (s.cluster - 1);
  way->terms = {
      {"tensor cores", us_of(std::max(chain, issue), device)},
      {"shared memory", us_of(shared / kSharedBytesPerClock, device)},
      {"sequence from memory", memory_us(sequence_bytes(rnn, Pass::kForward), device)},
      {"exchange", exchange_us(s.cluster, g.cell.passes, received, device)},
      {"pointwise", pointwise_us(rnn, way->units, device)},
      {"sums of splits", s.splits > 1 ? us_of(kBlockBarrierClocks * g.cell.passes, device) : 0}};
  settle(rnn, device, r_bytes(rnn), way);
}

void cost_resident_backward(const frnn_rnn& rnn, const machine::Properties& device,
                            const ResidentBackwardShape& s, RnnWay* way) {
  const BackwardForm& form = kBackwardForms[s.form];
  const bool narrow = is_16_bit(rnn.dtype);
  const bool exact = !narrow && (rnn.flags & FRNN_ALLOW_TF32) == 0;
  const int passes = rnn.cell == FRNN_GRU_RESET_BEFORE ? 2 : 1;
  const int steps_of_warp = (s.k_steps + s.splits - 1) / s.splits;
  const int64_t tiles = (static_cast<int64_t>(s.owners) * s.units + 15) / 16;
  const int64_t fragments = tiles * s.splits * steps_of_warp;
  way->units = s.units;
  way->batch_tile = kBatchTile;
  way->warps = kResidentWarps;
  way->shared_weight_bytes = int64_t{s.rest} * form.tiles * kResidentThreads * 16;
  way->register_bytes = std::max<int64_t>(0, fragments * 512 - way->shared_weight_bytes);
  way->shared_bytes = s.shared_bytes;
  way->blocks = (rnn.B + kBatchTile - 1) / kBatchTile * s.cluster;

  const double products = exact ? 3 : 1;
  const double chain = steps_of_warp * products * kMmaLatency;
  const double issue = static_cast<double>(fragments) / 4 * products * mma_clocks(device);
  const double b_bytes = s.b_steps * 32.0 * 8 / s.splits * kResidentWarps;
  const double slots = 2.0 * s.owners * s.splits * s.units * kBatchTile * 4;
  const double shared = static_cast<double>(way->shared_weight_bytes) + b_bytes + slots;
  const double received = (s.owners - 1.0) * s.units * kBatchTile * 4 * passes;
  way->terms = {{"tensor cores", us_of(std::max(chain, issue), device)},
                {"shared memory", us_of(shared / kSharedBytesPerClock, device)},
                {"sequence from memory", memory_us(sequence_bytes(rnn, Pass::kBackward), device)},
                {"exchange", exchange_us(s.cluster, passes, received, device)},
                {"pointwise", pointwise_us(rnn, s.units, device)}};
  settle(rnn, device, r_bytes(rnn), way);
}

}  // namespace frnn
