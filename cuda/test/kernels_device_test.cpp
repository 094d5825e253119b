// What the gpu device does around its kernels: a caller's BLAS handle is put back as it was, calls
// allocate and wait for nothing, sizes too large are refused, descriptions are complete.

#include "gpu.h"
#include "host/blas.h"
#include "host/gpu_layout.h"
#include "host/plan.h"

namespace frnn {
namespace {

using namespace testing;

frnn_linear linear_call(Tensor<float>& memory, Tensor<char>& workspace) {
  frnn_linear linear{};
  linear.dtype = FRNN_F32;
  linear.N = 2, linear.I = 3, linear.O = 4;
  linear.x = linear.w = memory.address();
  linear.y = memory.address() + 4 * 64;
  linear.workspace = workspace.address(), linear.workspace_bytes = workspace.bytes();
  return linear;
}

void check_callers_handle() {
  const auto device = open_gpu(1);
  Tensor<float> memory(*device, std::vector<float>(128, 1.0f));
  frnn_linear sizes{};
  sizes.N = 2, sizes.I = 3, sizes.O = 4;
  Tensor<char> workspace(*device, gpu_linear_workspace_bytes(sizes));
  Blas blas;
  FRNN_CHECK_OK(open_blas("", &blas));
  void* handle = nullptr;
  FRNN_CHECK(blas.create(&handle) == 0);
  int64_t stream = 0, other = 0;
  FRNN_CHECK_OK(device->stream_create(&stream));
  FRNN_CHECK_OK(device->stream_create(&other));
  for (const int64_t callers_stream : {stream, other}) {
    FRNN_CHECK(blas.set_stream(handle, reinterpret_cast<void*>(callers_stream)) == 0);
    FRNN_CHECK(blas.set_pointer_mode(handle, 1) == 0);
    FRNN_CHECK(blas.set_math_mode(handle, kBlasTf32Math) == 0);
    frnn_linear linear = linear_call(memory, workspace);
    linear.stream = stream;
    linear.blas = reinterpret_cast<int64_t>(handle);
    FRNN_CHECK_OK(device->linear_forward(linear));
    void* found_stream = nullptr;
    int pointers = -1, math = -1;
    FRNN_CHECK(blas.get_stream(handle, &found_stream) == 0);
    FRNN_CHECK(blas.get_pointer_mode(handle, &pointers) == 0);
    FRNN_CHECK(blas.get_math_mode(handle, &math) == 0);
    FRNN_CHECK(reinterpret_cast<int64_t>(found_stream) == callers_stream);
    FRNN_CHECK(pointers == 1 && math == kBlasTf32Math);
    FRNN_CHECK_OK(device->stream_synchronize(stream));
    FRNN_CHECK(memory.read()[64] == 3.0f);
  }
  FRNN_CHECK(blas.destroy(handle) == 0);
  FRNN_CHECK_OK(device->stream_destroy(stream));
  FRNN_CHECK_OK(device->stream_destroy(other));
}

int64_t counter(Device& device, const char* key) {
  int64_t value = -1;
  FRNN_CHECK_OK(device.counter(key, &value));
  return value;
}

void check_counters() {
  const auto device = open_gpu(1);
  const int64_t T = 5, B = 2, I = 3, H = 4;
  Tensor<float> memory(*device, std::vector<float>(4096, 0.1f));
  frnn_rnn rnn{};
  rnn.cell = FRNN_LSTM, rnn.dtype = FRNN_F32, rnn.T = T, rnn.B = B, rnn.I = I, rnn.H = H;
  rnn.kernel = FRNN_KERNEL_STEP;
  rnn.w_ih = rnn.w_hh = rnn.x = memory.address();
  rnn.y = memory.address() + 4 * 1024;
  Tensor<char> workspace(*device, gpu_rnn_sizes(rnn).forward_workspace_bytes);
  rnn.workspace = workspace.address(), rnn.workspace_bytes = workspace.bytes();
  const int64_t allocations = counter(*device, "allocations");
  const int64_t waits = counter(*device, "synchronizations");
  const int64_t launches = counter(*device, "launches");
  const int64_t gemms = counter(*device, "gemms");
  FRNN_CHECK_OK(device->rnn_forward(rnn));
  FRNN_CHECK(counter(*device, "allocations") == allocations);
  FRNN_CHECK(counter(*device, "synchronizations") == waits);
  FRNN_CHECK(counter(*device, "launches") == launches + T);
  FRNN_CHECK(counter(*device, "gemms") == gemms + T + 1);
  FRNN_CHECK_OK(device->synchronize());
}

void check_too_large() {
  const auto device = open_gpu(1);
  frnn_rnn rnn{};
  rnn.cell = FRNN_GRU, rnn.T = int64_t{1} << 20, rnn.B = int64_t{1} << 11, rnn.I = 1, rnn.H = 1;
  Status status = device->rnn_forward(rnn);
  FRNN_CHECK(status.code == FRNN_UNSUPPORTED && status.text.find("2^31") != std::string::npos);
  frnn_linear linear{};
  linear.N = 1, linear.I = 1, linear.O = int64_t{1} << 31;
  status = device->linear_forward(linear);
  FRNN_CHECK(status.code == FRNN_UNSUPPORTED);
  FRNN_CHECK(status.text.find("linear.O") != std::string::npos);
  frnn_embedding embedding{};
  embedding.N = 1, embedding.V = int64_t{1} << 31, embedding.E = 1;
  FRNN_CHECK(device->embedding_backward(embedding).code == FRNN_UNSUPPORTED);
  FRNN_CHECK_OK(device->synchronize());
}

void check_description() {
  const auto device = open_gpu(1);
  const std::string text = device->describe();
  for (const char* part :
       {"\"backend\": \"emulated\"", "\"name\"", "\"multiprocessors\"", "\"compute_capability\"",
        "\"memory_bytes\"", "\"driver\"", "\"blas\": {\"path\""}) {
    FRNN_CHECK(text.find(part) != std::string::npos);
  }
}

// Slices of a layout follow each other without overlap, and sizes grow with the problem.
void check_layout() {
  frnn_rnn rnn{};
  rnn.flags = FRNN_TRAINING, rnn.T = 3, rnn.B = 5, rnn.I = 7, rnn.H = 11;
  for (rnn.cell = FRNN_LSTM; rnn.cell <= FRNN_RNN_RELU; ++rnn.cell) {
    const RnnReserve reserve = rnn_reserve(rnn);
    const int64_t states = rnn.T * rnn.B * rnn.H;
    const int64_t kept = rnn.cell == FRNN_LSTM ? 5 : gates_of(rnn.cell) == 3 ? 4 : 0;
    FRNN_CHECK(reserve.bytes >= 4 * kept * states && reserve.bytes % 256 == 0);
    FRNN_CHECK(reserve.bytes <= 4 * kept * states + 2 * 256);
    const RnnBackwardWorkspace work = rnn_backward_workspace(rnn);
    FRNN_CHECK(work.bytes >= 4 * gates_of(rnn.cell) * states + work.blas_bytes);
  }
}

}  // namespace
}  // namespace frnn

int main() {
  frnn::check_callers_handle();
  frnn::check_counters();
  frnn::check_too_large();
  frnn::check_description();
  frnn::check_layout();
  return frnn::testing::report();
}
