// Goal: what stands around a net can be captured, and each launch answers for what memory holds by
// then: other ids and targets, so that another number of rows counts, another loss scale, another
// place in the stream of random numbers.
// Method: an embedding's two passes, both losses and a draw are captured once; each launch is
// compared with the same calls made plainly, to the bit.

#include <initializer_list>

#include "door_device.h"

namespace {

using namespace frnn::testing;

constexpr int64_t kRows = 37, kClasses = 65, kFeatures = 7;

// The calls over one set of tensors.
class Pass {
 public:
  explicit Pass(const Place& place)
      : place_(place),
        device_(place),
        ids_(device_, kRows),
        targets_(device_, kRows),
        counter_(device_, 1),
        scale_(device_, 1),
        results_(device_, 2),
        drawn_(device_, kRows),
        table_(device_, place, random_values(place, kClasses * kFeatures, 1)),
        y_(device_, place, kRows * kFeatures),
        dtable_(device_, place, kClasses * kFeatures),
        logits_(device_, place, random_values(place, kRows * kClasses, 2)),
        dlogits_(device_, place, kRows * kClasses),
        dy_(device_, place, kRows * kFeatures),
        workspace_(device_, 1 << 20) {
    must(frnn_stream_create(device_.handle(), &stream_), "stream");
  }
  ~Pass() { must(frnn_stream_destroy(device_.handle(), stream_), "stream_destroy"); }
  Pass(const Pass&) = delete;
  Pass& operator=(const Pass&) = delete;

  // What a step reads: drawn from `seed`.
  void feed(uint64_t seed) {
    Random random(seed);
    std::vector<int32_t> ids(at(kRows)), targets(at(kRows));
    for (size_t n = 0; n < ids.size(); ++n) {
      ids[n] = static_cast<int32_t>(random.below(kClasses));
      targets[n] = random.below(4) == 0 ? -100 : static_cast<int32_t>(random.below(kClasses));
    }
    const int64_t counter = random.below(1000);
    const frnn_loss_scale scale = {random.uniform(1, 9), 0};
    ids_.put(ids.data()), targets_.put(targets.data());
    counter_.put(&counter), scale_.put(&scale);
  }

  void enqueue() const {
    const int64_t d = device_.handle();
    frnn_embedding e = common<frnn_embedding>();
    e.V = kClasses, e.E = kFeatures;
    e.ids = ids_.address(), e.table = table_.address(), e.y = y_.address();
    e.dy = y_.address(), e.dtable = dtable_.address();
    e.workspace = workspace_.address(), e.workspace_bytes = workspace_.size();
    must(frnn_embedding_forward(d, &e), "embedding_forward");
    must(frnn_embedding_backward(d, &e), "embedding_backward");
    frnn_softmax_xent x = common<frnn_softmax_xent>();
    x.V = kClasses, x.flags = FRNN_MEAN, x.scale = 1, x.ignore_index = -100;
    x.logits = logits_.address(), x.targets = targets_.address(), x.dlogits = dlogits_.address();
    x.loss_scale = scale_.address(), x.result = results_.address();
    x.workspace = workspace_.address(), x.workspace_bytes = workspace_.size();
    must(frnn_softmax_xent_forward_backward(d, &x), "softmax_xent");
    frnn_mse m = common<frnn_mse>();
    m.F = kFeatures, m.scale = 0.5, m.y = y_.address();
    m.targets = logits_.address(), m.dy = dy_.address(), m.loss_scale = scale_.address();
    m.result = results_.address() + static_cast<int64_t>(sizeof(frnn_loss_result));
    m.workspace = workspace_.address(), m.workspace_bytes = workspace_.size();
    must(frnn_mse_forward_backward(d, &m), "mse");
    frnn_sample s = common<frnn_sample>();
    s.V = kClasses, s.temperature = 0.9, s.top_k = 30, s.top_p = 0.95, s.seed = 4;
    s.logits = logits_.address(), s.ids = drawn_.address(), s.offset_address = counter_.address();
    must(frnn_sample_rows(d, &s), "sample");
  }

  int64_t capture() const {
    int64_t graph = 0;
    must(frnn_capture_begin(device_.handle(), stream_), "capture_begin");
    enqueue();
    must(frnn_capture_end(device_.handle(), stream_, &graph), "capture_end");
    return graph;
  }
  void launch(int64_t graph) const {
    must(frnn_graph_launch(device_.handle(), graph, stream_), "graph_launch");
  }
  void drop(int64_t graph) const {
    must(frnn_graph_destroy(device_.handle(), graph), "graph_destroy");
  }

  // All that a step writes, in bytes.
  std::vector<char> answers() const {
    std::vector<char> all;
    for (const Bytes* const each :
         std::initializer_list<const Bytes*>{&y_, &dtable_, &dlogits_, &dy_, &results_, &drawn_}) {
      std::vector<char> bytes(at(each->size()));
      each->get(bytes.data());
      all.insert(all.end(), bytes.begin(), bytes.end());
    }
    return all;
  }

 private:
  static Floats random_values(const Place& place, int64_t count, uint64_t seed) {
    Random random(seed);
    return draw(random, place, count, 2);
  }

  template <typename Struct>
  Struct common() const {
    Struct s{};
    s.struct_bytes = sizeof s;
    s.dtype = place_.dtype;
    s.N = kRows, s.stream = stream_;
    return s;
  }

  Place place_;
  DoorDevice device_;
  int64_t stream_ = 0;
  Values<int32_t> ids_, targets_;
  Values<int64_t> counter_;
  Values<frnn_loss_scale> scale_;
  Values<frnn_loss_result> results_;
  Values<int32_t> drawn_;
  Elements table_, y_, dtable_, logits_, dlogits_, dy_;
  Bytes workspace_;
};

void check(const Place& place) {
  Pass captured(place), plain(place);
  captured.feed(1);
  const std::vector<char> before = captured.answers();
  const int64_t graph = captured.capture();
  FRNN_CHECK(captured.answers() == before);  // recording runs nothing
  std::vector<char> last = before;
  for (uint64_t seed = 2; seed < 5; ++seed) {
    captured.feed(seed), plain.feed(seed);
    captured.launch(graph);
    plain.enqueue();
    FRNN_CHECK(captured.answers() == plain.answers());
    FRNN_CHECK(captured.answers() != last);
    last = captured.answers();
  }
  captured.drop(graph);
}

}  // namespace

int main() {
  for (const Place& place : places())
    check(place);
  return frnn::testing::report();
}
