// The optimisers' rules for one parameter. The gradient g comes in clipped and, but for AdamW, with
// weight decay.

#ifndef FUSEDRNN_SRC_CELLS_OPTIMIZER_H_
#define FUSEDRNN_SRC_CELLS_OPTIMIZER_H_

#include "cells/math.h"

namespace frnn {

// What the rules need: worked out once per step in double (host/step.h) and rounded to V.
template <typename V>
struct UpdateRates {
  V step_size;  // the rate; ADAM: over its first bias correction, 1 - beta1^step
  V weight_decay;
  V beta1;
  V beta2;
  V one_minus_beta1;
  V one_minus_beta2;
  V inverse_bias2;  // 1 / (1 - beta2^step)
  V epsilon;
  V decay;  // ADAMW: rate * weight_decay, and weight_decay above is 0
};

// Gradient descent, and with momentum: v = beta1 v + g; p -= lr v.
template <typename V>
FRNN_HOST_DEVICE void descent_update(const UpdateRates<V>& rates, V g, V& p) {
  p = p - rates.step_size * g;
}
template <typename V>
FRNN_HOST_DEVICE void sgd_update(const UpdateRates<V>& rates, V g, V& p, V& v) {
  v = rates.beta1 * v + g;
  p = p - rates.step_size * v;
}

// Adagrad (Duchi et al. 2011, in min-char-rnn's form): m += g^2; p -= lr g / sqrt(m + epsilon).
template <typename V>
FRNN_HOST_DEVICE void adagrad_update(const UpdateRates<V>& rates, V g, V& p, V& m) {
  m = m + g * g;
  p = p - rates.step_size * g / sqrt(m + rates.epsilon);
}

// Adam (Kingma and Ba 2015, algorithm 1), and with decay AdamW (Loshchilov and Hutter 2019).
template <typename V>
FRNN_HOST_DEVICE void adam_update(const UpdateRates<V>& rates, V g, V& p, V& m, V& v) {
  m = rates.beta1 * m + rates.one_minus_beta1 * g;
  v = rates.beta2 * v + rates.one_minus_beta2 * (g * g);
  p = p - (rates.step_size * m / (sqrt(v * rates.inverse_bias2) + rates.epsilon) + rates.decay * p);
}

// RMSProp (Hinton 2012): v = beta2 v + (1 - beta2) g^2; u = g / (sqrt(v) + epsilon); p -= lr u, or
// with momentum b = beta1 b + u; p -= lr b.
template <typename V>
FRNN_HOST_DEVICE void rmsprop_update(const UpdateRates<V>& rates, V g, V& p, V& v) {
  v = rates.beta2 * v + rates.one_minus_beta2 * (g * g);
  p = p - rates.step_size * (g / (sqrt(v) + rates.epsilon));
}
template <typename V>
FRNN_HOST_DEVICE void rmsprop_update(const UpdateRates<V>& rates, V g, V& p, V& v, V& b) {
  v = rates.beta2 * v + rates.one_minus_beta2 * (g * g);
  b = rates.beta1 * b + g / (sqrt(v) + rates.epsilon);
  p = p - rates.step_size * b;
}

}  // namespace frnn

#endif  // FUSEDRNN_SRC_CELLS_OPTIMIZER_H_
