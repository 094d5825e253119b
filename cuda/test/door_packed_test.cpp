// Goal: weights packed once give, bit for bit, what the parameters give; those in bf16 give what
// rounded parameters give; a change is seen when they are packed again and not before; backends
// that pack nothing pass them over; what does not fit is refused, and writes nothing.
// Method: layers of odd sizes on every instruction set of the cpu and on the emulated gpu;
// fresh memory holds NaN.

#include "packed_layer.h"

namespace frnn {
namespace testing {
namespace {

bool same(const std::vector<Floats>& a, const std::vector<Floats>& b) {
  bool all = a.size() == b.size();
  for (size_t k = 0; all && k < a.size(); ++k)
    all = same_bits(a[k], b[k]);
  return all;
}
bool all_nan(const std::vector<Floats>& all) {
  for (const Floats& values : all) {
    if (!std::all_of(values.begin(), values.end(), [](float v) { return std::isnan(v); }))
      return false;
  }
  return true;
}

std::vector<Sizes> grid() {
  std::vector<Sizes> all;
  for (const int64_t cell :
       {FRNN_LSTM, FRNN_GRU, FRNN_GRU_RESET_BEFORE, FRNN_RNN_TANH, FRNN_RNN_RELU}) {
    all.push_back({cell, 1, 1, 1, 1});
    all.push_back({cell, 5, 1, 7, 33, false});
    all.push_back({cell, 3, 9, 17, 31});
    all.push_back({cell, 0, 2, 3, 5});
  }
  return all;
}

void same_bits_packed_and_not(const Place& place) {
  const DoorDevice device(place);
  for (const Sizes& s : grid()) {
    for (const int64_t flags : {int64_t{0}, int64_t{FRNN_TRAINING}}) {
      Layer layer(device, place, s, flags);
      const std::vector<Floats> expected = layer.run();
      layer.make_room();
      FRNN_CHECK((layer.rnn.packed_bytes > 0) == cpu(place));
      layer.pack();
      FRNN_CHECK(same(layer.run(), expected));
      FRNN_CHECK(layer.guards_intact());
    }
  }
}

void change_is_seen_when_packed(const Place& place) {
  const DoorDevice device(place);
  Layer layer(device, place, {FRNN_GRU, 4, 3, 5, 19});
  const std::vector<Floats> first = layer.run();
  layer.make_room();
  layer.pack();
  layer.change_weights();
  const bool packs = cpu(place);
  const int64_t packed = layer.rnn.packed;
  layer.rnn.packed = 0;
  const std::vector<Floats> second = layer.run();
  FRNN_CHECK(!same(first, second));
  layer.rnn.packed = packed;
  FRNN_CHECK(same(layer.run(), packs ? first : second));
  layer.pack();
  FRNN_CHECK(same(layer.run(), second));
}

void bf16_rounds_the_weights(const Place& place) {
  const DoorDevice device(place);
  for (const Sizes& s : grid()) {
    Layer layer(device, place, s);
    layer.make_room(FRNN_BF16);
    layer.pack();
    const std::vector<Floats> got = layer.run();
    FRNN_CHECK(layer.guards_intact());
    layer.rnn.packed = 0;
    const std::vector<Floats> exact = layer.run();
    layer.round_weights();
    const std::vector<Floats> expected = layer.run();
    for (size_t k = 0; k < got.size(); ++k)
      check_near("output", place, got[k], Doubles(expected[k].begin(), expected[k].end()), 64);
    if (s.T > 0 && s.H > 1) FRNN_CHECK(!same(got, exact));
  }
}

void sizes_need_no_device(const Place& place) {
  frnn_rnn rnn{};
  rnn.struct_bytes = sizeof rnn;
  rnn.cell = FRNN_LSTM, rnn.dtype = FRNN_F32, rnn.packed_dtype = FRNN_F32;
  rnn.I = 65, rnn.H = 129;
  const auto bytes = [&] {
    int64_t count = -1;
    must(frnn_rnn_packed_bytes(place.backend, &rnn, &count), "packed_bytes");
    return count;
  };
  const int64_t plain = bytes();
  FRNN_CHECK(cpu(place) ? plain >= 4 * 4 * 129 * (65 + 129) : plain == 0);
  rnn.T = 50, rnn.B = 32;
  FRNN_CHECK(bytes() == plain);
  frnn_rnn_sizes without{}, with{};
  must(frnn_rnn_bytes(place.backend, &rnn, &without), "rnn_bytes");
  rnn.packed = 4096;
  must(frnn_rnn_bytes(place.backend, &rnn, &with), "rnn_bytes");
  FRNN_CHECK(with.forward_workspace_bytes <= without.forward_workspace_bytes);
  FRNN_CHECK(with.backward_workspace_bytes == without.backward_workspace_bytes);
  rnn.packed = 0;
  if (cpu(place)) {
    rnn.packed_dtype = FRNN_BF16;
    FRNN_CHECK(bytes() > 0 && bytes() < plain);
    rnn.packed_dtype = FRNN_F32;
  }
  rnn.flags = FRNN_REVERSE, rnn.x_ld = 80, rnn.y_ld = 130;
  FRNN_CHECK(bytes() == plain);
  rnn.flags = FRNN_BATCH_FIRST;
  FRNN_CHECK(bytes() == 0);
  rnn.flags = 0, rnn.lengths = 4096;
  FRNN_CHECK(bytes() == 0);
  rnn.packed_dtype = FRNN_BF16;
  int64_t count = 0;
  refused(frnn_rnn_packed_bytes(place.backend, &rnn, &count), FRNN_UNSUPPORTED, "use FRNN_F32");
  rnn.packed_dtype = 0;
  refused(frnn_rnn_packed_bytes(place.backend, &rnn, &count), FRNN_INVALID_ARGUMENT,
          "rnn.packed_dtype: expected FRNN_F32 (1) or FRNN_BF16 (2), got 0");
  refused(frnn_rnn_packed_bytes("tpu", &rnn, &count), FRNN_INVALID_ARGUMENT, "got 'tpu'");
  refused(frnn_rnn_packed_bytes(place.backend, &rnn, nullptr), FRNN_INVALID_ARGUMENT, "bytes");
  refused(frnn_rnn_packed_bytes(place.backend, nullptr, &count), FRNN_INVALID_ARGUMENT, "null");
}

// Whatever is wrong with them, nothing is written.
void misfits_are_refused(const Place& place) {
  const DoorDevice device(place);
  const int64_t d = device.handle();
  Layer layer(device, place, {FRNN_GRU, 2, 3, 5, 19});
  layer.make_room();
  frnn_rnn& r = layer.rnn;
  const frnn_rnn legal = r;
  const int bad = FRNN_INVALID_ARGUMENT;
  refused(layer.forward(), bad, "never packed");
  r.packed_bytes -= 1;
  const std::string small = "rnn.packed_bytes: expected at least " +
                            std::to_string(legal.packed_bytes) + " bytes for this call, got " +
                            std::to_string(r.packed_bytes);
  refused(layer.forward(), FRNN_WORKSPACE_TOO_SMALL, small.c_str());
  refused(frnn_rnn_pack(d, &r), FRNN_WORKSPACE_TOO_SMALL, small.c_str());
  r = legal, r.packed += 4;
  refused(layer.forward(), bad, "rnn.packed: expected an address aligned to 64 bytes");
  r = legal, r.packed = 0;
  refused(frnn_rnn_pack(d, &r), bad, "rnn.packed: expected the address");
  r = legal, r.packed_dtype = FRNN_I32;
  refused(layer.forward(), bad, "rnn.packed_dtype: expected FRNN_F32 (1) or FRNN_BF16 (2), got 4");
  r = legal, r.w_hh = 0;
  refused(frnn_rnn_pack(d, &r), bad, "rnn.w_hh: expected the address");
  r = legal, r.stream = 12345;
  refused(frnn_rnn_pack(d, &r), bad, "stream");
  r = legal;
  layer.pack();
  r.cell = FRNN_GRU_RESET_BEFORE;
  refused(layer.forward(), bad, "packed: expected weights of");
  r = legal, r.H = 18;
  refused(layer.forward(), bad, "packed: expected weights of");
  r = legal, r.packed_dtype = FRNN_BF16;
  refused(layer.forward(), bad, "packed: expected weights of");
  r.flags = FRNN_TRAINING;
  refused(layer.forward(), bad, "rnn.packed_dtype: FRNN_BF16 excludes FRNN_TRAINING");
  r = legal;
  FRNN_CHECK(all_nan(layer.results()));
  must(layer.forward(), "the legal call");
}

// Where there is nothing to pack, whatever `packed` holds is passed over, in fp32.
void passed_over(const Place& place) {
  const DoorDevice device(place);
  Layer layer(device, place, {FRNN_LSTM, 2, 3, 5, 7}, FRNN_BATCH_FIRST);
  const std::vector<Floats> expected = layer.run();
  layer.rnn.packed_dtype = FRNN_F32, layer.rnn.packed = 4, layer.rnn.packed_bytes = -1;
  FRNN_CHECK(same(layer.run(), expected));
  layer.pack();
  layer.rnn.packed_dtype = FRNN_BF16;
  refused(layer.forward(), FRNN_UNSUPPORTED, "rnn.packed_dtype: the ");
  refused(frnn_rnn_pack(device.handle(), &layer.rnn), FRNN_UNSUPPORTED, "use FRNN_F32");
}

void other_instruction_set() {
  const std::vector<Place> all = places();
  const DoorDevice one({"cpu", "portable", 1, FRNN_F32});
  Layer layer(one, {"cpu", "portable", 1, FRNN_F32}, {FRNN_LSTM, 2, 1, 3, 21});
  layer.make_room();
  layer.pack();
  for (const Place& place : all) {
    if (!cpu(place) || std::strcmp(place.isa, "portable") == 0) continue;
    const DoorDevice other(place);
    refused(frnn_rnn_forward(other.handle(), &layer.rnn), FRNN_INVALID_ARGUMENT,
            "packed: expected weights of");
  }
}

void captured(const Place& place) {
  const DoorDevice device(place);
  const int64_t d = device.handle();
  int64_t graph = 0;
  Layer layer(device, place, {FRNN_LSTM, 3, 2, 5, 21});
  layer.make_room();
  must(frnn_stream_create(d, &layer.rnn.stream), "stream");
  must(frnn_capture_begin(d, layer.rnn.stream), "begin");
  layer.pack();
  must(layer.forward(), "forward");
  must(frnn_capture_end(d, layer.rnn.stream, &graph), "end");
  FRNN_CHECK(all_nan(layer.results()));
  const int64_t packed = layer.rnn.packed;
  for (int n = 0; n < 2; ++n) {
    layer.rnn.packed = 0;
    const std::vector<Floats> expected = layer.run();
    layer.rnn.packed = packed;
    must(frnn_graph_launch(d, graph, layer.rnn.stream), "launch");
    must(frnn_stream_synchronize(d, layer.rnn.stream), "synchronize");
    FRNN_CHECK(same(layer.results(), expected));
    layer.change_weights();
  }
  must(frnn_graph_destroy(d, graph), "destroy");
  must(frnn_stream_destroy(d, layer.rnn.stream), "destroy");
}

void run() {
  for (const Place& place : places()) {
    same_bits_packed_and_not(place);
    change_is_seen_when_packed(place);
    sizes_need_no_device(place);
    passed_over(place);
    captured(place);
    if (!cpu(place)) continue;
    bf16_rounds_the_weights(place);
    misfits_are_refused(place);
  }
  other_instruction_set();
}

}  // namespace
}  // namespace testing
}  // namespace frnn

int main() {
  frnn::testing::run();
  return frnn::testing::report();
}
