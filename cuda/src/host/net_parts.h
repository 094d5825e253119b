// A network as calls of one layer in one direction over one chunk of time: where the memory of each
// lies and what it is bound to. One chunk is the whole sequence, unless layers run as a wavefront
// (net.cpp).

#ifndef FUSEDRNN_SRC_HOST_NET_PARTS_H_
#define FUSEDRNN_SRC_HOST_NET_PARTS_H_

#include <algorithm>
#include <string>
#include <vector>

#include "host/carver.h"
#include "host/plan.h"
#include "host/provider.h"
#include "host/side_streams.h"

namespace frnn {

class NetParts {
 public:
  NetParts(const frnn_net& net, const std::string& backend, bool backward, int64_t chunks);

  Status check_shape() const;
  Status check(const Device& device) const;  // every call, after lay_out
  // Follows the same path with or without addresses, so that sizes and layout cannot disagree.
  void lay_out();
  int64_t reserve_used() const { return reserve_used_; }
  int64_t workspace_used() const { return workspace_used_; }

  // The layer's sizes and settings over the longest chunk, nothing bound.
  frnn_rnn sized(int64_t k) const;
  frnn_rnn directed(int64_t k, int64_t d) const;
  // Layer k in direction d over chunk j, bound to everything but dy and dx.
  frnn_rnn part(int64_t k, int64_t d, int64_t j, const Lanes* lanes) const;

  // Weights packed once: where those of each layer and direction lie, and what packs them.
  void lay_out_packed();
  int64_t packed_used() const { return packed_used_; }
  frnn_rnn packing(int64_t k, int64_t d) const;
  Status check_packing(const Device& device) const;

  const frnn_net& net() const { return net_; }
  const std::string& backend() const { return backend_; }
  bool is_backward() const { return backward_; }
  bool training() const { return backward_ || (net_.flags & FRNN_TRAINING) != 0; }
  bool masked() const { return training() && net_.dropout > 0; }
  bool adds(int64_t k) const { return net_.residual != 0 && k > 0; }
  bool empty() const { return net_.T == 0 || net_.B == 0; }

  int64_t chunks() const { return chunks_; }
  int64_t steps(int64_t j) const { return std::min(chunk_steps_, net_.T - j * chunk_steps_); }
  // Calls that run at the same time have a lane and a workspace each: the directions of a layer,
  // or in a wavefront the layers.
  int64_t lane_count() const { return backend_ == "cpu" ? 1 : chunks_ > 1 ? net_.L : net_.D; }
  int64_t lane_of(int64_t k, int64_t d) const { return chunks_ > 1 ? k : d; }

  int64_t width() const { return net_.D * width_of(net_.H, net_.P); }
  // A sequence of the layers' width, and where chunk j of one begins; absent ones stay so.
  int64_t sequence_bytes(int64_t j) const { return steps(j) * step_bytes(width()); }
  int64_t at_chunk(int64_t sequence, int64_t j) const {
    return sequence == 0 ? 0 : sequence + j * chunk_steps_ * step_bytes(width());
  }
  int64_t dx_of(int64_t k, int64_t j) const;
  int64_t in(int64_t k) const { return in_[static_cast<size_t>(k)]; }
  int64_t raw(int64_t k) const { return raw_[static_cast<size_t>(k)]; }
  int64_t din(int64_t k) const { return din_[static_cast<size_t>(k)]; }

 private:
  // A state between two chunks: h and, for an LSTM, c.
  struct State {
    int64_t h, c;
  };

  int64_t step_bytes(int64_t features) const { return net_.B * features * bytes_of(net_.dtype); }
  void lay_out_activations(Carver* slices);
  State take_state(Carver* slices) const;
  void lay_out_states(Carver* kept, Carver* scratch);
  void bind_parameters(int64_t k, int64_t d, frnn_rnn* rnn) const;
  void bind_packed(int64_t k, int64_t d, frnn_rnn* rnn) const;
  void bind_states(int64_t k, int64_t d, int64_t j, frnn_rnn* rnn) const;
  const State& between(int64_t k, int64_t j) const;
  Status check_weights() const;
  Status check_packed_room() const;
  Status check_part(const Device& device, int64_t k, int64_t d, int64_t j) const;

  const frnn_net& net_;
  const std::string backend_;
  const bool backward_;
  int64_t chunks_ = 1;
  int64_t chunk_steps_ = 0;
  std::vector<int64_t> in_, raw_;   // by layer
  std::vector<int64_t> reserve_;    // by (layer * D + direction) * chunks + chunk
  std::vector<int64_t> workspace_;  // by lane
  std::vector<int64_t> din_;        // by layer, two slots
  std::vector<int64_t> packed_;     // by layer * D + direction
  std::vector<State> states_;       // of a wavefront, by layer and chunk: after it
  std::vector<State> gradients_;    // likewise backward, by layer, two slots
  int64_t part_reserve_bytes_ = 0;
  int64_t part_workspace_bytes_ = 0;
  int64_t reserve_used_ = 0;
  int64_t workspace_used_ = 0;
  int64_t packed_used_ = 0;
};

}  // namespace frnn

#endif  // FUSEDRNN_SRC_HOST_NET_PARTS_H_
