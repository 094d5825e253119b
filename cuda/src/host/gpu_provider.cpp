// The entry of a provider library: `fusedrnn_cuda` or `fusedrnn_emulated`.

#include <mutex>

#include "host/gpu_device.h"
#include "host/json_text.h"

namespace frnn {
namespace {

class GpuProvider final : public Provider {
 public:
  std::string build_info() override {
#if defined(FRNN_EMULATED)
    return "{\"compiler\": " + json_text(__VERSION__) + "}";
#else
    return "{\"cuda\": " + json_text(FRNN_CUDA_VERSION) +
           ", \"architectures\": " + json_text(FRNN_CUDA_ARCHITECTURES) +
           ", \"compiler\": " + json_text(__VERSION__) + "}";
#endif
  }

  Status set_option(const std::string& key, const std::string& value) override {
    const std::lock_guard<std::mutex> guard(lock_);
    if (key == "cublas") cublas_ = value;
    return Status::success();
  }

  Status device_count(int64_t* count) override {
    return machine::Context::device_count(count);
  }

  Status open(int64_t ordinal, std::unique_ptr<Device>* device) override {
    std::string cublas;
    {
      const std::lock_guard<std::mutex> guard(lock_);
      cublas = cublas_;
    }
    return GpuDevice::open(ordinal, cublas, device);
  }

 private:
  std::mutex lock_;
  std::string cublas_;
};

}  // namespace
}  // namespace frnn

extern "C" FRNN_API frnn::Provider* frnn_provider_1() {
  static frnn::GpuProvider* const provider = new frnn::GpuProvider;  // outlives exit handlers
  return provider;
}
