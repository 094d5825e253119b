// Every member of the family in double, forward by the simplest loops, one row after the other; its
// gradients by central differences of that. So the oracle of gradients here shares no derivation
// with what it checks. For tests of the native backends; sizes must be small.

#ifndef FUSEDRNN_TEST_NAIVE_FAMILY_H_
#define FUSEDRNN_TEST_NAIVE_FAMILY_H_

#include <cmath>
#include <map>
#include <string>
#include <vector>

#include "cells/philox.h"
#include "fusedrnn.h"
#include "host/plan.h"

namespace frnn {
namespace testing {

struct NaiveFamily {
  using Doubles = std::vector<double>;

  // Sizes and settings as in frnn_rnn; addresses in it are not used.
  frnn_rnn rnn{};
  std::vector<int64_t> lengths;  // of each row, within [0, T]
  // w_ih w_hh b_ih b_hh w_hr w_peephole x h0 c0 dy dhT dcT; absent ones are not there. Sequences
  // are [T, B, .] whatever the layout of the call.
  std::map<std::string, Doubles> in;
  Doubles y, hT, cT, running_mean, running_var;  // the last two as they are after the call

  void forward() {
    input_products();
    const int64_t W = width_of(rnn.H, rnn.P);
    y.assign(size(rnn.T * rnn.B * W), 0.0);
    hT.assign(size(rnn.B * W), 0.0);
    cT.assign(size(rnn.B * rnn.H), 0.0);
    for (int64_t b = 0; b < rnn.B; ++b)
      row(b);
  }

  // The gradient of sum(dy y) + sum(dhT hT) + sum(dcT cT) with respect to one input.
  Doubles gradient(const std::string& name) {
    Doubles& values = in.at(name);
    Doubles out(values.size());
    for (size_t k = 0; k < values.size(); ++k) {
      const double kept = values[k], step = 1e-6;
      values[k] = kept + step;
      const double above = loss();
      values[k] = kept - step;
      out[k] = (above - loss()) / (2 * step);
      values[k] = kept;
    }
    return out;
  }

 private:
  static size_t size(int64_t n) { return static_cast<size_t>(n); }
  static double sigmoid(double a) { return 1 / (1 + std::exp(-a)); }

  double at(const char* name, int64_t k) const {
    const auto found = in.find(name);
    return found == in.end() ? 0.0 : found->second[size(k)];
  }
  double loss() {
    forward();
    double sum = 0;
    for (size_t k = 0; k < y.size(); ++k)
      sum += y[k] * at("dy", static_cast<int64_t>(k));
    for (size_t k = 0; k < hT.size(); ++k)
      sum += hT[k] * at("dhT", static_cast<int64_t>(k));
    for (size_t k = 0; k < cT.size(); ++k)
      sum += cT[k] * at("dcT", static_cast<int64_t>(k));
    return sum;
  }

  bool training() const { return (rnn.flags & FRNN_TRAINING) != 0; }
  bool drops(double p, MaskKind kind, int64_t element) const {
    return p > 0 && dropped(make_mask(p, mask_source(rnn), kind), element);
  }
  double zoned(double p, MaskKind kind, int64_t element, double old, double fresh) const {
    if (p == 0) return fresh;
    if (!training()) return p * old + (1 - p) * fresh;
    return drops(p, kind, element) ? old : fresh;
  }

  bool live(int64_t t, int64_t b) const { return t < lengths[size(b)]; }

  // (v - mean) / sqrt(variance + epsilon) * gain
  void layer_norm(double* v, int64_t count, const char* gain) const {
    double mean = 0, variance = 0;
    for (int64_t k = 0; k < count; ++k)
      mean += v[k] / static_cast<double>(count);
    for (int64_t k = 0; k < count; ++k) {
      variance += (v[k] - mean) * (v[k] - mean) / static_cast<double>(count);
    }
    for (int64_t k = 0; k < count; ++k) {
      v[k] = (v[k] - mean) / std::sqrt(variance + rnn.norm_epsilon) * at(gain, k);
    }
  }

  // W x of all live rows, normalised where asked for, without bias.
  void input_products() {
    const int64_t columns = gates_of(rnn.cell, rnn.variant) * rnn.H;
    products_.assign(size(rnn.T * rnn.B * columns), 0.0);
    for (int64_t n = 0; n < rnn.T * rnn.B; ++n) {
      if (!live(n / rnn.B, n % rnn.B)) continue;
      for (int64_t r = 0; r < columns; ++r) {
        double& sum = products_[size(n * columns + r)];
        for (int64_t k = 0; k < rnn.I; ++k)
          sum += at("w_ih", r * rnn.I + k) * at("x", n * rnn.I + k);
      }
      if (rnn.norm == FRNN_LAYER_NORM)
        layer_norm(&products_[size(n * columns)], columns, "norm_ih");
    }
    if (rnn.norm != FRNN_BATCH_NORM) return;
    running_mean = in.at("running_mean"), running_var = in.at("running_var");
    for (int64_t r = 0; r < columns; ++r)
      batch_norm(r, columns);
  }

  void batch_norm(int64_t r, int64_t columns) {
    double count = 0, mean = 0, squares = 0;
    const auto each = [&](auto work) {
      for (int64_t n = 0; n < rnn.T * rnn.B; ++n) {
        if (live(n / rnn.B, n % rnn.B)) work(products_[size(n * columns + r)]);
      }
    };
    each([&](double v) { mean += v, ++count; });
    if (count == 0) return;
    mean /= count;
    each([&](double v) { squares += (v - mean) * (v - mean); });
    double variance = squares / count;
    if (training()) {
      const double m = rnn.norm_momentum, unbiased = count > 1 ? squares / (count - 1) : variance;
      running_mean[size(r)] = (1 - m) * running_mean[size(r)] + m * mean;
      running_var[size(r)] = (1 - m) * running_var[size(r)] + m * unbiased;
    } else {
      mean = at("running_mean", r), variance = at("running_var", r);
    }
    each([&](double& v) {
      v = (v - mean) / std::sqrt(variance + rnn.norm_epsilon) * at("norm_ih", r);
    });
  }

  // One preactivation: block `gate` of unit j, without its recurrent part.
  double input(int64_t gate, int64_t j, int64_t t, int64_t b) const {
    const int64_t r = gate * rnn.H + j, columns = gates_of(rnn.cell, rnn.variant) * rnn.H;
    return products_[size((t * rnn.B + b) * columns + r)] + at("b_ih", r);
  }
  double recurrent(int64_t gate, int64_t j, const Doubles& v) const {
    const int64_t r = gate * rnn.H + j, W = static_cast<int64_t>(v.size());
    Doubles products;
    if (rnn.norm == FRNN_LAYER_NORM) {
      for (int64_t k = 0; k < 4 * rnn.H; ++k)
        products.push_back(recurrent_product(k, W, v));
      layer_norm(products.data(), 4 * rnn.H, "norm_hh");
      return products[size(r)] + at("b_hh", r);
    }
    return recurrent_product(r, W, v) + at("b_hh", r);
  }
  double recurrent_product(int64_t r, int64_t W, const Doubles& v) const {
    double sum = 0;
    for (int64_t k = 0; k < W; ++k)
      sum += at("w_hh", r * W + k) * v[size(k)];
    return sum;
  }

  void row(int64_t b) {
    const int64_t W = width_of(rnn.H, rnn.P), length = lengths[size(b)];
    Doubles h(size(W)), c(size(rnn.H));
    for (int64_t j = 0; j < W; ++j)
      h[size(j)] = at("h0", b * W + j);
    for (int64_t j = 0; j < rnn.H; ++j)
      c[size(j)] = at("c0", b * rnn.H + j);
    for (int64_t s = 0; s < length; ++s) {
      const int64_t t = (rnn.flags & FRNN_REVERSE) != 0 ? length - 1 - s : s;
      Doubles hin = h;
      for (int64_t j = 0; training() && j < W; ++j) {
        const double p = rnn.recurrent_dropout;
        hin[size(j)] = drops(p, kRecurrentDropout, b * W + j) ? 0 : h[size(j)] / (1 - p);
      }
      const Doubles fresh = rnn.cell == FRNN_LSTM ? lstm(t, b, hin, c) : other(t, b, hin, h);
      for (int64_t j = 0; j < W; ++j) {
        const int64_t element = (t * rnn.B + b) * W + j;
        h[size(j)] = zoned(rnn.zoneout_h, kZoneoutH, element, h[size(j)], fresh[size(j)]);
        y[size(element)] = h[size(j)];
      }
    }
    for (int64_t j = 0; j < W; ++j)
      hT[size(b * W + j)] = h[size(j)];
    for (int64_t j = 0; j < rnn.H; ++j)
      cT[size(b * rnn.H + j)] = c[size(j)];
  }

  Doubles lstm(int64_t t, int64_t b, const Doubles& hin, Doubles& c) const {
    const bool coupled = (rnn.variant & FRNN_COUPLED) != 0;
    int64_t block = 0, peephole = 0;
    const auto next = [&](bool there, int64_t& count) { return there ? count++ : -1; };
    const bool has_i = (rnn.variant & (FRNN_COUPLED | FRNN_NO_INPUT_GATE)) == 0;
    const bool has_f = (rnn.variant & FRNN_NO_FORGET_GATE) == 0;
    const bool has_o = (rnn.variant & FRNN_NO_OUTPUT_GATE) == 0;
    const int64_t at_i = next(has_i, block), at_f = next(has_f, block);
    const int64_t at_g = next(true, block), at_o = next(has_o, block);
    const int64_t peep_i = next(has_i, peephole), peep_f = next(has_f, peephole);
    const int64_t peep_o = next(has_o, peephole);
    Doubles m(size(rnn.H)), seen(size(rnn.H)), o(size(rnn.H));
    for (int64_t j = 0; j < rnn.H; ++j) {
      const auto gate = [&](int64_t where, int64_t peep, double seen) {
        if (where < 0) return 1.0;
        const double p = at("w_peephole", peep * rnn.H + j);
        return sigmoid(input(where, j, t, b) + recurrent(where, j, hin) + p * seen);
      };
      const double old = c[size(j)];
      const double f = gate(at_f, peep_f, old);
      const double i = coupled ? 1 - f : gate(at_i, peep_i, old);
      const double g = std::tanh(input(at_g, j, t, b) + recurrent(at_g, j, hin));
      double fresh = f * old + i * g;
      if (rnn.cell_clip > 0) fresh = std::fmax(-rnn.cell_clip, std::fmin(rnn.cell_clip, fresh));
      seen[size(j)] = fresh, o[size(j)] = gate(at_o, peep_o, fresh);
      c[size(j)] = zoned(rnn.zoneout_c, kZoneoutC, (t * rnn.B + b) * rnn.H + j, old, fresh);
    }
    if (rnn.norm == FRNN_LAYER_NORM) layer_norm(seen.data(), rnn.H, "norm_c");
    for (int64_t j = 0; j < rnn.H; ++j) {
      m[size(j)] = o[size(j)] * std::tanh(seen[size(j)] + at("norm_c_bias", j));
    }
    if (rnn.P == 0) return m;
    Doubles projected(size(rnn.P), 0.0);
    for (int64_t p = 0; p < rnn.P; ++p) {
      for (int64_t j = 0; j < rnn.H; ++j) {
        projected[size(p)] += at("w_hr", p * rnn.H + j) * m[size(j)];
      }
    }
    return projected;
  }

  Doubles other(int64_t t, int64_t b, const Doubles& hin, const Doubles& h) const {
    const bool mut = rnn.cell >= FRNN_MUT1, mut1 = rnn.cell == FRNN_MUT1;
    const int64_t n_block = mut1 ? 1 : 2;
    Doubles fresh(size(rnn.H)), r(size(rnn.H)), z(size(rnn.H)), rh(size(rnn.H)), z_sees = hin;
    for (double& v : z_sees)
      v = rnn.cell == FRNN_MUT3 ? std::tanh(v) : v;
    const auto a = [&](int64_t gate, int64_t j, const Doubles& v) {
      return input(gate, j, t, b) + recurrent(gate, j, v);
    };
    for (int64_t j = 0; j < rnn.H; ++j) {
      if (rnn.cell == FRNN_RNN_TANH) fresh[size(j)] = std::tanh(a(0, j, hin));
      if (rnn.cell == FRNN_RNN_RELU) fresh[size(j)] = std::fmax(a(0, j, hin), 0.0);
      if (gates_of(rnn.cell) != 3) continue;
      r[size(j)] = sigmoid(a(0, j, hin));
      z[size(j)] = sigmoid(mut1 ? input(1, j, t, b) : a(1, j, z_sees));
      rh[size(j)] = r[size(j)] * hin[size(j)];
    }
    for (int64_t j = 0; gates_of(rnn.cell) == 3 && j < rnn.H; ++j) {
      const double u =
          rnn.cell == FRNN_GRU ? r[size(j)] * recurrent(2, j, hin) : recurrent(n_block, j, rh);
      const double from_x = input(2, j, t, b);
      const double n = std::tanh((mut1 ? std::tanh(from_x) : from_x) + u);
      const double fraction = mut ? 1 - z[size(j)] : z[size(j)];  // of the old state that stays
      fresh[size(j)] = (1 - fraction) * n + fraction * h[size(j)];
    }
    return fresh;
  }

  Doubles products_;  // [T, B, G*H]
};

}  // namespace testing
}  // namespace frnn

#endif  // FUSEDRNN_TEST_NAIVE_FAMILY_H_
