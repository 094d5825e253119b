// The seam, kernel side: everything that a kernel may ask of the machine it runs on.
//
// A kernel file includes this header and names no CUDA keyword, intrinsic or PTX of its own. nvcc
// compiles it against thin inlines (cuda_device.h); g++ with FRNN_EMULATED defined compiles the
// same file against the emulated machine (emulated_device.h). Both offer exactly this:
//
// Qualifiers
//   FRNN_KERNEL void name(Args args)                 a kernel: one trivially copyable argument
//   struct FRNN_KERNEL_BOUNDS(threads, blocks) void name()  the same with launch bounds: `threads`
//   at most in
//                                                    a block, `blocks` at least on a multiprocessor
//   FRNN_DEVICE                                      a function called by kernels only
//   FRNN_HOST_DEVICE                                 (qualifiers.h) a function for both sides
//   FRNN_UNROLL                                      before a loop with a constant trip count
//   FRNN_NO_UNROLL                                   before one that shall stay a loop: registers
//   FRNN_SHARED(name, type);                         an uninitialised variable of the block, as in
//                                                    FRNN_SHARED(tile, float[32][33]); it must be
//                                                    reached by every thread or by none that uses
//                                                    it
//
// Place (all one-dimensional)
//   int block_index(), block_count(), thread_index(), thread_count(), lane_index(), warp_index()
//   T* dynamic_shared<T>()      the block's Grid::shared_bytes, aligned to 128 bytes
//
// Barriers: every thread of the group must reach the same call, none may have exited
//   sync_block(), sync_warp(mask = kAllLanes), sync_grid() (cooperative launches only)
//   bool sync_block_or(bool)    true in all threads if true in any
//
// Warp: all lanes of the mask must take part with the same mask; lanes that do not exist (the last
// warp of a block whose size is no multiple of 32) are left out of kAllLanes
//   T shuffle_xor(T, int lane_mask), shuffle_down(T, int delta), shuffle_up(T, int delta),
//   shuffle_index(T, int lane); T is arithmetic, 4 or 8 bytes. A source lane outside the warp gives
//   the caller's own value. unsigned ballot(bool); bool warp_any(bool), warp_all(bool);
//   int count_bits(unsigned)   the ones in a word
//
// Registers
//   uint32_t opaque(uint32_t)   the value itself, of which the compiler then knows nothing: what is
//                               computed from it is computed here, not once before a loop, where it
//                               would have to stay in registers
//   hold_loads()                all lanes: loads behind it in the source are not asked for before
//                               it, which bounds how many wait in registers; no barrier
//
// Vectors: 16-byte accesses; the address must be a multiple of 16 (the emulated machine checks)
//   Float4 load4(const float*), void store4(float*, Float4)
//   T load_readonly(const T*)   through the read-only path: memory that no one writes meanwhile
//
// Asynchronous copies from global to shared memory: 4, 8 or 16 bytes, both ends aligned to it. What
// was copied may be read only after copy_async_wait and, by other threads, a barrier thereafter.
//   copy_async<Bytes>(void* shared, const void* global)
//   copy_async_or_zero<Bytes>(void* shared, const void* global, bool valid)  zeros, not read, if
//   not copy_async_commit()         closes a group of this thread's copies
//   copy_async_wait<Groups>()   waits until at most `Groups` of the newest groups are in flight
//
// Exchange between blocks that are alive together (cooperative launches, clusters): single words
//   T load_relaxed(const T*), load_acquire(const T*); void store_relaxed(T*, T), store_release(T*,
//   T) for 4 and 8 byte T; fence_device(). A poll loop must contain one of the loads.
//   atomic_add(T*, T) for int, unsigned and unsigned long long: returns the old value.

#ifndef FUSEDRNN_SRC_MACHINE_DEVICE_H_
#define FUSEDRNN_SRC_MACHINE_DEVICE_H_

#include "machine/qualifiers.h"

namespace frnn::machine {

constexpr unsigned kAllLanes = 0xffffffffu;

struct alignas(16) Float4 {
  float x, y, z, w;
};

}  // namespace frnn::machine

#if defined(__CUDACC__)
#include "machine/cuda_device.h"
#elif defined(FRNN_EMULATED)
#include "machine/emulated_device.h"
#else
#error "machine/device.h: compile kernels with nvcc, or with g++ and FRNN_EMULATED"
#endif

#endif  // FUSEDRNN_SRC_MACHINE_DEVICE_H_
