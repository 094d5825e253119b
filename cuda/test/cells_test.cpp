// The cells' elementwise maths: one unit worked by hand, the nonlinearities against double at many
// points, and every derivative in double against central differences of the forward form.

#include <cmath>
#include <functional>
#include <limits>

#include "cells/gru.h"
#include "cells/lstm.h"
#include "cells/lstm_norm.h"
#include "cells/lstm_variant.h"
#include "cells/math.h"
#include "cells/mut.h"
#include "cells/optimizer.h"
#include "cells/rnn.h"
#include "kernels/quick.h"
#include "testing.h"

namespace frnn {
namespace {

using testing::Random;

// (f(x + e) - f(x - e)) / 2e errs by e^2 f''' / 6 + 2^-53 / e: about 1e-10 at e = 1e-5.
double slope(const std::function<double(double)>& f, double x) {
  const double e = 1e-5;
  return (f(x + e) - f(x - e)) / (2 * e);
}
constexpr double kAllowed = 1e-9;

double ulps(float got, double expected) {
  const float nearest = static_cast<float>(expected);
  const float next = std::nextafter(std::fabs(nearest), std::numeric_limits<float>::infinity());
  return std::fabs(got - expected) / (static_cast<double>(next) - std::fabs(nearest));
}

// What a GPU computes instead, with its reciprocal and exponential as wrong as they may be.
void gpu_nonlinearities() {
  double worst_sigmoid = 0, worst_tanh = 0, worst_quick = 0;
  for (int k = -6000; k <= 6000; ++k) {
    const float a = 0.0013f * static_cast<float>(k) + 0.00007f;
    const double s = 1 / (1 + std::exp(-double{a})), t = std::tanh(double{a});
    const auto inverse = [](float x) { return machine::reciprocal_approx(x); };
    worst_sigmoid = std::fmax(worst_sigmoid, ulps(inverse(1.0f + std::exp(-a)), s));
    const float quotient = inverse(1.0f + std::exp(2.0f * std::fabs(a)));
    worst_tanh = std::fmax(worst_tanh, ulps(tanh_from(a, quotient), t));
    worst_quick = std::fmax(worst_quick, std::fabs(double{sigmoid(Quick(a)).v} - s));
    worst_quick = std::fmax(worst_quick, std::fabs(double{tanh(Quick(a)).v} - t));
  }
  FRNN_CHECK_NEAR(worst_sigmoid, 0, 4);
  FRNN_CHECK_NEAR(worst_tanh, 0, 3);
  FRNN_CHECK_NEAR(worst_quick, 0, 0x1p-21);
  FRNN_CHECK(sigmoid(Quick(-200.0f)).v == 0.0f);
  FRNN_CHECK_NEAR(double{sigmoid(Quick(200.0f)).v}, 1, 0x1p-22);
  FRNN_CHECK_NEAR(double{tanh(Quick(200.0f)).v}, 1, 0x1p-22);
  FRNN_CHECK_NEAR(double{tanh(Quick(-200.0f)).v}, -1, 0x1p-20);
  FRNN_CHECK(tanh_from(-200.0f, 0.0f) == -1.0f);
}

void nonlinearities() {
  double worst_sigmoid = 0, worst_tanh = 0;
  for (int k = -3000; k <= 3000; ++k) {
    const float a = 0.01f * static_cast<float>(k) + 0.001f;
    worst_sigmoid = std::fmax(worst_sigmoid, ulps(sigmoid(a), 1 / (1 + std::exp(-double{a}))));
    worst_tanh = std::fmax(worst_tanh, ulps(tanh(a), std::tanh(double{a})));
  }
  FRNN_CHECK_NEAR(worst_sigmoid, 0, 3);
  FRNN_CHECK_NEAR(worst_tanh, 0, 2);
  gpu_nonlinearities();
  FRNN_CHECK(sigmoid(-200.0f) == 0.0f && sigmoid(200.0f) == 1.0f);
  FRNN_CHECK(tanh(-200.0f) == -1.0f && tanh(200.0f) == 1.0f);
  const float nan = std::numeric_limits<float>::quiet_NaN();
  FRNN_CHECK(std::isnan(sigmoid(nan)) && std::isnan(tanh(nan)) && std::isnan(relu(nan)));
  FRNN_CHECK(relu(-1.0f) == 0.0f && relu(2.0f) == 2.0f);
  FRNN_CHECK(where_positive(0.0f, 3.0f) == 0.0f && where_positive(0.5f, 3.0f) == 3.0f);
}

// With all preactivations 0: i = f = o = 1/2, g = 0; so c = c_prev / 2, h = tanh(c) / 2.
void lstm_by_hand() {
  const auto y = lstm_forward<double>({0, 0, 0, 0}, 1.0);
  FRNN_CHECK_NEAR(y.c, 0.5, 0);
  FRNN_CHECK_NEAR(y.h, 0.23105857863000487, 1e-16);
  // dc = o (1 - tanh^2 c) = 0.5 * 0.7864477329659274; da_f = dc c_prev / 4; da_g = dc / 2;
  // da_o = tanh c / 4; da_i = 0 because g = 0.
  const auto d = lstm_backward<double>(y.gates, 1.0, y.c, 1.0, 0.0);
  FRNN_CHECK_NEAR(d.da.i, 0, 0);
  FRNN_CHECK_NEAR(d.da.f, 0.09830596662074093, 1e-16);
  FRNN_CHECK_NEAR(d.da.g, 0.19661193324148185, 1e-16);
  FRNN_CHECK_NEAR(d.da.o, 0.11552928931500244, 1e-16);
  FRNN_CHECK_NEAR(d.dc_prev, 0.19661193324148185, 1e-16);
}

void lstm_slopes(Random& random) {
  const auto v = random.uniforms<double>(7, -2, 2);
  const LstmGates<double> a = {v[0], v[1], v[2], v[3]};
  const double c_prev = v[4], dh = v[5], dc = v[6];
  const auto loss = [&](const LstmGates<double>& at, double c) {
    const auto y = lstm_forward(at, c);
    return dh * y.h + dc * y.c;
  };
  const auto y = lstm_forward(a, c_prev);
  const auto d = lstm_backward(y.gates, c_prev, y.c, dh, dc);
  const auto gate = [&](double LstmGates<double>::*member) {
    return slope(
        [&](double value) {
          LstmGates<double> at = a;
          at.*member = value;
          return loss(at, c_prev);
        },
        a.*member);
  };
  FRNN_CHECK_NEAR(d.da.i, gate(&LstmGates<double>::i), kAllowed);
  FRNN_CHECK_NEAR(d.da.f, gate(&LstmGates<double>::f), kAllowed);
  FRNN_CHECK_NEAR(d.da.g, gate(&LstmGates<double>::g), kAllowed);
  FRNN_CHECK_NEAR(d.da.o, gate(&LstmGates<double>::o), kAllowed);
  FRNN_CHECK_NEAR(d.dc_prev, slope([&](double c) { return loss(a, c); }, c_prev), kAllowed);
}

LstmVariant variant_of(int number) {
  LstmVariant v;
  v.peephole = (number & 1) != 0;
  v.coupled =
      (number & 6) == 6;  // otherwise bit 1 takes the input gate away, bit 2 the forget gate
  v.input_gate = (number & 2) == 0;
  v.forget_gate = v.coupled || (number & 4) == 0;
  v.output_gate = (number & 8) == 0;
  v.cell_clip = (number & 16) != 0 ? 0.7f : 0.0f;
  return v;
}

// Every input of one unit: a_i a_f a_g a_o, p_i p_f p_o, c_prev; then dm and dc.
void lstm_variant_slopes(Random& random, int number) {
  const LstmVariant variant = variant_of(number);
  const auto v = random.uniforms<double>(10, -2, 2);
  using Vector = std::vector<double>;
  const auto forward = [&](const Vector& w) {
    return lstm_variant_forward<double>(variant, {w[0], w[1], w[2], w[3]}, {w[4], w[5], w[6]},
                                        w[7]);
  };
  const auto y = forward(v);
  if (variant.cell_clip > 0 && std::fabs(std::fabs(y.c) - 0.7f) < 1e-3 && std::fabs(y.c) < 0.7f) {
    return;  // a difference would step over the edge of the clip
  }
  const auto d =
      lstm_variant_backward<double>(variant, y.gates, {v[4], v[5], v[6]}, v[7], v[8], v[9]);
  FRNN_CHECK_NEAR(d.m, y.m, 1e-15);
  const double got[] = {d.da.i, d.da.f, d.da.g, d.da.o, d.dp.i, d.dp.f, d.dp.o, d.dc_prev};
  for (size_t k = 0; k < 8; ++k) {
    const auto loss = [&](double value) {
      Vector w = v;
      w[k] = value;
      const auto at = forward(w);
      return v[8] * at.m + v[9] * at.c;
    };
    FRNN_CHECK_NEAR(got[k], slope(loss, v[k]), kAllowed);
  }
  if (number != 0) return;
  const auto plain = lstm_forward<double>({v[0], v[1], v[2], v[3]}, v[7]);
  FRNN_CHECK(plain.h == y.m && plain.c == y.c);
}

// With all parts 0: r = z = 1/2, n = 0; h' = h / 2, in both forms.
void gru_by_hand() {
  const auto y = gru_forward<double>({0, 0, 0}, {0, 0, 0}, 3.0);
  FRNN_CHECK_NEAR(y.h, 1.5, 0);
  const auto d = gru_backward<double>(y.gates, 0.0, 3.0, 1.0);
  FRNN_CHECK_NEAR(d.dax.n, 0.5, 0);    // (1 - z) (1 - n^2)
  FRNN_CHECK_NEAR(d.dax.z, 0.75, 0);   // (h - n) z (1 - z)
  FRNN_CHECK_NEAR(d.dax.r, 0, 0);      // ah_n = 0
  FRNN_CHECK_NEAR(d.dah_n, 0.25, 0);   // da_n r
  FRNN_CHECK_NEAR(d.dh_prev, 0.5, 0);  // z
  const auto first = gru_before_forward_first<double>(0, 0, 3.0);
  FRNN_CHECK_NEAR(first.rh, 1.5, 0);
  FRNN_CHECK_NEAR(gru_before_forward_second<double>(0, first.z, 3.0).h, 1.5, 0);
}

void gru_slopes(Random& random) {
  const auto v = random.uniforms<double>(8, -2, 2);
  const GruGates<double> ax = {v[0], v[1], v[2]}, ah = {v[3], v[4], v[5]};
  const double h_prev = v[6], dh = v[7];
  const auto y = gru_forward(ax, ah, h_prev);
  const auto d = gru_backward(y.gates, ah.n, h_prev, dh);
  const auto gate = [&](bool input, double GruGates<double>::*member) {
    return slope(
        [&](double value) {
          GruGates<double> at_x = ax, at_h = ah;
          GruGates<double>& at = input ? at_x : at_h;
          at.*member = value;
          return dh * gru_forward(at_x, at_h, h_prev).h;
        },
        (input ? ax : ah).*member);
  };
  using Gates = GruGates<double>;
  FRNN_CHECK_NEAR(d.dax.r, gate(true, &Gates::r), kAllowed);
  FRNN_CHECK_NEAR(d.dax.z, gate(true, &Gates::z), kAllowed);
  FRNN_CHECK_NEAR(d.dax.n, gate(true, &Gates::n), kAllowed);
  FRNN_CHECK_NEAR(d.dax.r, gate(false, &Gates::r), kAllowed);
  FRNN_CHECK_NEAR(d.dax.z, gate(false, &Gates::z), kAllowed);
  FRNN_CHECK_NEAR(d.dah_n, gate(false, &Gates::n), kAllowed);
  const auto of_h = [&](double h) { return dh * gru_forward(ax, ah, h).h; };
  FRNN_CHECK_NEAR(d.dh_prev, slope(of_h, h_prev), kAllowed);
}

// U_n is one weight u here, so that the whole step is a function of one unit.
void gru_before_slopes(Random& random) {
  const auto v = random.uniforms<double>(6, -2, 2);
  const double u = v[4], dh = v[5];
  const auto step = [&](double a_r, double a_z, double ax_n, double h) {
    const auto first = gru_before_forward_first(a_r, a_z, h);
    return gru_before_forward_second(ax_n + u * first.rh, first.z, h).h;
  };
  const auto first = gru_before_forward_first(v[0], v[1], v[3]);
  const auto second = gru_before_forward_second(v[2] + u * first.rh, first.z, v[3]);
  const auto d1 = gru_before_backward_first(first.z, second.n, v[3], dh);
  const auto d2 = gru_before_backward_second(first.r, v[3], u * d1.da_n, d1.dh_prev);
  const auto at = [&](int k) {
    return slope(
        [&](double value) {
          auto w = v;
          w[static_cast<size_t>(k)] = value;
          return dh * step(w[0], w[1], w[2], w[3]);
        },
        v[static_cast<size_t>(k)]);
  };
  FRNN_CHECK_NEAR(d2.da_r, at(0), kAllowed);
  FRNN_CHECK_NEAR(d1.da_z, at(1), kAllowed);
  FRNN_CHECK_NEAR(d1.da_n, at(2), kAllowed);
  FRNN_CHECK_NEAR(d2.dh_prev, at(3), kAllowed);
}

void mut_slopes(Random& random) {
  const auto v = random.uniforms<double>(4, -2, 2);  // a_z, a_n, h_prev, dh
  const auto step = [&](double a_z, double a_n, double h) {
    return v[3] * mut_forward_second(a_n, sigmoid(a_z), h).h;
  };
  const double z = sigmoid(v[0]);
  FRNN_CHECK_NEAR(step(v[0], v[1], v[2]), v[3] * (z * std::tanh(v[1]) + (1 - z) * v[2]), 1e-15);
  const auto d = mut_backward_first(z, std::tanh(v[1]), v[2], v[3]);
  FRNN_CHECK_NEAR(d.da_z, slope([&](double a) { return step(a, v[1], v[2]); }, v[0]), kAllowed);
  FRNN_CHECK_NEAR(d.da_n, slope([&](double a) { return step(v[0], a, v[2]); }, v[1]), kAllowed);
  FRNN_CHECK_NEAR(d.dh_prev, slope([&](double h) { return step(v[0], v[1], h); }, v[2]), kAllowed);
}

void lstm_norm_slopes(Random& random) {
  const auto v = random.uniforms<double>(3, -2, 2);  // a_o, v, dh
  const auto out = lstm_norm_output_backward(sigmoid(v[0]), v[1], v[2]);
  const auto h = [&](double a_o, double at) { return v[2] * sigmoid(a_o) * std::tanh(at); };
  FRNN_CHECK_NEAR(out.da_o, slope([&](double a) { return h(a, v[1]); }, v[0]), kAllowed);
  FRNN_CHECK_NEAR(out.dv, slope([&](double a) { return h(v[0], a); }, v[1]), kAllowed);
}

void rnn_slopes(Random& random) {
  const double a = random.uniform(-2, 2), dh = random.uniform(-2, 2);
  FRNN_CHECK_NEAR(RnnTanh::backward(RnnTanh::forward(a), dh),
                  slope([&](double x) { return dh * RnnTanh::forward(x); }, a), kAllowed);
  FRNN_CHECK_NEAR(RnnRelu::backward(RnnRelu::forward(a), dh),
                  slope([&](double x) { return dh * RnnRelu::forward(x); }, a), kAllowed);
}

void updates_by_hand() {
  UpdateRates<double> rates{};
  rates.step_size = 0.1 / (1 - 0.9);
  rates.beta1 = 0.9, rates.one_minus_beta1 = 0.1;
  rates.beta2 = 0.99, rates.one_minus_beta2 = 0.01, rates.inverse_bias2 = 1 / (1 - 0.99);
  rates.epsilon = 1e-8;
  double p = 1, m = 0, v = 0;
  adam_update(rates, 2.0, p, m, v);  // the first step of Adam moves by lr against the sign of g
  FRNN_CHECK_NEAR(p, 0.9, 1e-8);
  rates.decay = 0.05;
  p = 1, m = 0, v = 0;
  adam_update(rates, 2.0, p, m, v);  // AdamW: and by its decay
  FRNN_CHECK_NEAR(p, 0.85, 1e-8);
  p = 1, v = 0;
  rates = {};
  rates.step_size = 0.1, rates.one_minus_beta2 = 0.25;
  rmsprop_update(rates, 2.0, p, v);  // v = 1, so by 2 lr
  FRNN_CHECK_NEAR(p, 0.8, 1e-15);
  rates.beta1 = 0.5;
  p = 1, m = 4, v = 0;
  rmsprop_update(rates, 2.0, p, v, m);  // b = 2 + 2
  FRNN_CHECK_NEAR(p, 0.6, 1e-15);
  rates = {};
  rates.step_size = 0.1;
  p = 1, m = 0;
  adagrad_update(rates, 2.0, p, m);
  FRNN_CHECK_NEAR(p, 0.9, 1e-15);
  rates.beta1 = 0.5;
  p = 1, v = 2;
  sgd_update(rates, 3.0, p, v);  // v = 1 + 3
  FRNN_CHECK_NEAR(p, 0.6, 1e-15);
  p = 1;
  descent_update(rates, 3.0, p);
  FRNN_CHECK_NEAR(p, 0.7, 1e-15);
}

}  // namespace
}  // namespace frnn

int main() {
  frnn::nonlinearities();
  frnn::lstm_by_hand();
  frnn::gru_by_hand();
  frnn::updates_by_hand();
  for (uint64_t seed = 1; seed <= 50; ++seed) {
    frnn::testing::Random random(seed);
    frnn::lstm_slopes(random);
    frnn::gru_slopes(random);
    frnn::gru_before_slopes(random);
    frnn::rnn_slopes(random);
    frnn::mut_slopes(random);
    frnn::lstm_norm_slopes(random);
    for (int number = 0; number < 32; ++number)
      frnn::lstm_variant_slopes(random, number);
  }
  return frnn::testing::report();
}
