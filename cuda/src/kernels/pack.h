// Width neighbouring floats that a thread owns, 1 or 4, with the arithmetic that cells are written
// in: a kernel body reads the same for both. Width 4 moves 16 bytes in one access and needs the
// address aligned to it; width 1 serves every shape and address. The loops are short enough for
// both compilers to unroll them unasked.

#ifndef FUSEDRNN_SRC_KERNELS_PACK_H_
#define FUSEDRNN_SRC_KERNELS_PACK_H_

#include <cstdint>
#include <initializer_list>

#include "cells/math.h"
#include "machine/device.h"

namespace frnn {

template <int Width>
struct Pack {
  float v[Width];

  Pack() = default;
  FRNN_HOST_DEVICE Pack(float all) {
    for (int k = 0; k < Width; ++k)
      v[k] = all;
  }
};

template <int Width, typename F>
FRNN_HOST_DEVICE Pack<Width> map(const Pack<Width>& a, F f) {
  Pack<Width> out;
  for (int k = 0; k < Width; ++k)
    out.v[k] = f(a.v[k]);
  return out;
}

template <int Width, typename F>
FRNN_HOST_DEVICE Pack<Width> map(const Pack<Width>& a, const Pack<Width>& b, F f) {
  Pack<Width> out;
  for (int k = 0; k < Width; ++k)
    out.v[k] = f(a.v[k], b.v[k]);
  return out;
}

template <int Width>
FRNN_HOST_DEVICE Pack<Width> operator+(const Pack<Width>& a, const Pack<Width>& b) {
  return map(a, b, [](float x, float y) { return x + y; });
}
template <int Width>
FRNN_HOST_DEVICE Pack<Width> operator-(const Pack<Width>& a, const Pack<Width>& b) {
  return map(a, b, [](float x, float y) { return x - y; });
}
template <int Width>
FRNN_HOST_DEVICE Pack<Width> operator*(const Pack<Width>& a, const Pack<Width>& b) {
  return map(a, b, [](float x, float y) { return x * y; });
}
template <int Width>
FRNN_HOST_DEVICE Pack<Width> sigmoid(const Pack<Width>& a) {
  return map(a, [](float x) { return sigmoid(x); });
}
template <int Width>
FRNN_HOST_DEVICE Pack<Width> tanh(const Pack<Width>& a) {
  return map(a, [](float x) { return tanh(x); });
}
template <int Width>
FRNN_HOST_DEVICE Pack<Width> relu(const Pack<Width>& a) {
  return map(a, [](float x) { return relu(x); });
}
template <int Width>
FRNN_HOST_DEVICE Pack<Width> where_positive(const Pack<Width>& y, const Pack<Width>& a) {
  return map(y, a, [](float s, float x) { return where_positive(s, x); });
}

template <int Width>
FRNN_DEVICE Pack<Width> load(const float* address) {
  Pack<Width> out;
  if constexpr (Width == 4) {
    const machine::Float4 all = machine::load4(address);
    out.v[0] = all.x;
    out.v[1] = all.y;
    out.v[2] = all.z;
    out.v[3] = all.w;
  } else {
    out.v[0] = *address;
  }
  return out;
}

// Zero where there is no tensor: `base` is null. The branch is the same for a whole launch.
template <int Width>
FRNN_DEVICE Pack<Width> load_or_zero(const float* base, int64_t offset) {
  return base == nullptr ? Pack<Width>(0.0f) : load<Width>(base + offset);
}

template <int Width>
FRNN_DEVICE void store(float* address, const Pack<Width>& value) {
  if constexpr (Width == 4) {
    machine::store4(address, {value.v[0], value.v[1], value.v[2], value.v[3]});
  } else {
    *address = value.v[0];
  }
}

template <int Width>
FRNN_DEVICE void store_if(float* base, int64_t offset, const Pack<Width>& value) {
  if (base != nullptr) store(base + offset, value);
}

// True where 16-byte accesses may be used: rows of a multiple of 4, and every address aligned (an
// absent tensor, null, is).
inline bool packs_of_four(int64_t row, std::initializer_list<const void*> addresses) {
  bool aligned = row % 4 == 0;
  for (const void* a : addresses)
    aligned = aligned && reinterpret_cast<uintptr_t>(a) % 16 == 0;
  return aligned;
}

}  // namespace frnn

#endif  // FUSEDRNN_SRC_KERNELS_PACK_H_
