// Clusters over the emulated machine (cuda/emulator/cluster.cpp). The contract is in cluster.h,
// which includes this.

#ifndef FUSEDRNN_SRC_MACHINE_EMULATED_CLUSTER_H_
#define FUSEDRNN_SRC_MACHINE_EMULATED_CLUSTER_H_

#include <cstring>

namespace frnn::machine {

namespace emulated {

int cluster_rank();
int cluster_size();
void cluster_arrive();
void cluster_wait();
void load_remote(void* value, const void* shared, int bytes, int rank);
void store_remote(void* shared, const void* value, int bytes, int rank);
void store_async(void* shared, const void* value, int bytes, TransactionBarrier* barrier, int rank);
void barrier_init(TransactionBarrier* barrier, int arrivals);
void publish_barriers();
void barrier_arrive(TransactionBarrier* barrier, int expected_bytes, int rank);
bool barrier_test(TransactionBarrier* barrier, int parity);
void barrier_wait(TransactionBarrier* barrier, int parity);

template <class T>
constexpr int remote_bytes() {
  static_assert(sizeof(T) == 4 || sizeof(T) == 8 || sizeof(T) == 16, "4, 8 or 16 bytes");
  return static_cast<int>(sizeof(T));
}

}  // namespace emulated

inline int cluster_rank() {
  return emulated::cluster_rank();
}
inline int cluster_size() {
  return emulated::cluster_size();
}
inline int cluster_index() {
  return block_index() / emulated::cluster_size();
}

inline void cluster_arrive(const char* file = __builtin_FILE(), int line = __builtin_LINE()) {
  if (!emulated::removed(file, line)) emulated::cluster_arrive();
}
inline void cluster_wait(const char* file = __builtin_FILE(), int line = __builtin_LINE()) {
  if (!emulated::removed(file, line)) emulated::cluster_wait();
}
inline void sync_cluster(const char* file = __builtin_FILE(), int line = __builtin_LINE()) {
  if (emulated::removed(file, line)) return;
  emulated::cluster_arrive();
  emulated::cluster_wait();
}

template <class T>
inline T load_remote(const T* shared, int rank) {
  T value;
  emulated::load_remote(&value, shared, emulated::remote_bytes<T>(), rank);
  return value;
}
template <class T>
inline void store_remote(T* shared, typename TypeOf<T>::type value, int rank) {
  emulated::store_remote(shared, &value, emulated::remote_bytes<T>(), rank);
}
template <class T>
inline void store_async(T* shared, typename TypeOf<T>::type value, TransactionBarrier* barrier,
                        int rank) {
  emulated::store_async(shared, &value, emulated::remote_bytes<T>(), barrier, rank);
}

inline void barrier_init(TransactionBarrier* barrier, int arrivals,
                         const char* file = __builtin_FILE(), int line = __builtin_LINE()) {
  if (!emulated::removed(file, line)) emulated::barrier_init(barrier, arrivals);
}
inline void publish_barriers(const char* file = __builtin_FILE(), int line = __builtin_LINE()) {
  if (!emulated::removed(file, line)) emulated::publish_barriers();
}
inline void barrier_arrive(TransactionBarrier* barrier, const char* file = __builtin_FILE(),
                           int line = __builtin_LINE()) {
  if (emulated::removed(file, line)) return;
  emulated::barrier_arrive(barrier, 0, emulated::cluster_rank());
}
inline void barrier_arrive_expect(TransactionBarrier* barrier, int bytes,
                                  const char* file = __builtin_FILE(),
                                  int line = __builtin_LINE()) {
  if (emulated::removed(file, line)) return;
  emulated::barrier_arrive(barrier, bytes, emulated::cluster_rank());
}
inline void barrier_arrive_remote(TransactionBarrier* barrier, int rank,
                                  const char* file = __builtin_FILE(),
                                  int line = __builtin_LINE()) {
  if (!emulated::removed(file, line)) emulated::barrier_arrive(barrier, 0, rank);
}
inline bool barrier_test(TransactionBarrier* barrier, int parity) {
  return emulated::barrier_test(barrier, parity);
}
inline void barrier_wait(TransactionBarrier* barrier, int parity,
                         const char* file = __builtin_FILE(), int line = __builtin_LINE()) {
  if (!emulated::removed(file, line)) emulated::barrier_wait(barrier, parity);
}

}  // namespace frnn::machine

#endif  // FUSEDRNN_SRC_MACHINE_EMULATED_CLUSTER_H_
