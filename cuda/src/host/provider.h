// What a backend implements. The door (door.cpp) checks every argument and handle, then calls the
// provider; so a provider may rely on: non-null required addresses, legal enums, sizes and flags,
// workspace and reserve as large as the plan asks, T > 0 and B > 0 (N > 0) where work is to be
// done; `packed` of a sequence, where the plan asks bytes for it, is 0 in a forward call or lies at
// a multiple of 64 and has that room, and where it asks none means nothing.
//
// libfusedrnn.so holds the door and the cpu provider. libfusedrnn_cuda.so and
// libfusedrnn_emulated.so lie beside it and are opened when first asked for; each exports
// `extern "C" frnn::Provider* frnn_provider_1()`.

#ifndef FUSEDRNN_SRC_HOST_PROVIDER_H_
#define FUSEDRNN_SRC_HOST_PROVIDER_H_

#include <cstdint>
#include <memory>
#include <string>

#include "cells/philox.h"
#include "fusedrnn.h"
#include "host/planner.h"
#include "host/status.h"

namespace frnn {

// out = mask(a + b): dropout between layers, forward and backward, and residual connections.
struct MaskAdd {
  int64_t T, B, F;
  int64_t dtype;
  int64_t
      batch_first;  // rows are [B, T] instead of [T, B]; the mask is the same for the same (t, b)
  int64_t a;        // [T * B, F]
  int64_t b;        // [T * B, F], or 0
  int64_t out;      // [T * B, F] =; may be a or b
  double p;         // 0: no mask. Otherwise mask kind 0 as fusedrnn.h has it
  MaskSource source;
  int64_t stream;
};

struct WordWrite {
  int64_t address, word, stream;
};

class Device {
 public:
  virtual ~Device() = default;

  virtual std::string describe() = 0;  // one JSON object
  virtual Status set(const std::string& key, int64_t value) = 0;
  virtual Status counter(const std::string& key, int64_t* value) = 0;
  virtual Status synchronize() = 0;

  virtual Status alloc(int64_t bytes, int64_t* address) = 0;  // bytes > 0
  virtual Status free(int64_t address) = 0;                   // address != 0
  virtual Status copy(int64_t destination, int64_t source, int64_t bytes, int64_t kind,
                      int64_t stream) = 0;
  virtual Status fill(int64_t address, int byte_value, int64_t bytes, int64_t stream) = 0;

  virtual Status stream_create(int64_t* stream) = 0;
  virtual Status stream_destroy(int64_t stream) = 0;
  virtual Status stream_synchronize(int64_t stream) = 0;
  virtual Status stream_wait(int64_t stream, int64_t event) = 0;
  virtual Status event_create(int64_t* event) = 0;
  virtual Status event_destroy(int64_t event) = 0;
  virtual Status event_record(int64_t event, int64_t stream) = 0;
  virtual Status event_synchronize(int64_t event) = 0;
  virtual Status event_done(int64_t event, int64_t* done) = 0;
  virtual Status event_elapsed_us(int64_t start, int64_t end, double* us) = 0;

  virtual Status capture_begin(int64_t stream) = 0;
  virtual Status capture_end(int64_t stream, int64_t* graph) = 0;  // graph null: drops it
  virtual Status graph_launch(int64_t graph, int64_t stream) = 0;
  virtual Status graph_destroy(int64_t graph) = 0;
  virtual Status host_register(int64_t address, int64_t bytes) = 0;  // neither is 0
  virtual Status host_unregister(int64_t address) = 0;

  virtual Planner* planner() const = 0;  // null: one way to run a sequence
  virtual Status rnn_forward(const frnn_rnn& rnn) = 0;
  // `before_dx`, where not 0, is an event that must have happened before dx is read or written:
  // two directions of a layer run at the same time up to there.
  virtual Status rnn_backward(const frnn_rnn& rnn, int64_t before_dx) = 0;
  Status rnn_backward(const frnn_rnn& rnn) { return rnn_backward(rnn, 0); }
  // Called where the plan has bytes for it; of any T and B. A backend whose plan never has keeps
  // this one.
  virtual Status rnn_pack(const frnn_rnn&) { return Status::success(); }
  // Whether `packed` holds what this forward call reads, as far as that can be told before it runs.
  virtual Status check_packed(const frnn_rnn&) const { return Status::success(); }
  virtual bool serves_16_bit() const = 0;  // bf16 and f16, in every operation
  virtual Status mask_add(const MaskAdd& mask_add) = 0;
  virtual Status write_word(const WordWrite& write) = 0;
  virtual Status clip_by_global_norm(const frnn_clip& clip) = 0;       // also of no chunk
  virtual Status optimizer_step(const frnn_optimizer& optimizer) = 0;  // likewise
  virtual Status linear_forward(const frnn_linear& linear) = 0;
  virtual Status linear_backward(const frnn_linear& linear) = 0;
  virtual Status embedding_forward(const frnn_embedding& embedding) = 0;
  virtual Status embedding_backward(const frnn_embedding& embedding) = 0;
  virtual Status softmax_xent_forward_backward(const frnn_softmax_xent& xent) = 0;
  virtual Status mse_forward_backward(const frnn_mse& mse) = 0;
  virtual Status sample(const frnn_sample& sample) = 0;
};

class Provider {
 public:
  virtual ~Provider() = default;
  virtual std::string build_info() = 0;  // one JSON object
  // Keys as in frnn_set_option; a provider passes over keys of other providers.
  virtual Status set_option(const std::string& key, const std::string& value) = 0;
  virtual Status device_count(int64_t* count) = 0;
  virtual Status open(int64_t ordinal, std::unique_ptr<Device>* device) = 0;
};

Provider& cpu_provider();  // cuda/src/cpu/

}  // namespace frnn

extern "C" FRNN_API frnn::Provider* frnn_provider_1();  // in each provider library

#endif  // FUSEDRNN_SRC_HOST_PROVIDER_H_
