// The device form of frnn_tensors, read by clipping and optimiser kernels on every backend.
//
// Layout at the table's address: a TableHeader; then `chunks` Chunk records; then
// lists * count addresses, list-major. A chunk covers at most kChunkElements elements of one
// tensor; tensors are cut in order, so chunk numbers, and with them the order of summation, depend
// on nothing but the lengths.

#ifndef FUSEDRNN_SRC_HOST_TABLE_H_
#define FUSEDRNN_SRC_HOST_TABLE_H_

#include <cstdint>

namespace frnn {

constexpr int64_t kChunkElements = 32768;

struct TableHeader {
  int64_t count;
  int64_t lists;
  int64_t chunks;
  int64_t addresses_offset;  // bytes from the table's start
};

struct Chunk {
  int64_t tensor;  // index into the lists
  int64_t offset;  // first element
  int64_t length;  // elements, 1 to kChunkElements
};

}  // namespace frnn

#endif  // FUSEDRNN_SRC_HOST_TABLE_H_
