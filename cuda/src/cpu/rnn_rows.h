// Where the rows of a plain layer's sequence lie, and in which order its steps take them: step s of
// a reverse call is time T - 1 - s. Tensors, records and gradients are addressed by time.

#ifndef FUSEDRNN_SRC_CPU_RNN_ROWS_H_
#define FUSEDRNN_SRC_CPU_RNN_ROWS_H_

#include "cpu/simd.h"
#include "fusedrnn.h"

namespace frnn::cpu::FRNN_CPU_ISA {

static inline const float* floats_at(int64_t address) {
  return reinterpret_cast<const float*>(address);
}
static inline float* writable_at(int64_t address) {
  return reinterpret_cast<float*>(address);
}

struct RnnRows {
  const frnn_rnn& rnn;
  int64_t T, B, H, x_ld, y_ld;
  bool reverse;

  explicit RnnRows(const frnn_rnn& r) : rnn(r), T(r.T), B(r.B), H(r.H) {
    x_ld = r.x_ld != 0 ? r.x_ld : r.I;
    y_ld = r.y_ld != 0 ? r.y_ld : r.H;
    reverse = (r.flags & FRNN_REVERSE) != 0;
  }

  FRNN_CPU_INLINE int64_t time(int64_t step) const { return reverse ? T - 1 - step : step; }
  // The first time of steps [step, step + steps).
  FRNN_CPU_INLINE int64_t first_time(int64_t step, int64_t steps) const {
    return reverse ? T - step - steps : step;
  }
  FRNN_CPU_INLINE bool is_first(int64_t t) const { return t == (reverse ? T - 1 : 0); }
  FRNN_CPU_INLINE int64_t before(int64_t t) const { return reverse ? t + 1 : t - 1; }

  // Element 0 of a row of x and dx, and of y and dy.
  FRNN_CPU_INLINE int64_t x_at(int64_t t, int64_t row) const { return (t * B + row) * x_ld; }
  FRNN_CPU_INLINE int64_t y_at(int64_t t, int64_t row) const { return (t * B + row) * y_ld; }

  // h of the step before time t: rows of state_row(t) floats. `zeros` has H of them.
  FRNN_CPU_INLINE const float* state(int64_t t, const float* zeros) const {
    if (!is_first(t)) return floats_at(rnn.y) + y_at(before(t), 0);
    return rnn.h0 != 0 ? floats_at(rnn.h0) : zeros;
  }
  FRNN_CPU_INLINE int64_t state_row(int64_t t) const {
    return !is_first(t) ? y_ld : rnn.h0 != 0 ? H : 0;
  }
};

}  // namespace frnn::cpu::FRNN_CPU_ISA

#endif  // FUSEDRNN_SRC_CPU_RNN_ROWS_H_
