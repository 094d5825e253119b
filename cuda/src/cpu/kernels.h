// What is compiled once per instruction set, and the table through which it is reached.

#ifndef FUSEDRNN_SRC_CPU_KERNELS_H_
#define FUSEDRNN_SRC_CPU_KERNELS_H_

#include <cstdint>

#include "cells/philox.h"
#include "cpu/gemm.h"
#include "cpu/worker.h"
#include "fusedrnn.h"

namespace frnn::cpu {

// The elementwise functions, for the test of their error.
enum class Function { kExp, kSigmoid, kTanh };

struct OptimizerRates {  // as UpdateRates in cells/update.h
  float learning_rate, weight_decay, beta1, beta2;
  float one_minus_beta1, one_minus_beta2, inverse_bias2, epsilon;
  float gradient_scale;  // multiplies the gradient as it is read
};

// A recurrent call of the whole family, with its masks.
struct Family {
  const frnn_rnn& rnn;
  Mask recurrent, zoneout_h, zoneout_c;
};

struct Kernels {
  const char* name;
  int width;  // floats in a vector

  // Called by every member of a team; when they return, all members' work is there.
  void (*gemm)(const Worker& worker, const Gemm& gemm);
  void (*rnn_forward)(const Worker& worker, const frnn_rnn& rnn);
  void (*rnn_backward)(const Worker& worker, const frnn_rnn& rnn);
  // The same for the whole family; the two above serve what plain_call() in family_layout.h says.
  void (*family_forward)(const Worker& worker, const Family& family);
  void (*family_backward)(const Worker& worker, const Family& family);
  // sums[j] = (accumulate ? sums[j] : 0) + sum over n of matrix[n * row + j], for j < columns.
  void (*column_sums)(const Worker& worker, const float* matrix, int64_t rows, int64_t row,
                      int64_t columns, float* sums, bool accumulate);

  // Called by one thread.
  double (*sum_of_squares)(const float* values, int64_t count);
  void (*scale)(float* values, int64_t count, float factor);
  void (*clamp_each)(float* values, int64_t count, float limit);  // to [-limit, limit]; NaN stays
  void (*update)(int64_t kind, const OptimizerRates& rates, int64_t count, float* p, const float* g,
                 float* state1, float* state2);
  // One row of softmax and cross-entropy: returns its loss, and writes factor * (softmax - q) to
  // dlogits unless that is null. 0 <= target < V.
  double (*softmax_row)(const float* logits, int64_t V, int64_t target, double smoothing,
                        double factor, float* dlogits);
  // The sum of (y - targets)^2; dy = slope * (y - targets) unless that is null.
  double (*squared_error)(const float* y, const float* targets, int64_t count, float slope,
                          float* dy);
  void (*add)(float* sum, const float* values, int64_t count);  // sum += values
  void (*map)(Function function, const float* values, float* results, int64_t count);
};

#if defined(FRNN_CPU_ISA)
namespace FRNN_CPU_ISA {
extern const Kernels kKernels;
void gemm(const Worker& worker, const Gemm& gemm);
void rnn_forward(const Worker& worker, const frnn_rnn& rnn);
void rnn_backward(const Worker& worker, const frnn_rnn& rnn);
void family_forward(const Worker& worker, const Family& family);
void family_backward(const Worker& worker, const Family& family);
void column_sums(const Worker& worker, const float* matrix, int64_t rows, int64_t row,
                 int64_t columns, float* sums, bool accumulate);
double sum_of_squares(const float* values, int64_t count);
void scale(float* values, int64_t count, float factor);
void clamp_each(float* values, int64_t count, float limit);
void update(int64_t kind, const OptimizerRates& rates, int64_t count, float* p, const float* g,
            float* state1, float* state2);
double softmax_row(const float* logits, int64_t V, int64_t target, double smoothing, double factor,
                   float* dlogits);
double squared_error(const float* y, const float* targets, int64_t count, float slope, float* dy);
void add(float* sum, const float* values, int64_t count);
void map(Function function, const float* values, float* results, int64_t count);
}  // namespace FRNN_CPU_ISA
#endif

}  // namespace frnn::cpu

#endif  // FUSEDRNN_SRC_CPU_KERNELS_H_
