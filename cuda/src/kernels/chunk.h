// How kernels read the chunk table (layout in host/table.h).

#ifndef FUSEDRNN_SRC_KERNELS_CHUNK_H_
#define FUSEDRNN_SRC_KERNELS_CHUNK_H_

#include "host/table.h"
#include "machine/device.h"

namespace frnn {

// Four elements that one thread owns: whole ones move 16 bytes at a time where the tensor is
// aligned. Which elements a thread owns does not depend on alignment, so neither does any bit.
constexpr int kQuad = 4;

FRNN_DEVICE Chunk chunk_at(const void* table, int64_t index) {
  return reinterpret_cast<const Chunk*>(static_cast<const char*>(table) +
                                        sizeof(TableHeader))[index];
}

FRNN_DEVICE float* chunk_elements(const void* table, const Chunk& chunk, int list) {
  const TableHeader& header = *static_cast<const TableHeader*>(table);
  const int64_t* addresses =
      reinterpret_cast<const int64_t*>(static_cast<const char*>(table) + header.addresses_offset);
  return reinterpret_cast<float*>(addresses[list * header.count + chunk.tensor]) + chunk.offset;
}

FRNN_DEVICE bool quad_aligned(const float* address) {
  return reinterpret_cast<uintptr_t>(address) % 16 == 0;
}

// The elements at [begin, begin + 4) as far as they lie below `length`; zero beyond.
FRNN_DEVICE void load_quad(const float* elements, int begin, int length, float (&out)[kQuad]) {
  if (begin + kQuad <= length && quad_aligned(elements)) {
    const machine::Float4 v = machine::load4(elements + begin);
    out[0] = v.x, out[1] = v.y, out[2] = v.z, out[3] = v.w;
    return;
  }
  FRNN_UNROLL
  for (int k = 0; k < kQuad; ++k)
    out[k] = begin + k < length ? elements[begin + k] : 0.0f;
}

FRNN_DEVICE void store_quad(float* elements, int begin, int length, const float (&in)[kQuad]) {
  if (begin + kQuad <= length && quad_aligned(elements)) {
    machine::store4(elements + begin, {in[0], in[1], in[2], in[3]});
    return;
  }
  FRNN_UNROLL
  for (int k = 0; k < kQuad; ++k) {
    if (begin + k < length) elements[begin + k] = in[k];
  }
}

}  // namespace frnn

#endif  // FUSEDRNN_SRC_KERNELS_CHUNK_H_
