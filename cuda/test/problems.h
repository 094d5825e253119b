// Calls of one layer as tests make them: settings and dense inputs by name, laid out on a device as
// the call has them, run, and brought back dense.

#ifndef FUSEDRNN_TEST_PROBLEMS_H_
#define FUSEDRNN_TEST_PROBLEMS_H_

#include <limits>
#include <map>
#include <string>

#include "gpu.h"
#include "host/plan.h"

namespace frnn {

// What a test program says of its backend. Devices of different seeds may differ in all that must
// not change the bits: the order of blocks, the number of threads.
std::unique_ptr<Device> open_device(int64_t seed);
frnn_rnn_sizes sizes_of(const frnn_rnn& rnn);

namespace testing {

using Floats = std::vector<float>;

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

inline size_t at(int64_t k) {
  return static_cast<size_t>(k);
}

// A call: settings, lengths (empty: all T) and dense time-first inputs.
struct Problem {
  frnn_rnn rnn{};
  std::vector<int32_t> lengths;
  std::map<std::string, Floats> in;
  int64_t forward_kernel = FRNN_KERNEL_STEP;  // rnn.kernel of either call
  int64_t backward_kernel = FRNN_KERNEL_STEP;

  int64_t W() const { return width_of(rnn.H, rnn.P); }
  int64_t length(int64_t b) const {
    return lengths.empty() ? rnn.T : std::max<int64_t>(0, std::min<int64_t>(rnn.T, lengths[at(b)]));
  }
};

// What it gave, dense and time-first again.
using Results = std::map<std::string, Floats>;

inline bool is_sequence(const std::string& name) {
  return name == "x" || name == "dy" || name == "y" || name == "dx";
}

// The cell state and moving averages are fp32 whatever the call's dtype.
inline int64_t dtype_of(const std::string& name, int64_t dtype) {
  for (const char* wide : {"c0", "cT", "dc0", "dcT", "running_mean", "running_var"}) {
    if (name == wide) return FRNN_F32;
  }
  return dtype;
}

class Call {
 public:
  explicit Call(const Problem& p, int64_t machine_seed)
      : p_(p), device_(open_device(machine_seed)) {}

  Results run() {
    frnn_rnn rnn = p_.rnn;
    for (const auto& [name, values] : p_.in)
      place(name, values);
    const std::map<std::string, int64_t> outputs = output_sizes();
    for (const auto& [name, count] : outputs)
      place(name, Floats(at(count), kNan));
    std::unique_ptr<Tensor<int32_t>> lengths;
    if (!p_.lengths.empty()) {
      lengths = std::make_unique<Tensor<int32_t>>(*device_, p_.lengths);
      rnn.lengths = lengths->address();
    }
    const Tensor<int64_t> added(*device_, std::vector<int64_t>{5});
    if (rnn.offset % 2 == 1) rnn.offset -= 5, rnn.offset_address = added.address();
    bind(&rnn);
    const frnn_rnn_sizes sizes = sizes_of(rnn);
    Tensor<char> reserve(*device_, sizes.reserve_bytes);
    Tensor<char> forward(*device_, sizes.forward_workspace_bytes);
    Tensor<char> backward(*device_, sizes.backward_workspace_bytes);
    fill(reserve), fill(forward), fill(backward);
    rnn.reserve = reserve.address(), rnn.workspace = forward.address();
    rnn.kernel = p_.forward_kernel;
    FRNN_CHECK_OK(device_->rnn_forward(rnn));
    if ((rnn.flags & FRNN_TRAINING) != 0) {
      rnn.workspace = backward.address();
      rnn.kernel = p_.backward_kernel;
      FRNN_CHECK_OK(device_->rnn_backward(rnn));
    }
    FRNN_CHECK_OK(device_->synchronize());
    Results results;
    for (const auto& [name, count] : outputs)
      results[name] = take(name, count);
    return results;
  }

 private:
  void fill(const Tensor<char>& memory) const {  // with NaN
    FRNN_CHECK_OK(device_->fill(memory.address(), 0xff, memory.bytes(), 0));
  }

  std::map<std::string, int64_t> output_sizes() const {
    const frnn_rnn& r = p_.rnn;
    std::map<std::string, int64_t> sizes = {{"y", r.T * r.B * p_.W()}, {"hT", r.B * p_.W()}};
    if (r.cell == FRNN_LSTM) sizes["cT"] = r.B * r.H;
    if ((r.flags & FRNN_TRAINING) == 0) return sizes;
    for (const char* name : {"w_ih", "w_hh", "b_ih", "b_hh", "w_hr", "w_peephole", "norm_ih",
                             "norm_hh", "norm_c", "norm_c_bias", "x", "h0", "c0"}) {
      const auto found = p_.in.find(name);
      if (found == p_.in.end()) continue;
      sizes[std::string("d") + name] = static_cast<int64_t>(found->second.size());
    }
    return sizes;
  }

  int64_t features(const std::string& name) const {
    return name == "x" || name == "dx" ? p_.rnn.I : p_.W();
  }
  int64_t stride(const std::string& name) const {
    const int64_t ld = name == "x" || name == "dx" ? p_.rnn.x_ld : p_.rnn.y_ld;
    return ld != 0 ? ld : features(name);
  }
  int64_t row(int64_t t, int64_t b) const {
    return (p_.rnn.flags & FRNN_BATCH_FIRST) != 0 ? b * p_.rnn.T + t : t * p_.rnn.B + b;
  }

  // Sequences go to the device in the call's layout; between strided rows lies NaN.
  void place(const std::string& name, const Floats& values) {
    Floats laid = values;
    if (is_sequence(name)) {
      const int64_t F = features(name), ld = stride(name);
      laid.assign(at(p_.rnn.T * p_.rnn.B * ld), kNan);
      for (int64_t t = 0; t < p_.rnn.T; ++t) {
        for (int64_t b = 0; b < p_.rnn.B; ++b) {
          for (int64_t k = 0; k < F; ++k) {
            laid[at(row(t, b) * ld + k)] = values[at((t * p_.rnn.B + b) * F + k)];
          }
        }
      }
    }
    tensors_[name] =
        std::make_unique<Tensor<char>>(*device_, encode(laid, dtype_of(name, p_.rnn.dtype)));
  }

  Floats take(const std::string& name, int64_t count) const {
    const Floats laid = decode(tensors_.at(name)->read(), dtype_of(name, p_.rnn.dtype));
    if (!is_sequence(name)) return laid;
    const int64_t F = features(name), ld = stride(name);
    Floats values(at(count));
    for (int64_t t = 0; t < p_.rnn.T; ++t) {
      for (int64_t b = 0; b < p_.rnn.B; ++b) {
        for (int64_t k = 0; k < ld; ++k) {
          const float v = laid[at(row(t, b) * ld + k)];
          if (k < F) {
            values[at((t * p_.rnn.B + b) * F + k)] = v;
          } else {
            FRNN_CHECK(std::isnan(v));  // nobody wrote between the rows
          }
        }
      }
    }
    return values;
  }

  void bind(frnn_rnn* r) const {
    const std::pair<const char*, int64_t*> fields[] = {{"w_ih", &r->w_ih},
                                                       {"w_hh", &r->w_hh},
                                                       {"b_ih", &r->b_ih},
                                                       {"b_hh", &r->b_hh},
                                                       {"w_hr", &r->w_hr},
                                                       {"w_peephole", &r->w_peephole},
                                                       {"x", &r->x},
                                                       {"h0", &r->h0},
                                                       {"c0", &r->c0},
                                                       {"y", &r->y},
                                                       {"hT", &r->hT},
                                                       {"cT", &r->cT},
                                                       {"dy", &r->dy},
                                                       {"dhT", &r->dhT},
                                                       {"dcT", &r->dcT},
                                                       {"dx", &r->dx},
                                                       {"dh0", &r->dh0},
                                                       {"dc0", &r->dc0},
                                                       {"norm_ih", &r->norm_ih},
                                                       {"norm_hh", &r->norm_hh},
                                                       {"norm_c", &r->norm_c},
                                                       {"norm_c_bias", &r->norm_c_bias},
                                                       {"running_mean", &r->running_mean},
                                                       {"running_var", &r->running_var},
                                                       {"dnorm_ih", &r->dnorm_ih},
                                                       {"dnorm_hh", &r->dnorm_hh},
                                                       {"dnorm_c", &r->dnorm_c},
                                                       {"dnorm_c_bias", &r->dnorm_c_bias},
                                                       {"dw_ih", &r->dw_ih},
                                                       {"dw_hh", &r->dw_hh},
                                                       {"db_ih", &r->db_ih},
                                                       {"db_hh", &r->db_hh},
                                                       {"dw_hr", &r->dw_hr},
                                                       {"dw_peephole", &r->dw_peephole}};
    for (const auto& [name, field] : fields) {
      const auto found = tensors_.find(name);
      if (found != tensors_.end()) *field = found->second->address();
    }
  }

  const Problem& p_;
  std::unique_ptr<Device> device_;
  std::map<std::string, std::unique_ptr<Tensor<char>>> tensors_;
};

inline std::string name_of(const Problem& p, uint64_t seed) {
  const frnn_rnn& r = p.rnn;
  return format("seed %d: cell=%d dtype=%d T=%d B=%d I=%d H=%d P=%d flags=%d variant=%d%s%s",
                int(seed), int(r.cell), int(r.dtype), int(r.T), int(r.B), int(r.I), int(r.H),
                int(r.P), int(r.flags), int(r.variant),
                r.norm == 0                 ? ""
                : r.norm == FRNN_LAYER_NORM ? " layer norm"
                                            : " batch norm",
                p.lengths.empty() ? "" : " lengths");
}

// NaN where nothing may be read: x and dy beyond each row's length.
inline Problem poisoned(Problem p) {
  for (const char* name : {"x", "dy"}) {
    const auto found = p.in.find(name);
    if (found == p.in.end()) continue;
    const int64_t F = name[0] == 'x' ? p.rnn.I : p.W();
    for (int64_t t = 0; t < p.rnn.T; ++t) {
      for (int64_t b = 0; b < p.rnn.B; ++b) {
        if (t < p.length(b)) continue;
        std::fill_n(found->second.begin() + (t * p.rnn.B + b) * F, F, kNan);
      }
    }
  }
  return p;
}

}  // namespace testing
}  // namespace frnn

#endif  // FUSEDRNN_TEST_PROBLEMS_H_
