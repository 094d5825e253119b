// FRNN_HOST_DEVICE marks a function that runs on the host and on every kind of device: the cells
// and their maths. Unlike device.h, this header may be included by plain C++ that has no device at
// all.

#ifndef FUSEDRNN_SRC_MACHINE_QUALIFIERS_H_
#define FUSEDRNN_SRC_MACHINE_QUALIFIERS_H_

namespace frnn::machine {

constexpr int kWarp = 32;

template <class T>
using Identity = T;  // names an array type where a declarator would stand

template <class T>
struct TypeOf {  // keeps a template argument from being deduced
  using type = T;
};

}  // namespace frnn::machine

#if defined(__CUDACC__)
#define FRNN_HOST_DEVICE __host__ __device__ __forceinline__
#else
#define FRNN_HOST_DEVICE inline __attribute__((always_inline))
#endif

#endif  // FUSEDRNN_SRC_MACHINE_QUALIFIERS_H_
