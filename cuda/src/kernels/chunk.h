// How kernels read the chunk table (layout in host/table.h) and the tensors behind it.

#ifndef FUSEDRNN_SRC_KERNELS_CHUNK_H_
#define FUSEDRNN_SRC_KERNELS_CHUNK_H_

#include "host/table.h"
#include "machine/device.h"
#include "machine/numbers.h"

namespace frnn {

// Four elements that one thread owns: whole ones move in one access where the tensor is aligned.
// Which elements a thread owns does not depend on alignment, so neither does any bit.
constexpr int kQuad = 4;

FRNN_DEVICE const TableHeader& header_of(const void* table) {
  return *static_cast<const TableHeader*>(table);
}

// Whether the memory holds the table that the call was made for.
FRNN_DEVICE bool table_fits(const void* table, int64_t layout, int64_t chunks) {
  return header_of(table).layout == layout && header_of(table).chunks == chunks;
}

FRNN_DEVICE Chunk chunk_at(const void* table, int64_t index) {
  return reinterpret_cast<const Chunk*>(static_cast<const char*>(table) +
                                        sizeof(TableHeader))[index];
}

// The number of a tensor's first chunk; that of tensor `count` is the number of chunks.
FRNN_DEVICE int64_t first_chunk(const void* table, int64_t tensor) {
  return reinterpret_cast<const int64_t*>(static_cast<const char*>(table) +
                                          header_of(table).firsts_offset)[tensor];
}

// A chunk's elements in one list, of the list's own type.
struct Elements {
  void* address;
  int64_t dtype;
  int length;
};
FRNN_DEVICE Elements chunk_elements(const void* table, const Chunk& chunk, int64_t list) {
  const TableHeader& header = header_of(table);
  const int64_t* addresses =
      reinterpret_cast<const int64_t*>(static_cast<const char*>(table) + header.addresses_offset);
  const int64_t dtype = dtype_of(header.layout, list);
  const int64_t address =
      addresses[list * header.count + chunk.tensor] + chunk.offset * element_bytes(dtype);
  return {reinterpret_cast<void*>(address), dtype, static_cast<int>(chunk.length)};
}

// The elements at [begin, begin + 4) as far as they lie below `length`; zero beyond.
FRNN_DEVICE void load_quad(const float* elements, int begin, int length, float (&out)[kQuad]) {
  if (begin + kQuad <= length && reinterpret_cast<uintptr_t>(elements) % 16 == 0) {
    const machine::Float4 v = machine::load4(elements + begin);
    out[0] = v.x, out[1] = v.y, out[2] = v.z, out[3] = v.w;
    return;
  }
  FRNN_UNROLL
  for (int k = 0; k < kQuad; ++k)
    out[k] = begin + k < length ? elements[begin + k] : 0.0f;
}

FRNN_DEVICE void store_quad(float* elements, int begin, int length, const float (&in)[kQuad]) {
  if (begin + kQuad <= length && reinterpret_cast<uintptr_t>(elements) % 16 == 0) {
    machine::store4(elements + begin, {in[0], in[1], in[2], in[3]});
    return;
  }
  FRNN_UNROLL
  for (int k = 0; k < kQuad; ++k) {
    if (begin + k < length) elements[begin + k] = in[k];
  }
}

// The same for elements of 16 bits: a whole quad is one word of 8 bytes.
template <typename E>
FRNN_DEVICE void load_quad(const E* elements, int begin, int length, float (&out)[kQuad]) {
  E quad[kQuad] = {};
  if (begin + kQuad <= length && reinterpret_cast<uintptr_t>(elements) % 8 == 0) {
    const uint64_t word = *reinterpret_cast<const uint64_t*>(elements + begin);
    FRNN_UNROLL
    for (int k = 0; k < kQuad; ++k)
      quad[k].bits = static_cast<uint16_t>(word >> (16 * k));
  } else {
    FRNN_UNROLL
    for (int k = 0; k < kQuad; ++k) {
      if (begin + k < length) quad[k] = elements[begin + k];
    }
  }
  FRNN_UNROLL
  for (int k = 0; k < kQuad; ++k)
    out[k] = machine::widen(quad[k]);
}

template <typename E>
FRNN_DEVICE void store_quad(E* elements, int begin, int length, const float (&in)[kQuad]) {
  uint64_t word = 0;
  FRNN_UNROLL
  for (int k = 0; k < kQuad; ++k)
    word |= static_cast<uint64_t>(machine::narrow<E>(in[k]).bits) << (16 * k);
  if (begin + kQuad <= length && reinterpret_cast<uintptr_t>(elements) % 8 == 0) {
    *reinterpret_cast<uint64_t*>(elements + begin) = word;
    return;
  }
  FRNN_UNROLL
  for (int k = 0; k < kQuad; ++k) {
    if (begin + k < length) elements[begin + k] = {static_cast<uint16_t>(word >> (16 * k))};
  }
}

// The same for a list of any type: the branch is the same for a whole launch.
FRNN_DEVICE void load_quad(const Elements& from, int begin, float (&out)[kQuad]) {
  if (from.dtype == FRNN_F32) {
    load_quad(static_cast<const float*>(from.address), begin, from.length, out);
  } else if (from.dtype == FRNN_BF16) {
    load_quad(static_cast<const machine::Bf16*>(from.address), begin, from.length, out);
  } else {
    load_quad(static_cast<const machine::F16*>(from.address), begin, from.length, out);
  }
}
FRNN_DEVICE void store_quad(const Elements& to, int begin, const float (&in)[kQuad]) {
  if (to.dtype == FRNN_F32) {
    store_quad(static_cast<float*>(to.address), begin, to.length, in);
  } else if (to.dtype == FRNN_BF16) {
    store_quad(static_cast<machine::Bf16*>(to.address), begin, to.length, in);
  } else {
    store_quad(static_cast<machine::F16*>(to.address), begin, to.length, in);
  }
}

}  // namespace frnn

#endif  // FUSEDRNN_SRC_KERNELS_CHUNK_H_
