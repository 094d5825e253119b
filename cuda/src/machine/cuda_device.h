// The seam's kernel side over CUDA and PTX. The contract is in device.h, which includes this.

#ifndef FUSEDRNN_SRC_MACHINE_CUDA_DEVICE_H_
#define FUSEDRNN_SRC_MACHINE_CUDA_DEVICE_H_

#include <cooperative_groups.h>

#include <cstdint>

#define FRNN_KERNEL __global__
#define FRNN_KERNEL_BOUNDS(threads, blocks) __global__ __launch_bounds__(threads, blocks)
#define FRNN_DEVICE __device__ __forceinline__
#define FRNN_UNROLL _Pragma("unroll")
#define FRNN_NO_UNROLL _Pragma("unroll 1")
#define FRNN_SHARED(name, ...) __shared__ ::frnn::machine::Identity<__VA_ARGS__> name

namespace frnn::machine {

FRNN_DEVICE int block_index() {
  return static_cast<int>(blockIdx.x);
}
FRNN_DEVICE int block_count() {
  return static_cast<int>(gridDim.x);
}
FRNN_DEVICE int thread_index() {
  return static_cast<int>(threadIdx.x);
}
FRNN_DEVICE int thread_count() {
  return static_cast<int>(blockDim.x);
}
FRNN_DEVICE int lane_index() {
  return static_cast<int>(threadIdx.x) % kWarp;
}
FRNN_DEVICE int warp_index() {
  return static_cast<int>(threadIdx.x) / kWarp;
}

template <class T>
FRNN_DEVICE T* dynamic_shared() {
  extern __shared__ __align__(128) unsigned char frnn_dynamic_shared[];
  return reinterpret_cast<T*>(frnn_dynamic_shared);
}

FRNN_DEVICE void sync_block() {
  __syncthreads();
}
FRNN_DEVICE bool sync_block_or(bool predicate) {
  return __syncthreads_or(predicate) != 0;
}
FRNN_DEVICE void sync_warp(unsigned mask = kAllLanes) {
  __syncwarp(mask);
}
FRNN_DEVICE void sync_grid() {
  cooperative_groups::this_grid().sync();
}

// The lanes of the calling thread's warp that exist: all but in a block's short last warp.
FRNN_DEVICE unsigned existing_lanes() {
  const int lanes = thread_count() - warp_index() * kWarp;
  return lanes >= kWarp ? kAllLanes : (1u << lanes) - 1u;
}

template <class T>
FRNN_DEVICE T shuffle_xor(T value, int lane_mask) {
  return __shfl_xor_sync(existing_lanes(), value, lane_mask);
}
template <class T>
FRNN_DEVICE T shuffle_down(T value, int delta) {
  return __shfl_down_sync(existing_lanes(), value, delta);
}
template <class T>
FRNN_DEVICE T shuffle_up(T value, int delta) {
  return __shfl_up_sync(existing_lanes(), value, delta);
}
template <class T>
FRNN_DEVICE T shuffle_index(T value, int lane) {
  return __shfl_sync(existing_lanes(), value, lane);
}
FRNN_DEVICE unsigned ballot(bool predicate) {
  return __ballot_sync(existing_lanes(), predicate);
}
FRNN_DEVICE bool warp_any(bool predicate) {
  return __any_sync(existing_lanes(), predicate) != 0;
}
FRNN_DEVICE bool warp_all(bool predicate) {
  return __all_sync(existing_lanes(), predicate) != 0;
}

FRNN_DEVICE int count_bits(unsigned word) {
  return __popc(word);
}

FRNN_DEVICE uint32_t opaque(uint32_t value) {
  asm volatile("" : "+r"(value));
  return value;
}

FRNN_DEVICE void hold_loads() {
  __syncwarp();
}

FRNN_DEVICE Float4 load4(const float* address) {
  const float4 v = *reinterpret_cast<const float4*>(address);
  return {v.x, v.y, v.z, v.w};
}
FRNN_DEVICE void store4(float* address, Float4 v) {
  *reinterpret_cast<float4*>(address) = make_float4(v.x, v.y, v.z, v.w);
}
template <class T>
FRNN_DEVICE T load_readonly(const T* address) {
  return __ldg(address);
}

FRNN_DEVICE unsigned shared_address(const void* shared) {
  return static_cast<unsigned>(__cvta_generic_to_shared(shared));
}

template <int Bytes>
FRNN_DEVICE void copy_async_or_zero(void* shared, const void* global, bool valid) {
  static_assert(Bytes == 4 || Bytes == 8 || Bytes == 16, "copy_async moves 4, 8 or 16 bytes");
  const unsigned to = shared_address(shared);
  const uint64_t from = __cvta_generic_to_global(global);
  const int read = valid ? Bytes : 0;  // the rest of the destination becomes zero
  if constexpr (Bytes == 16) {
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(to), "l"(from), "r"(read)
                 : "memory");
  } else {
    asm volatile("cp.async.ca.shared.global [%0], [%1], %2, %3;" ::"r"(to), "l"(from), "n"(Bytes),
                 "r"(read)
                 : "memory");
  }
}
template <int Bytes>
FRNN_DEVICE void copy_async(void* shared, const void* global) {
  copy_async_or_zero<Bytes>(shared, global, true);
}
FRNN_DEVICE void copy_async_commit() {
  asm volatile("cp.async.commit_group;" ::: "memory");
}
template <int Groups>
FRNN_DEVICE void copy_async_wait() {
  asm volatile("cp.async.wait_group %0;" ::"n"(Groups) : "memory");
}

FRNN_DEVICE void fence_device() {
  __threadfence();
}

namespace detail {

template <class T>
struct Word;  // the PTX register class of a word: by its size
template <>
struct Word<uint32_t> {
  static FRNN_DEVICE uint32_t load_relaxed(const uint32_t* p) {
    uint32_t v;
    asm volatile("ld.relaxed.gpu.global.u32 %0, [%1];" : "=r"(v) : "l"(p) : "memory");
    return v;
  }
  static FRNN_DEVICE uint32_t load_acquire(const uint32_t* p) {
    uint32_t v;
    asm volatile("ld.acquire.gpu.global.u32 %0, [%1];" : "=r"(v) : "l"(p) : "memory");
    return v;
  }
  static FRNN_DEVICE void store_relaxed(uint32_t* p, uint32_t v) {
    asm volatile("st.relaxed.gpu.global.u32 [%0], %1;" ::"l"(p), "r"(v) : "memory");
  }
  static FRNN_DEVICE void store_release(uint32_t* p, uint32_t v) {
    asm volatile("st.release.gpu.global.u32 [%0], %1;" ::"l"(p), "r"(v) : "memory");
  }
};
template <>
struct Word<uint64_t> {
  static FRNN_DEVICE uint64_t load_relaxed(const uint64_t* p) {
    uint64_t v;
    asm volatile("ld.relaxed.gpu.global.u64 %0, [%1];" : "=l"(v) : "l"(p) : "memory");
    return v;
  }
  static FRNN_DEVICE uint64_t load_acquire(const uint64_t* p) {
    uint64_t v;
    asm volatile("ld.acquire.gpu.global.u64 %0, [%1];" : "=l"(v) : "l"(p) : "memory");
    return v;
  }
  static FRNN_DEVICE void store_relaxed(uint64_t* p, uint64_t v) {
    asm volatile("st.relaxed.gpu.global.u64 [%0], %1;" ::"l"(p), "l"(v) : "memory");
  }
  static FRNN_DEVICE void store_release(uint64_t* p, uint64_t v) {
    asm volatile("st.release.gpu.global.u64 [%0], %1;" ::"l"(p), "l"(v) : "memory");
  }
};

template <int Bytes>
struct Sized;
template <>
struct Sized<4> {
  using type = uint32_t;
};
template <>
struct Sized<8> {
  using type = uint64_t;
};
template <class T>
using WordOf = typename Sized<sizeof(T)>::type;

template <class To, class From>
FRNN_DEVICE To bits_as(From from) {
  static_assert(sizeof(To) == sizeof(From), "same size");
  To to;
  memcpy(&to, &from, sizeof(to));
  return to;
}

}  // namespace detail

template <class T>
FRNN_DEVICE T load_relaxed(const T* address) {
  using W = detail::WordOf<T>;
  return detail::bits_as<T>(detail::Word<W>::load_relaxed(reinterpret_cast<const W*>(address)));
}
template <class T>
FRNN_DEVICE T load_acquire(const T* address) {
  using W = detail::WordOf<T>;
  return detail::bits_as<T>(detail::Word<W>::load_acquire(reinterpret_cast<const W*>(address)));
}
template <class T>
FRNN_DEVICE void store_relaxed(T* address, typename TypeOf<T>::type value) {
  using W = detail::WordOf<T>;
  detail::Word<W>::store_relaxed(reinterpret_cast<W*>(address), detail::bits_as<W>(value));
}
template <class T>
FRNN_DEVICE void store_release(T* address, typename TypeOf<T>::type value) {
  using W = detail::WordOf<T>;
  detail::Word<W>::store_release(reinterpret_cast<W*>(address), detail::bits_as<W>(value));
}
template <class T>
FRNN_DEVICE T atomic_add(T* address, typename TypeOf<T>::type value) {
  return atomicAdd(address, value);
}

}  // namespace frnn::machine

#endif  // FUSEDRNN_SRC_MACHINE_CUDA_DEVICE_H_
