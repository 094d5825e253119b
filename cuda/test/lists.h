// Parallel lists of tensors on any device, and clips and optimiser steps over them as the door
// makes them, beside what they are in double.

#ifndef FUSEDRNN_TEST_LISTS_H_
#define FUSEDRNN_TEST_LISTS_H_

#include <cmath>
#include <limits>

#include "gpu.h"
#include "host/table_image.h"

namespace frnn {
namespace testing {

using Floats = std::vector<float>;

constexpr float kInfinity = std::numeric_limits<float>::infinity();
const float kNan = std::numeric_limits<float>::quiet_NaN();

// Lengths on both sides of a quad, a warp and a chunk, an empty tensor among them.
inline const std::vector<int64_t>& odd_lengths() {
  static const std::vector<int64_t> lengths = {1, 0, 4099, 32768, 70001, 7};
  return lengths;
}

inline int64_t total_of(const std::vector<int64_t>& lengths) {
  int64_t total = 0;
  for (const int64_t n : lengths)
    total += n;
  return total;
}

// Each tensor lies `shift` elements into its own memory.
class Lists {
 public:
  Lists(Device& device, const std::vector<int64_t>& lengths, const std::vector<int64_t>& dtypes,
        int64_t shift)
      : lengths_(lengths), dtypes_(dtypes), shift_(shift) {
    std::vector<int64_t> addresses;
    for (const int64_t dtype : dtypes) {
      for (const int64_t length : lengths) {
        const int64_t bytes = (length + shift) * bytes_of(dtype);
        memory_.push_back(std::make_unique<Tensor<char>>(device, bytes));
        addresses.push_back(memory_.back()->address() + shift * bytes_of(dtype));
      }
    }
    frnn_tensors tensors{};
    tensors.struct_bytes = sizeof tensors;
    tensors.dtypes = reinterpret_cast<int64_t>(dtypes_.data());
    tensors.count = static_cast<int64_t>(lengths.size());
    tensors.lists = static_cast<int64_t>(dtypes.size());
    tensors.lengths = reinterpret_cast<int64_t>(lengths_.data());
    tensors.addresses = reinterpret_cast<int64_t>(addresses.data());
    sizes_ = table_sizes(tensors);
    std::vector<char> image;
    FRNN_CHECK_OK(table_image(tensors, &image));
    FRNN_CHECK(static_cast<int64_t>(image.size()) == sizes_.bytes);
    table_ = std::make_unique<Tensor<char>>(device, image);
  }

  int64_t table() const { return table_->address(); }
  const frnn_table_sizes& sizes() const { return sizes_; }

  // All tensors of a list, one after the other.
  void write(size_t list, const Floats& all) {
    int64_t from = 0;
    for (size_t k = 0; k < lengths_.size(); ++k) {
      Floats part(static_cast<size_t>(shift_), 0.0f);
      part.insert(part.end(), all.begin() + from, all.begin() + from + lengths_[k]);
      memory(list, k).write(encode(part, dtypes_[list]));
      from += lengths_[k];
    }
  }
  Floats read(size_t list) {
    Floats all;
    for (size_t k = 0; k < lengths_.size(); ++k) {
      const Floats part = decode(memory(list, k).read(), dtypes_[list]);
      all.insert(all.end(), part.begin() + shift_, part.end());
    }
    return all;
  }

 private:
  Tensor<char>& memory(size_t list, size_t k) { return *memory_[list * lengths_.size() + k]; }

  std::vector<int64_t> lengths_, dtypes_;
  int64_t shift_;
  frnn_table_sizes sizes_{};
  std::vector<std::unique_ptr<Tensor<char>>> memory_;
  std::unique_ptr<Tensor<char>> table_;
};

// What a list of `dtype` holds of these values.
inline Floats stored(const Floats& values, int64_t dtype) {
  return decode(encode(values, dtype), dtype);
}

struct Clipped {
  std::vector<frnn_clip_result> results;
  Floats values;
  const frnn_clip_result& result() const { return results[0]; }
};

struct ClipCase {
  frnn_clip clip{};  // max_norm, action, norm_kind, policy, per_tensor
  int64_t dtype = FRNN_F32;
  int64_t shift = 0;
  double scale = 1;  // of the loss
  std::vector<int64_t> lengths = odd_lengths();
};

// Clips list 1 `calls` times.
inline Clipped run_clip(Device& device, const Floats& values, const ClipCase& given,
                        int calls = 1) {
  Lists lists(device, given.lengths, {FRNN_F32, given.dtype}, given.shift);
  lists.write(0, Floats(values.size(), 1e30f));  // another list, which must not matter
  lists.write(1, values);
  const size_t results = given.clip.per_tensor != 0 ? 1 + given.lengths.size() : 1;
  Tensor<frnn_clip_result> result(device, std::vector<frnn_clip_result>(results));
  Tensor<frnn_loss_scale> scale(device, {frnn_loss_scale{given.scale, 0}});
  Tensor<double> workspace(device, 2 * lists.sizes().chunks);
  frnn_clip c = given.clip;
  c.struct_bytes = sizeof c;
  c.table = lists.table(), c.chunks = lists.sizes().chunks, c.layout = lists.sizes().layout;
  c.list = 1, c.result = result.address();
  c.loss_scale = given.scale == 1 ? 0 : scale.address();
  c.workspace = workspace.address(), c.workspace_bytes = workspace.bytes();
  for (int k = 0; k < calls; ++k)
    FRNN_CHECK_OK(device.clip_by_global_norm(c));
  return {result.read(), lists.read(1)};
}

inline double norm_of(const Floats& values, int64_t kind) {
  double sum = 0, largest = 0;
  for (const float v : values) {
    sum += kind == FRNN_L1 ? std::fabs(double{v}) : double{v} * v;
    largest = std::fmax(largest, std::fabs(double{v}));
  }
  return kind == FRNN_INFINITY ? largest : kind == FRNN_L1 ? sum : std::sqrt(sum);
}

// Parameters, gradients and states of a training, in double.
struct Training {
  std::vector<double> p, m, v;
  int64_t step = 0;
};

// One step of the published rules for the gradient g, after clipping.
inline void plain_step(const frnn_optimizer& o, double rate, const std::vector<double>& gradients,
                       Training* t) {
  ++t->step;
  const double steps = static_cast<double>(t->step);
  for (size_t k = 0; k < t->p.size(); ++k) {
    double &p = t->p[k], &m = t->m[k], &v = t->v[k];
    const double g = gradients[k] + (o.kind == FRNN_ADAMW ? 0.0 : o.weight_decay * p);
    if (o.kind == FRNN_SGD) {
      m = o.beta1 * m + g;
      p -= rate * m;
    } else if (o.kind == FRNN_ADAGRAD) {
      m += g * g;
      p -= rate * g / std::sqrt(m + o.epsilon);
    } else if (o.kind == FRNN_RMSPROP) {
      m = o.beta2 * m + (1 - o.beta2) * g * g;
      v = o.beta1 * v + g / (std::sqrt(m) + o.epsilon);
      p -= rate * v;
    } else {
      m = o.beta1 * m + (1 - o.beta1) * g;
      v = o.beta2 * v + (1 - o.beta2) * g * g;
      const double mean = m / (1 - std::pow(o.beta1, steps));
      const double square = v / (1 - std::pow(o.beta2, steps));
      const double decay = o.kind == FRNN_ADAMW ? o.weight_decay * p : 0.0;
      p -= rate * (mean / (std::sqrt(square) + o.epsilon) + decay);
    }
  }
}

}  // namespace testing
}  // namespace frnn

#endif  // FUSEDRNN_TEST_LISTS_H_
