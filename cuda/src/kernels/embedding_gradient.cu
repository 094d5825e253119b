// The gradient of an embedding: dtable[v] = or += sum of dy[n] over n with ids[n] = v, without
// atomics and in an order that the ids alone lay down.
//
// Rows are sorted by their ids; runs of 32 of them are summed at once, in fp32 and in the order of
// n. What lies within one run is stored; an id that goes on beyond its run leaves a sum in `tail`
// and in each following run's `head`, which the second kernel adds up in double. So neither a large
// vocabulary nor a frequent id makes anything wait for it.

#include "kernels/rows.h"
#include "machine/device.h"

namespace frnn {
namespace {

using machine::narrow;
using machine::widen;

constexpr int kThreads = 128;
constexpr int kRun = static_cast<int>(kEmbeddingRun);
constexpr int kAtOnce = 8;  // rows whose loads are under way together
constexpr int kMostGroups = kThreads / machine::kWarp;

template <typename Elem>
struct RunSums {
  int64_t N, V, E;
  const int32_t* ids;
  const int* order;
  const Elem* dy;
  Elem* dtable;
  bool accumulate;
  int* first;
  float* head;
  float* tail;
  int64_t runs;
  int lanes;  // threads that share a run: 32, 64 or 128
};

// The id at a place of the order; V where it is outside the table.
template <typename Elem>
FRNN_DEVICE int id_at(const RunSums<Elem>& s, int64_t place) {
  const int64_t id = s.ids[s.order[place]];
  return static_cast<int>(id >= 0 && id < s.V ? id : s.V);
}

template <typename Elem>
FRNN_DEVICE void put(const RunSums<Elem>& s, int64_t v, int64_t e, float sum) {
  Elem& out = s.dtable[v * s.E + e];
  out = narrow<Elem>(s.accumulate ? widen(out) + sum : sum);
}

// A run's rows and ids, with the ids of its neighbours, which are -1 where there are none.
struct Place {
  int rows[kRun];
  int ids[kRun + 2];  // from the id before the run to that after it
};

// Sums one column of a run. Each id's part goes to where it belongs.
template <typename Elem>
FRNN_DEVICE void sum_column(const RunSums<Elem>& s, const Place& place, int count, int64_t run,
                            int64_t e) {
  float sum = 0.0f;
  bool begun_before = place.ids[0] == place.ids[1];
  for (int begin = 0; begin < count; begin += kAtOnce) {
    float values[kAtOnce];
    FRNN_UNROLL
    for (int k = 0; k < kAtOnce; ++k) {
      const bool there = begin + k < count && place.ids[begin + k + 1] < s.V;
      values[k] = there ? widen(s.dy[place.rows[begin + k] * s.E + e]) : 0.0f;
    }
    FRNN_UNROLL
    for (int k = 0; k < kAtOnce; ++k) {
      if (begin + k >= count) break;
      sum += values[k];
      const int id = place.ids[begin + k + 1], next = place.ids[begin + k + 2];
      const bool last = begin + k + 1 == count;
      if (id == next && !last) continue;
      if (id < s.V) {
        if (begun_before) {
          s.head[run * s.E + e] = sum;
        } else if (id == next) {
          s.tail[run * s.E + e] = sum;
        } else {
          put(s, id, e, sum);
        }
      }
      sum = 0.0f;
      begun_before = false;
    }
  }
}

// Grid: `lanes` threads for a run. Bytes moved: an element of dy each, and of dtable where stored.
template <typename Elem>
FRNN_KERNEL_BOUNDS(kThreads, 1)
void run_sums_kernel(RunSums<Elem> s) {
  FRNN_SHARED(places, Place[kMostGroups]);
  const int groups = kThreads / s.lanes;
  const int group = machine::thread_index() / s.lanes, lane = machine::thread_index() % s.lanes;
  const int64_t run = static_cast<int64_t>(machine::block_index()) * groups + group;
  const int64_t begin = run * kRun;
  Place& place = places[group];
  if (run < s.runs) {
    for (int k = lane; k < kRun + 2; k += s.lanes) {
      const int64_t at = begin + k - 1;
      const bool there = at >= 0 && at < s.N;
      place.ids[k] = there ? id_at(s, at) : -1;
      if (k >= 1 && k <= kRun && there) place.rows[k - 1] = s.order[at];
    }
  }
  machine::sync_block();
  if (run >= s.runs) return;
  const int count = s.N - begin < kRun ? static_cast<int>(s.N - begin) : kRun;
  if (lane == 0) s.first[run] = place.ids[1];
  for (int64_t e = lane; e < s.E; e += s.lanes)
    sum_column(s, place, count, run, e);
}

// The first run after `run` that does not begin with `id`; first[] rises.
template <typename Elem>
FRNN_DEVICE int64_t end_of(const RunSums<Elem>& s, int64_t run, int id) {
  int64_t low = run + 1, high = s.runs;
  while (low < high) {
    const int64_t middle = (low + high) / 2;
    if (s.first[middle] == id) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

// Grid: `lanes` threads for a run: adds up the id that begins in it and goes on.
template <typename Elem>
FRNN_KERNEL_BOUNDS(kThreads, 1)
void join_sums_kernel(RunSums<Elem> s) {
  const int groups = kThreads / s.lanes;
  const int lane = machine::thread_index() % s.lanes;
  const int64_t run =
      static_cast<int64_t>(machine::block_index()) * groups + machine::thread_index() / s.lanes;
  if (run + 1 >= s.runs) return;
  const int id = s.first[run + 1];
  const int64_t begin = run * kRun;
  if (id >= s.V || id_at(s, begin + kRun - 1) != id) return;                 // does not go on
  if (s.first[run] == id && begin > 0 && id_at(s, begin - 1) == id) return;  // began before
  const int64_t end = end_of(s, run, id);
  for (int64_t e = lane; e < s.E; e += s.lanes) {
    double sum = s.tail[run * s.E + e];
    for (int64_t k = run + 1; k < end; ++k)
      sum += s.head[k * s.E + e];
    put(s, id, e, static_cast<float>(sum));
  }
}

}  // namespace

template <typename Elem>
Status embedding_backward(const Queue& queue, const EmbeddingBackward<Elem>& s) {
  const EmbeddingWorkspace& work = s.workspace;
  RunSums<Elem> sums{};
  sums.N = s.N, sums.V = s.V, sums.E = s.E, sums.ids = s.ids;
  sums.dy = s.dy, sums.dtable = s.dtable, sums.accumulate = s.accumulate;
  sums.first = reinterpret_cast<int*>(work.first);
  sums.head = reinterpret_cast<float*>(work.head);
  sums.tail = reinterpret_cast<float*>(work.tail);
  sums.runs = embedding_runs(s.N);
  sums.lanes = s.E <= 32 ? 32 : (s.E <= 64 ? 64 : kThreads);
  const machine::Grid grid = {ceil_div(sums.runs, kThreads / sums.lanes), kThreads, 0, false};
  FRNN_TRY(sort_by_id(queue, s.N, s.V, s.ids, work, &sums.order));
  if (!s.accumulate) {
    const int64_t bytes = s.V * s.E * static_cast<int64_t>(sizeof(Elem));
    FRNN_TRY(queue.context.fill(reinterpret_cast<int64_t>(s.dtable), 0, bytes, queue.stream));
  }
  FRNN_TRY(queue.context.launch("embedding_runs", run_sums_kernel<Elem>, grid, queue.stream, sums));
  return queue.context.launch("embedding_join", join_sums_kernel<Elem>, grid, queue.stream, sums);
}

template Status embedding_backward(const Queue&, const EmbeddingBackward<float>&);
template Status embedding_backward(const Queue&, const EmbeddingBackward<machine::Bf16>&);
template Status embedding_backward(const Queue&, const EmbeddingBackward<machine::F16>&);

}  // namespace frnn
