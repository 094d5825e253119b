#include "host/gpu_layout.h"
#include "host/plan.h"
#include "kernels/column_split.h"
#include "kernels/embedding_layout.h"

namespace frnn {
namespace {

// Without training the input products are kept for a run of steps, not for all: long sequences then
// need no more memory than this, and the product is large enough to fill a GPU all the same.
constexpr int64_t kChunkBytes = int64_t{64} << 20;

// NVIDIA's advice for cuBLAS is 32 MiB on Hopper and 4 MiB elsewhere; it is for kernels that split
// the reduction. Small problems get a small one.
int64_t blas_workspace_bytes(int64_t largest_product) {
  return largest_product < (int64_t{1} << 20) ? int64_t{1} << 20 : int64_t{32} << 20;
}

int64_t carve_blas(Carver* carver, int64_t bytes) {
  return carver->take(bytes + kBlasAlignment);
}

bool is_gru(const frnn_rnn& rnn) {
  return rnn.cell == FRNN_GRU;
}
bool is_gru_before(const frnn_rnn& rnn) {
  return rnn.cell == FRNN_GRU_RESET_BEFORE;
}
bool is_mut(const frnn_rnn& rnn) {
  return rnn.cell == FRNN_MUT1 || rnn.cell == FRNN_MUT2 || rnn.cell == FRNN_MUT3;
}
bool keeps_gates(const frnn_rnn& rnn) {
  return gates_of(rnn.cell) > 1;
}
bool training(const frnn_rnn& rnn) {
  return (rnn.flags & FRNN_TRAINING) != 0;
}

}  // namespace

RnnReserve rnn_reserve(const frnn_rnn& rnn) {
  const int64_t states = rnn.T * rnn.B * rnn.H;
  Carver carver;
  RnnReserve r{};
  if (!training(rnn)) return r;
  if (keeps_gates(rnn)) r.gates = carver.floats(states * gates_of(rnn.cell));
  if (rnn.cell == FRNN_LSTM) r.c = carver.floats(states);
  if (is_gru(rnn)) r.ah_n = carver.floats(states);
  if (is_gru_before(rnn)) r.rh = carver.floats(states);
  r.bytes = carver.bytes();
  return r;
}

RnnForwardWorkspace rnn_forward_workspace(const frnn_rnn& rnn) {
  const int64_t state = rnn.B * rnn.H;
  const int64_t step = state * gates_of(rnn.cell);
  const bool gates_in_reserve = training(rnn) && keeps_gates(rnn);
  Carver carver;
  RnnForwardWorkspace w{};
  w.chunk_steps = rnn.T;
  if (!gates_in_reserve) {
    const int64_t fit = kChunkBytes / (4 * (step > 0 ? step : 1));
    w.chunk_steps = fit < 1 ? 1 : (fit < rnn.T ? fit : rnn.T);
    w.gates = carver.floats(w.chunk_steps * step);
  }
  if (is_gru(rnn)) w.ah = carver.floats(step);
  if (rnn.cell == FRNN_LSTM && !training(rnn)) w.c = carver.floats(state);
  if (is_gru_before(rnn) && !training(rnn)) w.rh = carver.floats(state);
  w.zeros = carver.floats(state);
  w.blas_bytes = blas_workspace_bytes(w.chunk_steps * step);
  w.blas = carve_blas(&carver, w.blas_bytes);
  w.bytes = carver.bytes();
  return w;
}

RnnBackwardWorkspace rnn_backward_workspace(const frnn_rnn& rnn) {
  const int64_t state = rnn.B * rnn.H;
  const int64_t columns = gates_of(rnn.cell) * rnn.H;
  const int64_t rows = rnn.T * rnn.B;
  Carver carver;
  RnnBackwardWorkspace w{};
  w.da = carver.floats(rows * columns);
  if (is_gru(rnn)) w.dah = carver.floats(rows * columns);
  w.dh = carver.floats(state);
  if (rnn.cell == FRNN_LSTM) w.dc = carver.floats(state);
  if (is_gru_before(rnn)) w.drh = carver.floats(state);
  w.zeros = carver.floats(state);
  w.partials = carver.floats(column_sum_partials(rows, columns));
  w.blas_bytes = blas_workspace_bytes(rows * columns);
  w.blas = carve_blas(&carver, w.blas_bytes);
  w.bytes = carver.bytes();
  return w;
}

bool is_family(const frnn_rnn& rnn) {
  const bool shaped = (rnn.flags & (FRNN_REVERSE | FRNN_BATCH_FIRST)) != 0 || rnn.lengths != 0 ||
                      (rnn.y_ld != 0 && rnn.y_ld != width_of(rnn.H, rnn.P));
  const bool masked =
      rnn.zoneout_h > 0 || rnn.zoneout_c > 0 || (rnn.recurrent_dropout > 0 && training(rnn));
  const bool other = rnn.variant != 0 || rnn.P != 0 || rnn.cell_clip > 0 || is_mut(rnn) ||
                     rnn.norm != FRNN_NO_NORM;
  return shaped || masked || other || is_16_bit(rnn.dtype);
}

FamilyReserve family_reserve(const frnn_rnn& rnn) {
  const int64_t units = rnn.T * rnn.B * rnn.H;
  Carver carver;
  FamilyReserve r{};
  if (!training(rnn)) return r;
  r.gates = carver.floats(units * gates_of(rnn.cell, rnn.variant));
  if (rnn.cell == FRNN_LSTM) r.c_prev = carver.floats(units);
  if (is_gru(rnn) || rnn.cell == FRNN_MUT1) r.ah_n = carver.floats(units);
  const int64_t rows = rnn.T * rnn.B, columns = gates_of(rnn.cell, rnn.variant) * rnn.H;
  if (rnn.norm != FRNN_NO_NORM) {
    r.unit_ih = carver.floats(rows * columns);
    r.scale_ih = carver.floats(rnn.norm == FRNN_LAYER_NORM ? rows : columns);
  }
  if (rnn.norm == FRNN_BATCH_NORM) r.count = carver.floats(1);
  if (rnn.norm == FRNN_LAYER_NORM) {
    r.unit_hh = carver.floats(rows * columns);
    r.scale_hh = carver.floats(rows);
  }
  r.bytes = carver.bytes();
  return r;
}

FamilyForwardWorkspace family_forward_workspace(const frnn_rnn& rnn) {
  const int64_t units = rnn.B * rnn.H, state = rnn.B * width_of(rnn.H, rnn.P);
  const int64_t gates = units * gates_of(rnn.cell, rnn.variant);
  const int64_t elem = bytes_of(rnn.dtype);
  Carver carver;
  FamilyForwardWorkspace w{};
  if (!training(rnn)) w.gates = carver.floats(rnn.T * gates);
  w.ah = carver.floats(gates);
  w.h = carver.take(elem * state);
  w.hin = training(rnn) && rnn.recurrent_dropout > 0 ? carver.take(elem * state) : w.h;
  if (rnn.cell == FRNN_LSTM) w.c = carver.floats(units);
  if (rnn.P > 0) {
    w.m = carver.take(elem * units);
    w.projected = carver.floats(state);
  }
  if (is_gru_before(rnn) || is_mut(rnn)) {
    w.rh = carver.take(elem * units);
    w.un = carver.floats(units);
  }
  if (rnn.cell == FRNN_MUT3) w.tanh_h = carver.take(elem * units);
  if (rnn.norm == FRNN_LAYER_NORM) w.fresh_c = carver.floats(units);
  if (rnn.norm == FRNN_BATCH_NORM) {
    w.mean = carver.floats(gates_of(rnn.cell, rnn.variant) * rnn.H);
  }
  w.blas_bytes = blas_workspace_bytes(rnn.T * gates);
  w.blas = carve_blas(&carver, w.blas_bytes);
  w.bytes = carver.bytes();
  return w;
}

FamilyBackwardWorkspace family_backward_workspace(const frnn_rnn& rnn) {
  const int64_t W = width_of(rnn.H, rnn.P), rows = rnn.T * rnn.B, units = rnn.B * rnn.H;
  const int64_t columns = gates_of(rnn.cell, rnn.variant) * rnn.H;
  const int64_t recurrent = recurrent_gates_of(rnn.cell, rnn.variant) * rnn.H;
  const int64_t peepholes = peepholes_of(rnn.variant) * rnn.H;
  const int64_t elem = bytes_of(rnn.dtype);
  const bool lengths = rnn.lengths != 0;
  Carver carver;
  FamilyBackwardWorkspace w{};
  w.da = carver.take(elem * rows * columns);
  w.dah = w.da;
  const bool layer_norm = rnn.norm == FRNN_LAYER_NORM;
  if (is_gru(rnn) || rnn.cell == FRNN_MUT1 || layer_norm)
    w.dah = carver.take(elem * rows * recurrent);
  if (lengths) w.da_step = carver.take(elem * rnn.B * recurrent);
  w.dh = carver.floats(rnn.B * W);
  w.dhin = carver.floats(rnn.B * W);
  if (rnn.cell == FRNN_LSTM) w.dc = carver.floats(units);
  w.hin = carver.take(elem * rows * W);
  if (is_gru_before(rnn) || is_mut(rnn)) {
    w.rh = carver.take(elem * rows * rnn.H);
    w.drh = carver.floats(units);
  }
  if (rnn.cell == FRNN_MUT3) {
    w.tanh_h = carver.take(elem * rows * rnn.H);
    w.dtanh = carver.floats(units);
  }
  if (rnn.P > 0) {
    w.dprojected = carver.take(elem * rows * W);
    if (lengths) w.dprojected_step = carver.take(elem * rnn.B * W);
    w.dm = carver.floats(units);
    w.m = carver.take(elem * rows * rnn.H);
  }
  if (peepholes > 0) w.dp = carver.floats(rows * peepholes);
  if (rnn.norm != FRNN_NO_NORM) w.dax = carver.take(elem * rows * columns);
  if (layer_norm) {
    w.fresh_c = carver.floats(units);
    w.fresh_da = carver.floats(4 * units);
    w.bias_terms = carver.floats(rows * rnn.H);
    w.gain_terms = carver.floats(rows * rnn.H);
  }
  if (rnn.norm == FRNN_BATCH_NORM) {
    w.sums = carver.floats(columns);
    w.weighted = carver.floats(columns);
  }
  if (lengths) w.x = carver.take(elem * rows * rnn.I);
  w.partials = carver.floats(column_sum_partials(rows, columns));
  w.blas_bytes = blas_workspace_bytes(rows * columns);
  w.blas = carve_blas(&carver, w.blas_bytes);
  w.bytes = carver.bytes();
  return w;
}

LinearWorkspace linear_workspace(const frnn_linear& linear) {
  Carver carver;
  LinearWorkspace w{};
  w.partials = carver.floats(column_sum_partials(linear.N, linear.O));
  w.blas_bytes = blas_workspace_bytes(linear.N * (linear.O > linear.I ? linear.O : linear.I));
  w.blas = carve_blas(&carver, w.blas_bytes);
  w.bytes = carver.bytes();
  return w;
}

frnn_rnn_sizes gpu_rnn_sizes(const frnn_rnn& rnn) {
  if (is_family(rnn)) {
    return {family_reserve(rnn).bytes, family_forward_workspace(rnn).bytes,
            family_backward_workspace(rnn).bytes};
  }
  return {rnn_reserve(rnn).bytes, rnn_forward_workspace(rnn).bytes,
          rnn_backward_workspace(rnn).bytes};
}

int64_t gpu_linear_workspace_bytes(const frnn_linear& linear) {
  return linear_workspace(linear).bytes;
}

int64_t gpu_embedding_workspace_bytes(const frnn_embedding& embedding) {
  return embedding_workspace(Carver(), embedding.N, embedding.E).bytes;
}

}  // namespace frnn
