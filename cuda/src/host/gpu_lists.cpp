// Clipping, optimisers and single words on a gpu.

#include "host/gpu_device.h"
#include "kernels/tables.h"

namespace frnn {
namespace {

// A grid holds fewer than 2^31 blocks, up to 8 of them to a chunk.
Status chunks_fit(const char* what, int64_t chunks) {
  if (chunks < int64_t{1} << 28) return Status::success();
  return Status::fail(FRNN_UNSUPPORTED,
                      format("%s: a gpu serves fewer than 2^28, got %lld: make several lists", what,
                             static_cast<long long>(chunks)));
}

}  // namespace

Status GpuDevice::write_word(const WordWrite& write) {
  return frnn::write_word({*context_, write.stream}, write.address, write.word);
}

Status GpuDevice::clip_by_global_norm(const frnn_clip& clip) {
  FRNN_TRY(chunks_fit("clip.chunks", clip.chunks));
  return frnn::clip_by_global_norm({*context_, clip.stream}, clip);
}

Status GpuDevice::optimizer_step(const frnn_optimizer& optimizer) {
  FRNN_TRY(chunks_fit("optimizer.chunks", optimizer.chunks));
  return frnn::optimizer_step({*context_, optimizer.stream}, optimizer);
}

}  // namespace frnn
