// Goal: linear layers and embeddings compute what plain double loops compute, on every backend, in
// every element type, and to the same bits whatever the threads or the order of blocks.
// Method: odd sizes; ids that are spread out, that crowd on one row of the table, that lie outside.

#include "door_device.h"

namespace {

using namespace frnn::testing;

Place with_variant(Place place, int64_t variant) {
  place.variant = variant;
  return place;
}

// ---- Linear -------------------------------------------------------------------------------------

struct LinearData {
  Floats x, w, b, dy, dw, db;
  LinearData(const Place& p, int64_t N, int64_t I, int64_t O, Random& random)
      : x(draw(random, p, N * I, 1)),
        w(draw(random, p, O * I, 1)),
        b(draw(random, p, O, 1)),
        dy(draw(random, p, N * O, 1)),
        dw(draw(random, p, O * I, 1)),
        db(draw(random, p, O, 1)) {}
};

struct LinearResult {
  Floats y, dx, dw, db;
};

LinearResult run_linear(const Place& place, int64_t N, int64_t I, int64_t O, bool accumulate,
                        bool bias, const LinearData& d) {
  const DoorDevice device(place);
  const Elements x(device, place, d.x), w(device, place, d.w), b(device, place, d.b);
  const Elements dy(device, place, d.dy), y(device, place, N * O), dx(device, place, N * I);
  const Elements dw(device, place, d.dw), db(device, place, d.db);
  frnn_linear linear{};
  linear.struct_bytes = sizeof linear;
  linear.dtype = place.dtype;
  linear.flags = accumulate ? FRNN_ACCUMULATE : 0;
  linear.N = N, linear.I = I, linear.O = O;
  linear.x = x.address(), linear.w = w.address(), linear.b = bias ? b.address() : 0;
  linear.y = y.address(), linear.dy = dy.address(), linear.dx = dx.address();
  linear.dw = dw.address(), linear.db = db.address();
  must(frnn_linear_bytes(place.backend, &linear, &linear.workspace_bytes), "linear_bytes");
  const Bytes workspace(device, linear.workspace_bytes + 16);
  linear.workspace = workspace.address();
  must(frnn_linear_forward(device.handle(), &linear), "linear_forward");
  must(frnn_linear_backward(device.handle(), &linear), "linear_backward");
  return {y.read(), dx.read(), dw.read(), db.read()};
}

void check_linear(const Place& place, int64_t N, int64_t I, int64_t O, bool accumulate, bool bias,
                  uint64_t seed) {
  Random random(seed);
  const LinearData d(place, N, I, O, random);
  const LinearResult got = run_linear(place, N, I, O, accumulate, bias, d);
  Doubles y(d.dy.size()), dx(d.x.size()), dw(d.w.size()), db(d.b.size());
  if (accumulate) {
    dw.assign(d.dw.begin(), d.dw.end());
    db.assign(d.db.begin(), d.db.end());
  }
  for (int64_t n = 0; n < N; ++n) {
    for (int64_t o = 0; o < O; ++o) {
      double sum = bias ? d.b[at(o)] : 0.0f;
      const double g = d.dy[at(n * O + o)];
      for (int64_t i = 0; i < I; ++i) {
        sum += double{d.x[at(n * I + i)]} * d.w[at(o * I + i)];
        dx[at(n * I + i)] += g * d.w[at(o * I + i)];
        dw[at(o * I + i)] += g * d.x[at(n * I + i)];
      }
      db[at(o)] += g;
      y[at(n * O + o)] = sum;
    }
  }
  check_near("linear y", place, got.y, y, 4 * std::sqrt(I + 1.0));
  check_near("linear dx", place, got.dx, dx, 4 * std::sqrt(O + 1.0));
  check_near("linear dw", place, got.dw, dw, 4 * std::sqrt(N + 1.0));
  check_near("linear db", place, got.db, db, 4 * std::sqrt(N + 1.0));
  const LinearResult again = run_linear(with_variant(place, 3), N, I, O, accumulate, bias, d);
  FRNN_CHECK(same_bits(got.y, again.y) && same_bits(got.dx, again.dx));
  FRNN_CHECK(same_bits(got.dw, again.dw) && same_bits(got.db, again.db));
}

// ---- Embedding ----------------------------------------------------------------------------------

struct EmbeddingData {
  int64_t V, E;
  bool accumulate;
  std::vector<int32_t> ids;
  Floats table, dy, before;
};

// Ids of which `crowd` in a hundred are one and the same; some lie outside the table.
EmbeddingData embedding_data(const Place& place, int64_t N, int64_t V, int64_t E, int crowd,
                             bool accumulate, uint64_t seed) {
  Random random(seed);
  EmbeddingData d = {V, E, accumulate, std::vector<int32_t>(at(N)), {}, {}, {}};
  for (int32_t& id : d.ids)
    id = static_cast<int32_t>(random.below(100) < crowd ? V / 2 : random.below(V));
  if (N > 2) d.ids[1] = -1, d.ids[2] = static_cast<int32_t>(V);
  d.table = draw(random, place, V * E, 1);
  d.dy = draw(random, place, N * E, 1);
  d.before = draw(random, place, V * E, 1);
  return d;
}

Floats run_embedding(const Place& place, const EmbeddingData& d) {
  const DoorDevice device(place);
  const int64_t N = static_cast<int64_t>(d.ids.size());
  const Values<int32_t> ids(device, d.ids);
  const Elements table(device, place, d.table), y(device, place, N * d.E);
  const Elements dy(device, place, d.dy), dtable(device, place, d.before);
  frnn_embedding e{};
  e.struct_bytes = sizeof e;
  e.dtype = place.dtype;
  e.flags = d.accumulate ? FRNN_ACCUMULATE : 0;
  e.N = N, e.V = d.V, e.E = d.E;
  e.ids = ids.address(), e.table = table.address(), e.y = y.address();
  e.dy = dy.address(), e.dtable = dtable.address();
  must(frnn_embedding_bytes(place.backend, &e, &e.workspace_bytes), "embedding_bytes");
  const Bytes workspace(device, e.workspace_bytes + 16);
  e.workspace = workspace.address();
  must(frnn_embedding_forward(device.handle(), &e), "embedding_forward");
  must(frnn_embedding_backward(device.handle(), &e), "embedding_backward");
  const Floats rows = y.read();
  for (int64_t n = 0; n < N; ++n) {
    const int64_t id = d.ids[at(n)];
    for (int64_t k = 0; k < d.E; ++k) {
      const float got = rows[at(n * d.E + k)];
      FRNN_CHECK(id < 0 || id >= d.V ? std::isnan(got) : got == d.table[at(id * d.E + k)]);
    }
  }
  return dtable.read();
}

void check_embedding(const Place& place, const EmbeddingData& d) {
  const Floats got = run_embedding(place, d);
  Doubles expected(d.before.size(), 0.0);
  if (d.accumulate) expected.assign(d.before.begin(), d.before.end());
  std::vector<int64_t> counts(at(d.V), 0);
  int64_t most = 0;
  for (size_t n = 0; n < d.ids.size(); ++n) {
    const int64_t id = d.ids[n];
    if (id < 0 || id >= d.V) continue;
    most = std::max(most, ++counts[at(id)]);
    for (int64_t k = 0; k < d.E; ++k)
      expected[at(id * d.E + k)] += d.dy[n * at(d.E) + at(k)];
  }
  check_near("dtable", place, got, expected, 4 * std::sqrt(static_cast<double>(most) + 1));
  for (size_t v = 0; v < counts.size() && !d.accumulate; ++v) {
    if (counts[v] == 0) FRNN_CHECK(got[v * at(d.E)] == 0.0f);
  }
  FRNN_CHECK(same_bits(got, run_embedding(with_variant(place, 2), d)));
}

}  // namespace

int main() {
  for (const Place& place : places()) {
    check_linear(place, 1, 1, 1, false, true, 1);
    check_linear(place, 3, 7, 5, true, true, 2);
    check_linear(place, 700, 9, 33, false, true, 3);  // three runs of rows in the bias sums
    check_linear(place, 300, 8, 64, true, false, 4);  // packs of four
    check_linear(place, 37, 29, 41, true, true, 5);
    check_embedding(place, embedding_data(place, 1, 1, 1, 0, false, 6));
    check_embedding(place, embedding_data(place, 129, 7, 5, 0, false, 7));
    check_embedding(place, embedding_data(place, 77, 65, 132, 0, true, 8));
    check_embedding(place, embedding_data(place, 2500, 255, 33, 60, false, 9));  // two tiles
    check_embedding(place, embedding_data(place, 2048, 256, 8, 99, true, 10));   // two digits
    check_embedding(place, embedding_data(place, 5000, 100000, 3, 30, false, 11));
    check_embedding(place, embedding_data(place, 4100, 2, 64, 50, false, 12));
  }
  return frnn::testing::report();
}
