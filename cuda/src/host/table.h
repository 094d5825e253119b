// The device form of frnn_tensors, read by clipping and optimiser kernels on every backend.
//
// Layout at the table's address: a TableHeader; then `chunks` Chunk records; then for each tensor
// and one past the last the number of its first chunk; then lists * count addresses, list-major. A
// chunk covers at most kChunkElements elements of one tensor; tensors are cut in order, so chunk
// numbers, and with them the order of summation, depend on nothing but the lengths.

#ifndef FUSEDRNN_SRC_HOST_TABLE_H_
#define FUSEDRNN_SRC_HOST_TABLE_H_

#include <cstdint>

#include "fusedrnn.h"
#include "machine/qualifiers.h"

namespace frnn {

constexpr int64_t kChunkElements = 32768;
constexpr int64_t kMostLists = 5;

struct TableHeader {
  int64_t count;
  int64_t lists;
  int64_t chunks;
  int64_t layout;
  int64_t firsts_offset;     // bytes from the table's start
  int64_t addresses_offset;  // likewise
};

struct Chunk {
  int64_t tensor;  // index into the lists
  int64_t offset;  // first element
  int64_t length;  // elements, 1 to kChunkElements
};

// A layout: a mark in the upper half, the number of lists in the lowest 4 bits, then 4 bits for the
// frnn_dtype of each list.
constexpr int64_t kLayoutMark = int64_t{0x66524c31} << 32;

FRNN_HOST_DEVICE int64_t lists_of(int64_t layout) {
  return layout & 15;
}
FRNN_HOST_DEVICE int64_t dtype_of(int64_t layout, int64_t list) {
  return (layout >> (4 + 4 * list)) & 15;
}
FRNN_HOST_DEVICE int64_t element_bytes(int64_t dtype) {
  return dtype == FRNN_F32 ? 4 : 2;
}

// An optimiser's lists: parameters, gradients, states of 32 bits, and perhaps a copy of 16.
FRNN_HOST_DEVICE bool has_copy(int64_t layout) {
  return lists_of(layout) > 2 && element_bytes(dtype_of(layout, lists_of(layout) - 1)) == 2;
}
FRNN_HOST_DEVICE int64_t states_of(int64_t layout) {
  return lists_of(layout) - 2 - (has_copy(layout) ? 1 : 0);
}

}  // namespace frnn

#endif  // FUSEDRNN_SRC_HOST_TABLE_H_
