// The scratch memory of an embedding's gradient. Also read by the plan, which has no machine.

#ifndef FUSEDRNN_SRC_KERNELS_EMBEDDING_LAYOUT_H_
#define FUSEDRNN_SRC_KERNELS_EMBEDDING_LAYOUT_H_

#include <cstdint>

namespace frnn {

constexpr int kSortDigits = 256;       // a pass of the sort looks at 8 bits of the ids
constexpr int64_t kSortTile = 2048;    // rows of a block
constexpr int64_t kEmbeddingRun = 32;  // rows, in the order of their ids, that are summed at once

constexpr int64_t sort_tiles(int64_t rows) {
  return (rows + kSortTile - 1) / kSortTile;
}
constexpr int64_t embedding_runs(int64_t rows) {
  return (rows + kEmbeddingRun - 1) / kEmbeddingRun;
}

// Addresses, or byte offsets.
struct EmbeddingWorkspace {
  int64_t order[2];  // int [N]: rows by their ids, before and after a pass
  int64_t counts;    // int [kSortDigits * tiles]
  int64_t first;     // int [runs]: the id with which a run begins
  int64_t head;      // float [runs, E]: sums of a run's first id, where it began in an earlier run
  int64_t tail;      // float [runs, E]: sums of its last id, where that goes on in the next run
  int64_t bytes;
};

// `carver` hands out `floats(count)`, from 0 or from an address.
template <typename Carver>
EmbeddingWorkspace embedding_workspace(Carver carver, int64_t N, int64_t E) {
  EmbeddingWorkspace w{};
  for (int64_t& order : w.order)
    order = carver.floats(N);
  w.counts = carver.floats(kSortDigits * sort_tiles(N));
  w.first = carver.floats(embedding_runs(N));
  w.head = carver.floats(embedding_runs(N) * E);
  w.tail = carver.floats(embedding_runs(N) * E);
  w.bytes = carver.bytes();
  return w;
}

}  // namespace frnn

#endif  // FUSEDRNN_SRC_KERNELS_EMBEDDING_LAYOUT_H_
