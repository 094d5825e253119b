// What is compiled once per instruction set, and the table through which it is reached.

#ifndef FUSEDRNN_SRC_CPU_KERNELS_H_
#define FUSEDRNN_SRC_CPU_KERNELS_H_

#include <cstdint>

#include "cells/philox.h"
#include "cpu/gemm.h"
#include "cpu/list_kernels.h"
#include "cpu/worker.h"
#include "fusedrnn.h"

namespace frnn::cpu {

// The elementwise functions, for the test of their error.
enum class Function { kExp, kSigmoid, kTanh };

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
  // Packs the weights behind the header of `packed`.
  void (*rnn_pack)(const Worker& worker, const frnn_rnn& rnn);
  // The same for the whole family; the two above serve what plain_call() in family_layout.h says.
  void (*family_forward)(const Worker& worker, const Family& family);
  void (*family_backward)(const Worker& worker, const Family& family);
  // sums[j] = (accumulate ? sums[j] : 0) + sum over n of matrix[n * row + j], for j < columns.
  void (*column_sums)(const Worker& worker, const float* matrix, int64_t rows, int64_t row,
                      int64_t columns, float* sums, bool accumulate);

  // Called by one thread.
  // The sum of squares, the sum of magnitudes or the largest magnitude (frnn_norm_kind) of a chunk.
  double (*list_norm)(int64_t norm_kind, const ListPart& part, float infinite, bool* finite);
  // g = clamp(factor * g, -limit, limit); NaN stays.
  void (*change_list)(const ListPart& part, const GradientReading& reading, float limit);
  void (*update_list)(const ListUpdate& update);
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
void rnn_pack(const Worker& worker, const frnn_rnn& rnn);
void family_forward(const Worker& worker, const Family& family);
void family_backward(const Worker& worker, const Family& family);
void column_sums(const Worker& worker, const float* matrix, int64_t rows, int64_t row,
                 int64_t columns, float* sums, bool accumulate);
double list_norm(int64_t norm_kind, const ListPart& part, float infinite, bool* finite);
void change_list(const ListPart& part, const GradientReading& reading, float limit);
void update_list(const ListUpdate& update);
double softmax_row(const float* logits, int64_t V, int64_t target, double smoothing, double factor,
                   float* dlogits);
double squared_error(const float* y, const float* targets, int64_t count, float slope, float* dy);
void add(float* sum, const float* values, int64_t count);
void map(Function function, const float* values, float* results, int64_t count);
}  // namespace FRNN_CPU_ISA
#endif

}  // namespace frnn::cpu

#endif  // FUSEDRNN_SRC_CPU_KERNELS_H_
