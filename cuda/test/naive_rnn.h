// Sequences in double by the simplest loops, forward and backward, for tests of the native
// backends. Written from the equations, not from the kernels: no shared intermediate layout, one
// scalar at a time, every derivative by the chain rule as it stands.

#ifndef FUSEDRNN_TEST_NAIVE_RNN_H_
#define FUSEDRNN_TEST_NAIVE_RNN_H_

#include <cmath>
#include <vector>

#include "fusedrnn.h"
#include "host/plan.h"

namespace frnn {
namespace testing {

using Doubles = std::vector<double>;

struct NaiveRnn {
  int64_t cell, T, B, I, H;
  // In. Empty where absent.
  Doubles w_ih, w_hh, b_ih, b_hh, x, h0, c0, dy, dhT, dcT;
  // Out.
  Doubles y, hT, cT, dx, dh0, dc0, dw_ih, dw_hh, db_ih, db_hh;

  void run() {
    const int64_t G = gates_of(cell);
    y.assign(size(T * B * H), 0);
    hT.assign(size(B * H), 0);
    cT.assign(size(B * H), 0);
    dx.assign(size(T * B * I), 0);
    dh0.assign(size(B * H), 0);
    dc0.assign(size(B * H), 0);
    dw_ih.assign(size(G * H * I), 0);
    dw_hh.assign(size(G * H * H), 0);
    db_ih.assign(size(G * H), 0);
    db_hh.assign(size(G * H), 0);
    for (int64_t b = 0; b < B; ++b)
      row(b);
  }

 private:
  static size_t size(int64_t n) { return static_cast<size_t>(n); }
  static double at(const Doubles& v, int64_t k) { return v.empty() ? 0.0 : v[size(k)]; }
  static double sigmoid(double a) { return 1 / (1 + std::exp(-a)); }

  // Everything about one unit of one step.
  struct Unit {
    double i = 0, f = 0, g = 0, o = 0, c_prev = 0, c = 0;  // LSTM
    double r = 0, z = 0, n = 0, un = 0;                    // GRU; un = recurrent part of n
    double h_prev = 0, h = 0;
  };

  double input(int64_t t, int64_t b, int64_t row) const {
    double sum = at(b_ih, row);
    for (int64_t k = 0; k < I; ++k)
      sum += w_ih[size(row * I + k)] * x[size((t * B + b) * I + k)];
    return sum;
  }
  double recurrent(int64_t row, const Doubles& h) const {
    double sum = at(b_hh, row);
    for (int64_t k = 0; k < H; ++k)
      sum += w_hh[size(row * H + k)] * h[size(k)];
    return sum;
  }

  void row(int64_t b) {
    Doubles h(size(H)), c(size(H));
    for (int64_t j = 0; j < H; ++j)
      h[size(j)] = at(h0, b * H + j), c[size(j)] = at(c0, b * H + j);
    std::vector<std::vector<Unit>> steps;
    for (int64_t t = 0; t < T; ++t) {
      steps.push_back(forward(t, b, h, c));
      for (int64_t j = 0; j < H; ++j) {
        h[size(j)] = y[size((t * B + b) * H + j)] = steps.back()[size(j)].h;
        c[size(j)] = steps.back()[size(j)].c;
      }
    }
    for (int64_t j = 0; j < H; ++j)
      hT[size(b * H + j)] = h[size(j)], cT[size(b * H + j)] = c[size(j)];

    Doubles dh(size(H)), dc(size(H));
    for (int64_t j = 0; j < H; ++j) {
      dh[size(j)] = at(dhT, b * H + j), dc[size(j)] = at(dcT, b * H + j);
    }
    for (int64_t t = T - 1; t >= 0; --t) {
      for (int64_t j = 0; j < H; ++j)
        dh[size(j)] += at(dy, (t * B + b) * H + j);
      backward(t, b, steps[size(t)], dh, dc);
    }
    for (int64_t j = 0; j < H; ++j) {
      dh0[size(b * H + j)] = dh[size(j)], dc0[size(b * H + j)] = dc[size(j)];
    }
  }

  std::vector<Unit> forward(int64_t t, int64_t b, const Doubles& h, const Doubles& c) const {
    std::vector<Unit> u(size(H));
    const auto a = [&](int64_t gate, int64_t j) {
      return input(t, b, gate * H + j) + recurrent(gate * H + j, h);
    };
    for (int64_t j = 0; j < H; ++j) {
      Unit& v = u[size(j)];
      v.h_prev = h[size(j)], v.c_prev = c[size(j)];
      if (cell == FRNN_LSTM) {
        v.i = sigmoid(a(0, j)), v.f = sigmoid(a(1, j));
        v.g = std::tanh(a(2, j)), v.o = sigmoid(a(3, j));
        v.c = v.f * v.c_prev + v.i * v.g;
        v.h = v.o * std::tanh(v.c);
      } else if (cell == FRNN_RNN_TANH) {
        v.h = std::tanh(a(0, j));
      } else if (cell == FRNN_RNN_RELU) {
        v.h = std::fmax(a(0, j), 0);
      } else {
        v.r = sigmoid(a(0, j)), v.z = sigmoid(a(1, j));
      }
    }
    if (cell != FRNN_GRU && cell != FRNN_GRU_RESET_BEFORE) return u;
    Doubles rh(size(H));
    for (int64_t j = 0; j < H; ++j)
      rh[size(j)] = u[size(j)].r * h[size(j)];
    for (int64_t j = 0; j < H; ++j) {
      Unit& v = u[size(j)];
      const bool after = cell == FRNN_GRU;
      v.un = recurrent(2 * H + j, after ? h : rh);
      v.n = std::tanh(input(t, b, 2 * H + j) + (after ? v.r * v.un : v.un));
      v.h = (1 - v.z) * v.n + v.z * v.h_prev;
    }
    return u;
  }

  // Takes the gradient of a preactivation, whose recurrent part is W_hh[row] times `h` and whose
  // gradient on that side is `dah`, to weights, biases, x and the gradient of `h`.
  void spread(int64_t t, int64_t b, int64_t row, double dax, double dah, const Doubles& h,
              Doubles& dh) {
    db_ih[size(row)] += dax;
    db_hh[size(row)] += dah;
    for (int64_t k = 0; k < I; ++k) {
      const size_t at_x = size((t * B + b) * I + k);
      dw_ih[size(row * I + k)] += dax * x[at_x];
      dx[at_x] += dax * w_ih[size(row * I + k)];
    }
    for (int64_t k = 0; k < H; ++k) {
      dw_hh[size(row * H + k)] += dah * h[size(k)];
      dh[size(k)] += dah * w_hh[size(row * H + k)];
    }
  }

  void backward(int64_t t, int64_t b, const std::vector<Unit>& u, Doubles& dh, Doubles& dc) {
    Doubles h_prev(size(H)), before(size(H), 0.0);  // `before`: the gradient of h_prev
    for (int64_t j = 0; j < H; ++j)
      h_prev[size(j)] = u[size(j)].h_prev;
    for (int64_t j = 0; j < H; ++j) {
      const Unit& v = u[size(j)];
      const double d = dh[size(j)];
      const auto gate = [&](int64_t g, double da) {
        spread(t, b, g * H + j, da, da, h_prev, before);
      };
      if (cell == FRNN_LSTM) {
        const double tanh_c = std::tanh(v.c);
        const double all = dc[size(j)] + d * v.o * (1 - tanh_c * tanh_c);
        gate(0, all * v.g * v.i * (1 - v.i));
        gate(1, all * v.c_prev * v.f * (1 - v.f));
        gate(2, all * v.i * (1 - v.g * v.g));
        gate(3, d * tanh_c * v.o * (1 - v.o));
        dc[size(j)] = all * v.f;
      } else if (cell == FRNN_RNN_TANH) {
        gate(0, d * (1 - v.h * v.h));
      } else if (cell == FRNN_RNN_RELU) {
        gate(0, v.h > 0 ? d : 0);
      } else {
        before[size(j)] += d * v.z;
        gate(1, d * (v.h_prev - v.n) * v.z * (1 - v.z));
        if (cell == FRNN_GRU) {
          const double da_n = d * (1 - v.z) * (1 - v.n * v.n);
          spread(t, b, 2 * H + j, da_n, da_n * v.r, h_prev, before);
          gate(0, da_n * v.un * v.r * (1 - v.r));
        }
      }
    }
    if (cell == FRNN_GRU_RESET_BEFORE) backward_reset_before(t, b, u, h_prev, dh, before);
    dh = before;
  }

  void backward_reset_before(int64_t t, int64_t b, const std::vector<Unit>& u,
                             const Doubles& h_prev, const Doubles& dh, Doubles& before) {
    Doubles rh(size(H)), drh(size(H), 0.0);
    for (int64_t j = 0; j < H; ++j)
      rh[size(j)] = u[size(j)].r * h_prev[size(j)];
    for (int64_t j = 0; j < H; ++j) {
      const Unit& v = u[size(j)];
      const double da_n = dh[size(j)] * (1 - v.z) * (1 - v.n * v.n);
      spread(t, b, 2 * H + j, da_n, da_n, rh, drh);
    }
    for (int64_t j = 0; j < H; ++j) {
      const Unit& v = u[size(j)];
      before[size(j)] += drh[size(j)] * v.r;
      const double da_r = drh[size(j)] * h_prev[size(j)] * v.r * (1 - v.r);
      spread(t, b, j, da_r, da_r, h_prev, before);
    }
  }
};

}  // namespace testing
}  // namespace frnn

#endif  // FUSEDRNN_TEST_NAIVE_RNN_H_
