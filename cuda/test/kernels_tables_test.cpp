// Global-norm clipping and optimisers over chunk tables, on the emulated machine against double.
// Tensors of odd lengths, empty ones, ones of several chunks, ones that are not aligned to 16
// bytes.

#include <limits>

#include "gpu.h"
#include "host/table_image.h"

namespace frnn {
namespace {

using namespace testing;
using Floats = std::vector<float>;

constexpr float kInfinity = std::numeric_limits<float>::infinity();

// Parallel lists of tensors on a device, each tensor `shift` floats into its own memory.
class Lists {
 public:
  Lists(Device& device, const std::vector<int64_t>& lengths, int64_t lists, int64_t shift)
      : device_(device), lengths_(lengths), lists_(lists), shift_(shift) {
    for (int64_t k = 0; k < lists * count(); ++k) {
      const int64_t length = lengths[static_cast<size_t>(k % count())];
      memory_.push_back(std::make_unique<Tensor<float>>(device, length + shift));
      addresses_.push_back(memory_.back()->address() + 4 * shift);
    }
    frnn_tensors tensors{};
    tensors.struct_bytes = sizeof tensors;
    tensors.dtype = FRNN_F32;
    tensors.count = count();
    tensors.lists = lists;
    tensors.lengths = reinterpret_cast<int64_t>(lengths_.data());
    tensors.addresses = reinterpret_cast<int64_t>(addresses_.data());
    int64_t bytes = 0;
    table_bytes(tensors, &bytes, &chunks_);
    std::vector<char> image;
    FRNN_CHECK_OK(table_image(tensors, &image));
    table_ = std::make_unique<Tensor<char>>(device, image);
  }

  int64_t count() const { return static_cast<int64_t>(lengths_.size()); }
  int64_t table() const { return table_->address(); }
  int64_t chunks() const { return chunks_; }

  // All tensors of a list, one after the other.
  void write(int64_t list, const Floats& all) {
    size_t from = 0;
    for (int64_t k = 0; k < count(); ++k) {
      const size_t length = static_cast<size_t>(lengths_[static_cast<size_t>(k)]);
      Floats part(static_cast<size_t>(shift_), 0.0f);
      part.insert(part.end(), all.begin() + static_cast<int64_t>(from),
                  all.begin() + static_cast<int64_t>(from + length));
      memory(list, k).write(part);
      from += length;
    }
  }
  Floats read(int64_t list) {
    Floats all;
    for (int64_t k = 0; k < count(); ++k) {
      const Floats part = memory(list, k).read();
      all.insert(all.end(), part.begin() + shift_, part.end());
    }
    return all;
  }

 private:
  Tensor<float>& memory(int64_t list, int64_t k) {
    return *memory_[static_cast<size_t>(list * count() + k)];
  }

  Device& device_;
  std::vector<int64_t> lengths_;
  int64_t lists_;
  int64_t shift_;
  int64_t chunks_ = 0;
  std::vector<std::unique_ptr<Tensor<float>>> memory_;
  std::vector<int64_t> addresses_;
  std::unique_ptr<Tensor<char>> table_;
};

const std::vector<int64_t> kLengths = {1, 0, 4099, 32768, 70001, 7};

int64_t total_of(const std::vector<int64_t>& lengths) {
  int64_t total = 0;
  for (const int64_t n : lengths)
    total += n;
  return total;
}

struct Clipped {
  frnn_clip_result result;
  Floats values;
};

Clipped clip(const Floats& values, double max_norm, frnn_clip_action action, int64_t shift,
             int64_t seed) {
  const auto device = open_gpu(seed);
  Lists lists(*device, kLengths, 2, shift);
  lists.write(0, Floats(values.size(), 1e30f));  // another list, which must not matter
  lists.write(1, values);
  Tensor<frnn_clip_result> result(*device, 1);
  Tensor<double> workspace(*device, lists.chunks());
  frnn_clip c{};
  c.table = lists.table(), c.chunks = lists.chunks(), c.list = 1, c.action = action;
  c.max_norm = max_norm, c.result = result.address();
  c.workspace = workspace.address(), c.workspace_bytes = workspace.bytes();
  FRNN_CHECK_OK(device->clip_by_global_norm(c));
  return {result.read()[0], lists.read(1)};
}

double norm_of(const Floats& values) {
  double sum = 0;
  for (const float v : values)
    sum += double{v} * v;
  return std::sqrt(sum);
}

void check_norm(double magnitude, uint64_t seed) {
  Random random(seed);
  const Floats values = random.uniforms<float>(total_of(kLengths), -magnitude, magnitude);
  const double norm = norm_of(values);
  const Clipped measured = clip(values, norm / 3, FRNN_MEASURE, 0, 1);
  // A thread adds 32 squares in fp32: 2^-24 * sqrt(32) at most, on the square; half on the norm.
  FRNN_CHECK_NEAR(measured.result.norm / norm, 1, 3 * 0x1p-24);
  FRNN_CHECK_NEAR(measured.result.coefficient, 1.0 / 3, 3 * 0x1p-24);
  FRNN_CHECK(measured.result.finite == 1);
  FRNN_CHECK(same_bits(measured.values, values));

  const Clipped scaled = clip(values, norm / 3, FRNN_SCALE, 0, 2);
  FRNN_CHECK(scaled.result.norm == measured.result.norm);  // another order of blocks
  FRNN_CHECK_NEAR(norm_of(scaled.values) / norm, 1.0 / 3, 4 * 0x1p-24);
  const float coefficient = static_cast<float>(scaled.result.coefficient);
  for (size_t k = 0; k < values.size(); ++k)
    FRNN_CHECK(scaled.values[k] == values[k] * coefficient);

  const Clipped unaligned = clip(values, norm * 2, FRNN_SCALE, 1, 3);
  FRNN_CHECK(unaligned.result.norm == measured.result.norm);  // nor does alignment matter
  FRNN_CHECK(unaligned.result.coefficient == 1.0);
  FRNN_CHECK(same_bits(unaligned.values, values));
}

void check_clamp() {
  Random random(3);
  Floats values = random.uniforms<float>(total_of(kLengths), -2, 2);
  values[5] = std::numeric_limits<float>::quiet_NaN();
  values[6] = -kInfinity;
  for (const int64_t shift : {0, 1}) {
    const Clipped c = clip(values, 0.7, FRNN_CLAMP_ELEMENTS, shift, 4);
    FRNN_CHECK(c.result.finite == 0 && c.result.coefficient == 1.0);
    for (size_t k = 0; k < values.size(); ++k) {
      const float expected = std::min(std::max(values[k], -0.7f), 0.7f);
      FRNN_CHECK(k == 5 ? std::isnan(c.values[k]) : c.values[k] == expected);
    }
  }
}

void check_not_finite() {
  for (const float bad : {kInfinity, -kInfinity, std::numeric_limits<float>::quiet_NaN()}) {
    Floats values(static_cast<size_t>(total_of(kLengths)), 0.5f);
    values[40000] = bad;
    const Clipped c = clip(values, 1.0, FRNN_SCALE, 0, 1);
    FRNN_CHECK(c.result.finite == 0);
    FRNN_CHECK(std::isnan(bad) ? std::isnan(c.result.norm) : std::isinf(c.result.norm));
    FRNN_CHECK(std::isnan(bad) ? std::isnan(c.result.coefficient) : c.result.coefficient == 0.0);
  }
  // The largest and the smallest floats: their squares leave fp32, the norm does not.
  for (const float extreme : {3e38f, 1e-38f, 1e-45f}) {
    Floats values(static_cast<size_t>(total_of(kLengths)), 0.0f);
    values[5] = extreme, values[50000] = -extreme;
    const Clipped c = clip(values, 1e300, FRNN_MEASURE, 0, 1);
    FRNN_CHECK(c.result.finite == 1);
    FRNN_CHECK_NEAR(c.result.norm / (std::sqrt(2.0) * extreme), 1, 1e-12);
  }
}

// ---- Optimisers ---------------------------------------------------------------------------------

struct State {
  Floats p, g, m, v;
};

frnn_optimizer settings(int64_t kind, int64_t step) {
  frnn_optimizer o{};
  o.kind = kind, o.dtype = FRNN_F32;
  o.learning_rate = 0.01, o.beta1 = 0.9, o.beta2 = 0.999, o.epsilon = 1e-8;
  o.weight_decay = 0.1, o.step = step;
  return o;
}

State run_optimizer(const State& s, frnn_optimizer o, const frnn_clip_result* clip, int64_t shift) {
  const auto device = open_gpu(4);
  Lists lists(*device, kLengths, o.kind == FRNN_ADAM ? 4 : 3, shift);
  lists.write(0, s.p);
  lists.write(1, s.g);
  lists.write(2, s.m);
  if (o.kind == FRNN_ADAM) lists.write(3, s.v);
  Tensor<frnn_clip_result> result(*device, {clip != nullptr ? *clip : frnn_clip_result{}});
  o.table = lists.table(), o.chunks = lists.chunks();
  if (clip != nullptr) o.clip = result.address();
  FRNN_CHECK_OK(device->optimizer_step(o));
  return {lists.read(0), lists.read(1), lists.read(2),
          o.kind == FRNN_ADAM ? lists.read(3) : Floats()};
}

void check_optimizer(int64_t kind, uint64_t seed) {
  Random random(seed);
  const int64_t n = total_of(kLengths);
  const State s = {random.uniforms<float>(n, -1, 1), random.uniforms<float>(n, -1, 1),
                   random.uniforms<float>(n, 0, 1), random.uniforms<float>(n, 0, 1)};
  const frnn_clip_result half = {4.0, 0.5, 1};
  const frnn_optimizer o = settings(kind, 7);
  const State got = run_optimizer(s, o, &half, 0);
  std::vector<double> p(s.p.size()), m(s.p.size()), v(s.p.size());
  for (size_t k = 0; k < s.p.size(); ++k) {
    const double g = 0.5 * s.g[k] + o.weight_decay * s.p[k];
    if (kind == FRNN_SGD) {
      m[k] = o.beta1 * s.m[k] + g;
      p[k] = s.p[k] - o.learning_rate * m[k];
    } else if (kind == FRNN_ADAGRAD) {
      m[k] = s.m[k] + g * g;
      p[k] = s.p[k] - o.learning_rate * g / std::sqrt(m[k] + o.epsilon);
    } else {
      m[k] = o.beta1 * s.m[k] + (1 - o.beta1) * g;
      v[k] = o.beta2 * s.v[k] + (1 - o.beta2) * g * g;
      const double m_hat = m[k] / (1 - std::pow(o.beta1, 7));
      const double v_hat = v[k] / (1 - std::pow(o.beta2, 7));
      p[k] = s.p[k] - o.learning_rate * m_hat / (std::sqrt(v_hat) + o.epsilon);
    }
  }
  check_close("optimizer p", got.p, p, 4);
  check_close("optimizer m", got.m, m, 4);
  if (kind == FRNN_ADAM) check_close("optimizer v", got.v, v, 4);
  FRNN_CHECK(same_bits(got.g, s.g));

  const State shifted = run_optimizer(s, o, &half, 3);
  FRNN_CHECK(same_bits(shifted.p, got.p) && same_bits(shifted.m, got.m));

  frnn_optimizer skipping = o;
  skipping.flags = FRNN_SKIP_NONFINITE;
  const frnn_clip_result bad = {kInfinity, 0.0, 0};
  const State kept = run_optimizer(s, skipping, &bad, 0);
  FRNN_CHECK(same_bits(kept.p, s.p) && same_bits(kept.m, s.m));
  const State taken = run_optimizer(s, skipping, &half, 0);
  FRNN_CHECK(same_bits(taken.p, got.p));
}

}  // namespace
}  // namespace frnn

int main() {
  frnn::check_norm(1.0, 1);
  frnn::check_norm(1e20, 2);
  frnn::check_norm(1e-25, 3);
  frnn::check_clamp();
  frnn::check_not_finite();
  frnn::check_optimizer(FRNN_SGD, 4);
  frnn::check_optimizer(FRNN_ADAGRAD, 5);
  frnn::check_optimizer(FRNN_ADAM, 6);
  return frnn::testing::report();
}
