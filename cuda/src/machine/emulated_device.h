// The seam's kernel side over the emulated machine (cuda/emulator). The contract is in device.h,
// which includes this. Indices are read inline; whatever may switch to another thread of the kernel
// is a call into the emulator.

#ifndef FUSEDRNN_SRC_MACHINE_EMULATED_DEVICE_H_
#define FUSEDRNN_SRC_MACHINE_EMULATED_DEVICE_H_

#include <cmath>
#include <cstdint>
#include <cstring>
#include <type_traits>

#define FRNN_KERNEL
#define FRNN_KERNEL_BOUNDS(threads, blocks)
#define FRNN_DEVICE inline
#define FRNN_UNROLL
#define FRNN_NO_UNROLL
// Each declaration, and each instantiation of a template around it, is a site of its own; the
// emulator gives a site one place in the shared memory of every block of a launch.
#define FRNN_SHARED(name, ...)                                                           \
  ::frnn::machine::Identity<__VA_ARGS__>& name =                                         \
      *static_cast<::frnn::machine::Identity<__VA_ARGS__>*>([]() -> void* {              \
        static const char site = 0;                                                      \
        using FrnnSharedType = ::frnn::machine::Identity<__VA_ARGS__>;                   \
        return ::frnn::machine::emulated::shared_variable(&site, sizeof(FrnnSharedType), \
                                                          alignof(FrnnSharedType));      \
      }())

namespace frnn::machine {

namespace emulated {

// Who the running fiber is. The emulator sets `self` before it runs or resumes a thread.
struct Self {
  int block;
  int blocks;
  int thread;
  int threads;
};
// __thread, not thread_local: it has no initialiser to run, so every read is a plain load.
extern __thread const Self* self __attribute__((tls_model("initial-exec")));

// A call of a barrier in the source of a kernel. `barrier_hook`, where a test has set it, hears of
// every one and may say that this one is to be left out: so a test removes each in turn.
struct Site {
  const char* file;
  int line;
};
extern bool (*barrier_hook)(const Site&);
inline bool removed(const char* file, int line) {
  return barrier_hook != nullptr && barrier_hook({file, line});
}

void* shared_variable(const void* site, std::size_t bytes, std::size_t alignment);
void* dynamic_shared_memory();
void sync_block();
bool sync_block_or(bool predicate);
void sync_warp(unsigned mask);
void sync_grid();
// Hands over this lane's 8 bytes and answers those of `source`, or its own where `source` is
// outside the warp.
uint64_t exchange(uint64_t word, int source);
unsigned ballot(bool predicate);
unsigned existing_lanes();
void require_aligned(const void* address, int bytes, const char* access);
void copy_async(void* shared, const void* global, int bytes, bool valid);
void copy_async_commit();
void copy_async_wait(int groups);
// A load found `value` at `address`. Lets other threads run where that may be part of a wait loop;
// true where it did, and the load must be done again.
bool poll(const void* address, uint64_t value);
void wrote();  // a store that others may be waiting for

template <class T>
inline T exchange_as(T value, int source) {
  static_assert(std::is_arithmetic_v<T> && (sizeof(T) == 4 || sizeof(T) == 8),
                "shuffles move arithmetic types of 4 or 8 bytes");
  uint64_t word = 0;
  std::memcpy(&word, &value, sizeof(T));
  word = exchange(word, source);
  std::memcpy(&value, &word, sizeof(T));
  return value;
}

}  // namespace emulated

inline int block_index() {
  return emulated::self->block;
}
inline int block_count() {
  return emulated::self->blocks;
}
inline int thread_index() {
  return emulated::self->thread;
}
inline int thread_count() {
  return emulated::self->threads;
}
inline int lane_index() {
  return thread_index() % kWarp;
}
inline int warp_index() {
  return thread_index() / kWarp;
}

template <class T>
inline T* dynamic_shared() {
  return static_cast<T*>(emulated::dynamic_shared_memory());
}

inline void sync_block(const char* file = __builtin_FILE(), int line = __builtin_LINE()) {
  if (!emulated::removed(file, line)) emulated::sync_block();
}
inline bool sync_block_or(bool predicate) {
  return emulated::sync_block_or(predicate);
}
inline void sync_warp(unsigned mask = kAllLanes, const char* file = __builtin_FILE(),
                      int line = __builtin_LINE()) {
  if (!emulated::removed(file, line)) emulated::sync_warp(mask);
}
inline void sync_grid() {
  emulated::sync_grid();
}

template <class T>
inline T shuffle_xor(T value, int lane_mask) {
  return emulated::exchange_as(value, lane_index() ^ lane_mask);
}
template <class T>
inline T shuffle_down(T value, int delta) {
  return emulated::exchange_as(value, lane_index() + delta);
}
template <class T>
inline T shuffle_up(T value, int delta) {
  return emulated::exchange_as(value, lane_index() - delta);
}
template <class T>
inline T shuffle_index(T value, int lane) {
  return emulated::exchange_as(value, lane % kWarp);
}
inline unsigned ballot(bool predicate) {
  return emulated::ballot(predicate);
}
inline bool warp_any(bool predicate) {
  return emulated::ballot(predicate) != 0;
}
inline bool warp_all(bool predicate) {
  return emulated::ballot(predicate) == emulated::existing_lanes();
}

inline int count_bits(unsigned word) {
  return __builtin_popcount(word);
}

inline uint32_t opaque(uint32_t value) {
  return value;
}

inline void hold_loads() {}

inline Float4 load4(const float* address) {
  emulated::require_aligned(address, 16, "load4");
  Float4 v;
  std::memcpy(&v, address, sizeof(v));
  return v;
}
inline void store4(float* address, Float4 v) {
  emulated::require_aligned(address, 16, "store4");
  std::memcpy(address, &v, sizeof(v));
}
template <class T>
inline T load_readonly(const T* address) {
  return *address;
}

template <int Bytes>
inline void copy_async_or_zero(void* shared, const void* global, bool valid) {
  static_assert(Bytes == 4 || Bytes == 8 || Bytes == 16, "copy_async moves 4, 8 or 16 bytes");
  emulated::copy_async(shared, global, Bytes, valid);
}
template <int Bytes>
inline void copy_async(void* shared, const void* global) {
  copy_async_or_zero<Bytes>(shared, global, true);
}
inline void copy_async_commit() {
  emulated::copy_async_commit();
}
template <int Groups>
inline void copy_async_wait() {
  emulated::copy_async_wait(Groups);
}

inline void fence_device() {
  __atomic_thread_fence(__ATOMIC_SEQ_CST);
}

namespace emulated {

template <int Order, class T>
inline T load_word(const T* address) {
  static_assert(sizeof(T) == 4 || sizeof(T) == 8, "words of 4 or 8 bytes");
  T value;
  __atomic_load(const_cast<T*>(address), &value, Order);
  uint64_t word = 0;
  std::memcpy(&word, &value, sizeof(T));
  if (poll(address, word)) __atomic_load(const_cast<T*>(address), &value, Order);
  return value;
}
template <int Order, class T>
inline void store_word(T* address, T value) {
  static_assert(sizeof(T) == 4 || sizeof(T) == 8, "words of 4 or 8 bytes");
  __atomic_store(address, &value, Order);
  wrote();
}

}  // namespace emulated

template <class T>
inline T load_relaxed(const T* address) {
  return emulated::load_word<__ATOMIC_RELAXED>(address);
}
template <class T>
inline T load_acquire(const T* address) {
  return emulated::load_word<__ATOMIC_ACQUIRE>(address);
}
template <class T>
inline void store_relaxed(T* address, typename TypeOf<T>::type value) {
  emulated::store_word<__ATOMIC_RELAXED>(address, value);
}
template <class T>
inline void store_release(T* address, typename TypeOf<T>::type value) {
  emulated::store_word<__ATOMIC_RELEASE>(address, value);
}
template <class T>
inline T atomic_add(T* address, typename TypeOf<T>::type value) {
  const T before = __atomic_fetch_add(address, value, __ATOMIC_RELAXED);
  emulated::wrote();
  return before;
}

}  // namespace frnn::machine

#endif  // FUSEDRNN_SRC_MACHINE_EMULATED_DEVICE_H_
