// A gpu behind the door, real or emulated: the same code over machine/host.h and the BLAS table.

#ifndef FUSEDRNN_SRC_HOST_GPU_DEVICE_H_
#define FUSEDRNN_SRC_HOST_GPU_DEVICE_H_

#include <memory>
#include <string>

#include "host/gpu_blas.h"
#include "host/provider.h"
#include "machine/host.h"

namespace frnn {

class GpuDevice final : public Device {
 public:
  // Opens the device and cuBLAS: `cublas` is the option's path, or empty.
  static Status open(int64_t ordinal, const std::string& cublas, std::unique_ptr<Device>* device);

  std::string describe() override;
  Status set(const std::string& key, int64_t value) override;
  Status counter(const std::string& key, int64_t* value) override;
  Status synchronize() override;

  Status alloc(int64_t bytes, int64_t* address) override;
  Status free(int64_t address) override;
  Status copy(int64_t destination, int64_t source, int64_t bytes, int64_t kind,
              int64_t stream) override;
  Status fill(int64_t address, int byte_value, int64_t bytes, int64_t stream) override;

  Status stream_create(int64_t* stream) override;
  Status stream_destroy(int64_t stream) override;
  Status stream_synchronize(int64_t stream) override;
  Status stream_wait(int64_t stream, int64_t event) override;
  Status event_create(int64_t* event) override;
  Status event_destroy(int64_t event) override;
  Status event_record(int64_t event, int64_t stream) override;
  Status event_synchronize(int64_t event) override;
  Status event_done(int64_t event, int64_t* done) override;
  Status event_elapsed_us(int64_t start, int64_t end, double* us) override;

  Status capture_begin(int64_t stream) override;
  Status capture_end(int64_t stream, int64_t* graph) override;
  Status graph_launch(int64_t graph, int64_t stream) override;
  Status graph_destroy(int64_t graph) override;
  Status host_register(int64_t address, int64_t bytes) override;
  Status host_unregister(int64_t address) override;

  Status rnn_forward(const frnn_rnn& rnn) override;
  using Device::rnn_backward;
  Status rnn_backward(const frnn_rnn& rnn, int64_t before_dx) override;
  bool serves_16_bit() const override { return true; }
  Planner* planner() const override { return planner_.get(); }
  Status mask_add(const MaskAdd& what) override;
  Status write_word(const WordWrite& write) override;
  Status clip_by_global_norm(const frnn_clip& clip) override;
  Status optimizer_step(const frnn_optimizer& optimizer) override;
  Status linear_forward(const frnn_linear& linear) override;
  Status linear_backward(const frnn_linear& linear) override;
  Status embedding_forward(const frnn_embedding& embedding) override;
  Status embedding_backward(const frnn_embedding& embedding) override;
  Status softmax_xent_forward_backward(const frnn_softmax_xent& xent) override;
  Status mse_forward_backward(const frnn_mse& mse) override;
  Status sample(const frnn_sample& sample) override;

 private:
  GpuDevice() = default;

  std::unique_ptr<machine::Context> context_;
  GpuBlas blas_;  // after the context: its handle goes first
  std::unique_ptr<Planner> planner_;
};

}  // namespace frnn

#endif  // FUSEDRNN_SRC_HOST_GPU_DEVICE_H_
