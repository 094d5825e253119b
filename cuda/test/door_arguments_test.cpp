// Goal: whatever a caller passes, the door answers with a code and a sentence and the process
// lives. Method: one legal call per operation on the cpu and the emulated backend, then the same
// struct with one field made wrong; each refusal is compared with a piece of its text.

#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "fusedrnn.h"
#include "testing.h"

namespace {

void expect(int got, int expected, const char* piece, const char* where) {
  const std::string text = got == FRNN_OK ? "(no error)" : frnn_last_error();
  if (got == expected && (got == FRNN_OK || text.find(piece) != std::string::npos)) return;
  frnn::testing::fail(__FILE__, __LINE__,
                      std::string(where) + ": expected status " + std::to_string(expected) +
                          " with '" + piece + "', got " + std::to_string(got) + ": " + text);
}

// Device memory that frees itself.
class Memory {
 public:
  Memory(int64_t device, int64_t bytes) : device_(device) {
    expect(frnn_alloc(device, bytes, &address_), FRNN_OK, "", "alloc");
    expect(frnn_fill(device, address_, 0, bytes, 0), FRNN_OK, "", "fill");
  }
  ~Memory() { frnn_free(device_, address_); }
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;
  int64_t address() const { return address_; }

 private:
  int64_t device_;
  int64_t address_ = 0;
};

template <typename Struct>
struct Wrong {
  const char* piece;
  int code;
  std::function<void(Struct&)> spoil;
};

template <typename Struct, typename Call>
void refuse_all(const Struct& legal, Call call, const std::vector<Wrong<Struct>>& wrongs) {
  expect(call(&legal), FRNN_OK, "", "the legal call");
  for (const Wrong<Struct>& wrong : wrongs) {
    Struct spoilt = legal;
    wrong.spoil(spoilt);
    expect(call(&spoilt), wrong.code, wrong.piece, wrong.piece);
  }
  expect(call(nullptr), FRNN_INVALID_ARGUMENT, "got null", "a null struct");
  Struct sized = legal;
  sized.struct_bytes = 12;
  expect(call(&sized), FRNN_INVALID_ARGUMENT, "struct_bytes", "struct_bytes 12");
  sized.struct_bytes = sizeof(Struct) + 8;
  expect(call(&sized), FRNN_INVALID_ARGUMENT, "struct_bytes", "a newer struct");
}

constexpr int64_t kHuge = std::numeric_limits<int64_t>::max() / 4;

void rnn_arguments(const char* backend, int64_t device) {
  frnn_rnn rnn{};
  rnn.struct_bytes = sizeof rnn;
  rnn.cell = FRNN_GRU;
  rnn.dtype = FRNN_F32;
  rnn.flags = FRNN_TRAINING;
  rnn.T = 2, rnn.B = 3, rnn.I = 5, rnn.H = 7;
  frnn_rnn_sizes sizes{};
  expect(frnn_rnn_bytes(backend, &rnn, &sizes), FRNN_OK, "", "rnn_bytes");
  expect(frnn_rnn_bytes("tpu", &rnn, &sizes), FRNN_INVALID_ARGUMENT, "got 'tpu'", "backend tpu");
  expect(frnn_rnn_bytes(backend, &rnn, nullptr), FRNN_INVALID_ARGUMENT, "sizes", "null sizes");
  const Memory w_ih(device, 4 * 21 * 5), w_hh(device, 4 * 21 * 7), x(device, 4 * 2 * 3 * 5);
  const Memory y(device, 4 * 2 * 3 * 7), state(device, 4 * 3 * 7);
  const Memory reserve(device, sizes.reserve_bytes + 16);
  const int64_t scratch_bytes =
      16 + std::max(sizes.forward_workspace_bytes, sizes.backward_workspace_bytes);
  const Memory workspace(device, scratch_bytes);
  rnn.w_ih = w_ih.address(), rnn.w_hh = w_hh.address();
  rnn.x = x.address(), rnn.y = y.address();
  rnn.reserve = reserve.address(), rnn.reserve_bytes = sizes.reserve_bytes;
  rnn.workspace = workspace.address(), rnn.workspace_bytes = scratch_bytes;
  const int bad = FRNN_INVALID_ARGUMENT;
  const std::vector<Wrong<frnn_rnn>> wrongs = {
      {"rnn.cell", bad, [](frnn_rnn& r) { r.cell = 99; }},
      {"rnn.dtype: expected an frnn_dtype", bad, [](frnn_rnn& r) { r.dtype = -1; }},
      {"got f64", FRNN_UNSUPPORTED, [](frnn_rnn& r) { r.dtype = FRNN_F64; }},
      {"rnn.flags", bad, [](frnn_rnn& r) { r.flags = 1 << 20; }},
      {"rnn.T: expected at least 0, got -1", bad, [](frnn_rnn& r) { r.T = -1; }},
      {"rnn.B: expected at least 0", bad, [](frnn_rnn& r) { r.B = -3; }},
      {"rnn.I: expected at least 1", bad, [](frnn_rnn& r) { r.I = 0; }},
      {"rnn.H: expected at least 1", bad, [](frnn_rnn& r) { r.H = 0; }},
      {"more than 2^60", bad, [](frnn_rnn& r) { r.T = kHuge; }},
      {"more than 2^60", bad, [](frnn_rnn& r) { r.H = kHuge; }},
      {"rnn.w_ih: expected the address", bad, [](frnn_rnn& r) { r.w_ih = 0; }},
      {"rnn.w_hh: expected the address", bad, [](frnn_rnn& r) { r.w_hh = 0; }},
      {"rnn.x: expected the address", bad, [](frnn_rnn& r) { r.x = 0; }},
      {"rnn.x: expected an address aligned", bad, [](frnn_rnn& r) { r.x += 2; }},
      {"rnn.y: expected the address", bad, [](frnn_rnn& r) { r.y = 0; }},
      {"only an LSTM", bad, [](frnn_rnn& r) { r.c0 = r.x; }},
      {"reserve_bytes", FRNN_WORKSPACE_TOO_SMALL, [](frnn_rnn& r) { r.reserve_bytes = 4; }},
      {"rnn.reserve: expected an address", bad, [](frnn_rnn& r) { r.reserve = 0; }},
  };
  refuse_all<frnn_rnn>(
      rnn, [&](const frnn_rnn* r) { return frnn_rnn_forward(device, r); }, wrongs);
  refuse_all<frnn_rnn>(
      rnn, [&](const frnn_rnn* r) { return frnn_rnn_backward(device, r); }, wrongs);
  rnn.h0 = rnn.hT = state.address();
  expect(frnn_rnn_forward(device, &rnn), bad, "memory of their own", "hT = h0 in training");
  if (sizes.forward_workspace_bytes > 0) {
    rnn.hT = 0, rnn.workspace_bytes = 1;
    expect(frnn_rnn_forward(device, &rnn), FRNN_WORKSPACE_TOO_SMALL, "workspace_bytes",
           "a small workspace");
  }
  expect(frnn_device_synchronize(device), FRNN_OK, "", "nothing wrong was launched");
}

void other_arguments(const char* backend, int64_t device) {
  const Memory a(device, 4096), b(device, 4096), c(device, 4096), result(device, 64);
  const int bad = FRNN_INVALID_ARGUMENT;
  frnn_linear linear{};
  linear.struct_bytes = sizeof linear;
  linear.dtype = FRNN_F32;
  linear.N = 3, linear.I = 5, linear.O = 7;
  int64_t bytes = 0;
  expect(frnn_linear_bytes(backend, &linear, &bytes), FRNN_OK, "", "linear_bytes");
  const Memory workspace(device, bytes + 64);
  linear.workspace = workspace.address(), linear.workspace_bytes = bytes;
  linear.x = a.address(), linear.w = b.address(), linear.y = c.address();
  refuse_all<frnn_linear>(linear,
                          [&](const frnn_linear* l) { return frnn_linear_forward(device, l); },
                          {{"linear.N", bad, [](frnn_linear& l) { l.N = -1; }},
                           {"linear.I", bad, [](frnn_linear& l) { l.I = 0; }},
                           {"linear.O", bad, [](frnn_linear& l) { l.O = 0; }},
                           {"linear.x", bad, [](frnn_linear& l) { l.x = 0; }},
                           {"linear.w", bad, [](frnn_linear& l) { l.w = 1; }}});
  frnn_embedding embedding{};
  embedding.struct_bytes = sizeof embedding;
  embedding.dtype = FRNN_F32;
  embedding.N = 3, embedding.V = 5, embedding.E = 7;
  embedding.ids = a.address(), embedding.table = b.address(), embedding.y = c.address();
  refuse_all<frnn_embedding>(
      embedding, [&](const frnn_embedding* e) { return frnn_embedding_forward(device, e); },
      {{"embedding.V", bad, [](frnn_embedding& e) { e.V = 0; }},
       {"embedding.ids", bad, [](frnn_embedding& e) { e.ids = 0; }},
       {"embedding.flags", bad, [](frnn_embedding& e) { e.flags = FRNN_TRAINING; }}});
  embedding.dy = c.address(), embedding.dtable = b.address();
  expect(frnn_embedding_bytes(backend, &embedding, &bytes), FRNN_OK, "", "embedding_bytes");
  const Memory room(device, bytes + 64);
  embedding.workspace = room.address(), embedding.workspace_bytes = bytes;
  std::vector<Wrong<frnn_embedding>> wrongs = {
      {"embedding.dtable", bad, [](frnn_embedding& e) { e.dtable = 0; }}};
  if (bytes > 0) {
    wrongs.push_back({"embedding.workspace_bytes", FRNN_WORKSPACE_TOO_SMALL,
                      [](frnn_embedding& e) { --e.workspace_bytes; }});
  }
  refuse_all<frnn_embedding>(
      embedding, [&](const frnn_embedding* e) { return frnn_embedding_backward(device, e); },
      wrongs);
  frnn_softmax_xent xent{};
  xent.struct_bytes = sizeof xent;
  xent.dtype = FRNN_F32;
  xent.N = 3, xent.V = 5;
  xent.logits = a.address(), xent.targets = b.address(), xent.result = result.address();
  xent.workspace = c.address(), xent.workspace_bytes = 24;
  refuse_all<frnn_softmax_xent>(
      xent,
      [&](const frnn_softmax_xent* s) { return frnn_softmax_xent_forward_backward(device, s); },
      {{"softmax_xent.V", bad, [](frnn_softmax_xent& s) { s.V = 0; }},
       {"softmax_xent.flags", bad, [](frnn_softmax_xent& s) { s.flags = FRNN_TRAINING; }},
       {"label_smoothing", bad, [](frnn_softmax_xent& s) { s.label_smoothing = 1; }},
       {"softmax_xent.scale", bad, [](frnn_softmax_xent& s) { s.scale = std::nan(""); }},
       {"loss_scale", bad, [](frnn_softmax_xent& s) { s.loss_scale = 4; }},
       {"softmax_xent.result", bad, [](frnn_softmax_xent& s) { s.result = 0; }},
       {"at least 24 bytes", FRNN_WORKSPACE_TOO_SMALL,
        [](frnn_softmax_xent& s) { s.workspace_bytes = 23; }}});
}

void loss_and_sample_arguments(const char* backend, int64_t device) {
  const Memory a(device, 4096), b(device, 4096), c(device, 4096), result(device, 64);
  const int bad = FRNN_INVALID_ARGUMENT;
  frnn_mse mse{};
  mse.struct_bytes = sizeof mse;
  mse.dtype = FRNN_F32;
  mse.N = 3, mse.F = 5;
  mse.y = a.address(), mse.targets = b.address(), mse.result = result.address();
  mse.workspace = c.address(), mse.workspace_bytes = 8;
  refuse_all<frnn_mse>(
      mse, [&](const frnn_mse* m) { return frnn_mse_forward_backward(device, m); },
      {{"mse.F", bad, [](frnn_mse& m) { m.F = 0; }},
       {"mse.targets", bad, [](frnn_mse& m) { m.targets = 0; }},
       {"mse.weights", bad, [](frnn_mse& m) { m.weights = 2; }},
       {"mse.result", bad, [](frnn_mse& m) { m.result = 0; }},
       {"at least 8 bytes", FRNN_WORKSPACE_TOO_SMALL, [](frnn_mse& m) { m.workspace_bytes = 0; }}});
  frnn_sample sample{};
  sample.struct_bytes = sizeof sample;
  sample.dtype = FRNN_F32;
  sample.N = 3, sample.V = 5, sample.temperature = 1, sample.top_p = 1;
  sample.logits = a.address(), sample.ids = b.address();
  const auto call = [&](const frnn_sample* s) { return frnn_sample_rows(device, s); };
  refuse_all<frnn_sample>(
      sample, call,
      {{"sample.V", bad, [](frnn_sample& s) { s.V = 0; }},
       {"fewer than 8388608", FRNN_UNSUPPORTED, [](frnn_sample& s) { s.V = 1 << 23; }},
       {"sample.temperature", bad, [](frnn_sample& s) { s.temperature = -1; }},
       {"sample.temperature", bad, [](frnn_sample& s) { s.temperature = std::nan(""); }},
       {"sample.top_k", bad, [](frnn_sample& s) { s.top_k = -1; }},
       {"sample.top_p", bad, [](frnn_sample& s) { s.top_p = 0; }},
       {"sample.top_p", bad, [](frnn_sample& s) { s.top_p = 1.5; }},
       {"sample.ids", bad, [](frnn_sample& s) { s.ids = 0; }},
       {"sample.offset_address", bad, [](frnn_sample& s) { s.offset_address = 4; }}});
  sample.dtype = FRNN_BF16;
  const bool cpu = std::strcmp(backend, "cpu") == 0;
  expect(call(&sample), cpu ? FRNN_UNSUPPORTED : FRNN_OK, "does not compute in bf16", "bf16");
  expect(frnn_device_synchronize(device), FRNN_OK, "", "nothing wrong was launched");
}

void clip_arguments(int64_t device, int64_t table, const frnn_table_sizes& sizes) {
  const int bad = FRNN_INVALID_ARGUMENT;
  const Memory result(device, 64), scratch(device, 64);
  frnn_clip clip{};
  clip.struct_bytes = sizeof clip;
  clip.table = table, clip.chunks = sizes.chunks, clip.layout = sizes.layout;
  clip.list = 1, clip.action = FRNN_SCALE, clip.max_norm = 1, clip.result = result.address();
  clip.workspace = scratch.address(), clip.workspace_bytes = 32;
  refuse_all<frnn_clip>(clip,
                        [&](const frnn_clip* c) { return frnn_clip_by_global_norm(device, c); },
                        {{"clip.max_norm", bad, [](frnn_clip& c) { c.max_norm = 0; }},
                         {"clip.max_norm", bad, [](frnn_clip& c) { c.max_norm = std::nan(""); }},
                         {"clip.list", bad, [](frnn_clip& c) { c.list = 3; }},
                         {"clip.layout", bad, [](frnn_clip& c) { c.layout ^= 1; }},
                         {"clip.action", bad, [](frnn_clip& c) { c.action = 3; }},
                         {"clip.norm_kind", bad, [](frnn_clip& c) { c.norm_kind = 3; }},
                         {"clip.policy", bad, [](frnn_clip& c) { c.policy = -1; }},
                         {"clip.per_tensor", bad, [](frnn_clip& c) { c.per_tensor = 2; }},
                         {"clip.loss_scale", bad, [](frnn_clip& c) { c.loss_scale = 4; }},
                         {"clip.result", bad, [](frnn_clip& c) { c.result = 0; }},
                         {"workspace_bytes", FRNN_WORKSPACE_TOO_SMALL,
                          [](frnn_clip& c) { c.workspace_bytes = 24; }}});
}

void optimizer_arguments(int64_t device, int64_t table, const frnn_table_sizes& sizes) {
  const int bad = FRNN_INVALID_ARGUMENT;
  const Memory state(device, 80), clip(device, 64);
  frnn_optimizer optimizer{};
  optimizer.struct_bytes = sizeof optimizer;
  optimizer.kind = FRNN_SGD;
  optimizer.table = table, optimizer.chunks = sizes.chunks, optimizer.layout = sizes.layout;
  optimizer.state = state.address(), optimizer.clip = clip.address();
  optimizer.growth_factor = 2, optimizer.backoff_factor = 0.5, optimizer.growth_interval = 100;
  using O = frnn_optimizer;
  refuse_all<O>(
      optimizer, [&](const O* o) { return frnn_optimizer_step(device, o); },
      {{"optimizer.kind", bad, [](O& o) { o.kind = 7; }},
       {"adam needs lists", bad, [](O& o) { o.kind = FRNN_ADAM; }},
       {"rmsprop with this beta1", bad, [](O& o) { o.kind = FRNN_RMSPROP, o.beta1 = 0.9; }},
       {"beta1", bad, [](O& o) { o.beta1 = 1; }},
       {"weight_decay", bad, [](O& o) { o.weight_decay = -1; }},
       {"optimizer.layout", bad, [](O& o) { o.layout = 0; }},
       {"optimizer.state", bad, [](O& o) { o.state = 0; }},
       {"optimizer.clip", bad, [](O& o) { o.clip = 0, o.per_tensor = 1; }},
       {"optimizer.clip", bad, [](O& o) { o.loss_scale = o.clip, o.clip = 0; }},
       {"backoff_factor", bad, [](O& o) { o.loss_scale = o.clip, o.backoff_factor = 0; }},
       {"growth_interval", bad, [](O& o) { o.loss_scale = o.clip, o.growth_interval = 0; }},
       {"optimizer.schedule", bad, [](O& o) { o.schedule = 6; }},
       {"optimizer.period", bad, [](O& o) { o.schedule = FRNN_COSINE; }},
       {"optimizer.warmup", bad, [](O& o) { o.warmup = -1; }}});
  expect(frnn_write_word(device, state.address() + 4, 1, 0), bad, "8 bytes", "an odd address");
}

void list_arguments(int64_t device) {
  const int bad = FRNN_INVALID_ARGUMENT;
  const Memory a(device, 4096), b(device, 4096), v(device, 4096);
  std::vector<int64_t> lengths = {5, 0, 7};
  std::vector<int64_t> addresses = {a.address(), 0, a.address() + 64,
                                    b.address(), 0, b.address() + 64,
                                    v.address(), 0, v.address() + 64};
  frnn_tensors tensors{};
  tensors.struct_bytes = sizeof tensors;
  std::vector<int64_t> dtypes = {FRNN_F32, FRNN_BF16, FRNN_F32};
  tensors.dtypes = reinterpret_cast<int64_t>(dtypes.data());
  tensors.count = 3, tensors.lists = 3;
  tensors.lengths = reinterpret_cast<int64_t>(lengths.data());
  tensors.addresses = reinterpret_cast<int64_t>(addresses.data());
  frnn_table_sizes sizes{};
  expect(frnn_table_bytes(&tensors, &sizes), FRNN_OK, "", "table_bytes");
  FRNN_CHECK(sizes.chunks == 2);
  const int64_t bytes = sizes.bytes;
  const Memory table(device, bytes);
  const auto write = [&](const frnn_tensors* t) {
    return frnn_table_write(device, t, table.address(), bytes, 0);
  };
  refuse_all<frnn_tensors>(tensors, write,
                           {{"tensors.lists", bad, [](frnn_tensors& t) { t.lists = 6; }},
                            {"tensors.dtypes", bad, [](frnn_tensors& t) { t.dtypes = 0; }},
                            {"tensors.count", bad, [](frnn_tensors& t) { t.count = -1; }},
                            {"tensors.lengths", bad, [](frnn_tensors& t) { t.lengths = 0; }},
                            {"tensors.addresses", bad, [](frnn_tensors& t) { t.addresses = 0; }}});
  expect(frnn_table_write(device, &tensors, table.address(), bytes - 8, 0),
         FRNN_WORKSPACE_TOO_SMALL, "table_bytes", "a small table");
  dtypes[1] = FRNN_F64;
  expect(write(&tensors), FRNN_UNSUPPORTED, "tensors.dtypes[1]", "a list of f64");
  dtypes[1] = FRNN_BF16;
  lengths[1] = -1;
  expect(write(&tensors), bad, "tensors.lengths[1]", "a negative length");
  lengths[1] = 4;
  expect(write(&tensors), bad, "tensors.addresses[0][1]", "a missing address");
  clip_arguments(device, table.address(), sizes);
  optimizer_arguments(device, table.address(), sizes);
  expect(frnn_device_synchronize(device), FRNN_OK, "", "nothing wrong was launched");
}

void handles(const char* backend) {
  int64_t device = 0, value = 0;
  expect(frnn_device_open(backend, 99, &device), FRNN_UNAVAILABLE, "count from 0", "ordinal 99");
  expect(frnn_device_open(backend, 0, nullptr), FRNN_INVALID_ARGUMENT, "device", "null out");
  expect(frnn_device_open(backend, 0, &device), FRNN_OK, "", "open");
  FRNN_CHECK(frnn_device_describe(device) != nullptr);
  expect(frnn_device_set(device, "colour", 1), FRNN_INVALID_ARGUMENT, "colour", "a foreign key");
  expect(frnn_device_counter(device, "colour", &value), FRNN_INVALID_ARGUMENT, "colour",
         "a foreign counter");
  expect(frnn_alloc(device, -1, &value), FRNN_INVALID_ARGUMENT, "bytes", "negative bytes");
  expect(frnn_alloc(device, int64_t{1} << 60, &value), FRNN_OUT_OF_MEMORY, "", "2^60 bytes");
  expect(frnn_free(device, 4096), FRNN_INVALID_ARGUMENT, "", "free of a foreign address");
  expect(frnn_stream_synchronize(device, 12345), FRNN_INVALID_ARGUMENT, "stream",
         "a foreign stream");
  expect(frnn_event_synchronize(device, 12345), FRNN_INVALID_ARGUMENT, "event", "a foreign event");
  expect(frnn_copy(device, 0, 0, 8, FRNN_HOST_TO_DEVICE, 0), FRNN_INVALID_ARGUMENT, "destination",
         "copy to 0");
  expect(frnn_copy(device, 0, 0, 8, 9, 0), FRNN_INVALID_ARGUMENT, "kind", "copy kind 9");
  expect(frnn_device_close(device), FRNN_OK, "", "close");
  expect(frnn_device_close(device), FRNN_INVALID_ARGUMENT, "still open", "close twice");
  expect(frnn_alloc(device, 8, &value), FRNN_INVALID_ARGUMENT, "still open", "a closed device");
  FRNN_CHECK(frnn_device_describe(device) == nullptr);
}

}  // namespace

int main() {
  int64_t device = 0;
  expect(frnn_device_open("tpu", 0, &device), FRNN_INVALID_ARGUMENT, "got 'tpu'", "open tpu");
  expect(frnn_set_option("colour", "red"), FRNN_INVALID_ARGUMENT, "colour", "a foreign option");
  FRNN_CHECK(std::strstr(frnn_build_info(), frnn_version()) != nullptr);
  for (const char* const backend : {"cpu", "emulated"}) {
    handles(backend);
    expect(frnn_device_open(backend, 0, &device), FRNN_OK, "", "open");
    rnn_arguments(backend, device);
    other_arguments(backend, device);
    loss_and_sample_arguments(backend, device);
    list_arguments(device);
    expect(frnn_device_close(device), FRNN_OK, "", "close");
  }
  return frnn::testing::report();
}
