// Clusters over PTX. The contract is in cluster.h, which includes this. Where a kernel is compiled
// for a chip without clusters, these calls trap: the planner must not choose it there.

#ifndef FUSEDRNN_SRC_MACHINE_CUDA_CLUSTER_H_
#define FUSEDRNN_SRC_MACHINE_CUDA_CLUSTER_H_

#if defined(FRNN_BOUNDED_WAITS)
#include <cstdio>
#endif

#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ < 900
#define FRNN_CLUSTER_PTX(...) __trap()
#else
#define FRNN_CLUSTER_PTX(...) asm volatile(__VA_ARGS__)
#endif

namespace frnn::machine {

FRNN_DEVICE int cluster_rank() {
  unsigned rank = 0;
  FRNN_CLUSTER_PTX("mov.u32 %0, %%cluster_ctarank;" : "=r"(rank));
  return static_cast<int>(rank);
}
FRNN_DEVICE int cluster_size() {
  unsigned size = 1;
  FRNN_CLUSTER_PTX("mov.u32 %0, %%cluster_nctarank;" : "=r"(size));
  return static_cast<int>(size);
}
FRNN_DEVICE int cluster_index() {
  unsigned index = 0;
  FRNN_CLUSTER_PTX("mov.u32 %0, %%clusterid.x;" : "=r"(index));
  return static_cast<int>(index);
}

FRNN_DEVICE void cluster_arrive() {
  FRNN_CLUSTER_PTX("barrier.cluster.arrive.release;" ::: "memory");
}
FRNN_DEVICE void cluster_wait() {
  FRNN_CLUSTER_PTX("barrier.cluster.wait.acquire;" ::: "memory");
}
FRNN_DEVICE void sync_cluster() {
  cluster_arrive();
  cluster_wait();
}

// The address, in the cluster's shared window, of the caller's `shared` in block `rank`.
FRNN_DEVICE unsigned remote_address(const void* shared, int rank) {
  unsigned address = 0;
  FRNN_CLUSTER_PTX("mapa.shared::cluster.u32 %0, %1, %2;"
                   : "=r"(address)
                   : "r"(shared_address(shared)), "r"(rank));
  return address;
}

namespace detail {

// A value as the 32-bit registers that PTX moves.
template <class T>
struct Registers {
  static_assert(sizeof(T) == 4 || sizeof(T) == 8 || sizeof(T) == 16, "4, 8 or 16 bytes");
  uint32_t r[sizeof(T) / 4] = {};
};

}  // namespace detail

template <class T>
FRNN_DEVICE T load_remote(const T* shared, int rank) {
  const unsigned from = remote_address(shared, rank);
  detail::Registers<T> v;
  if constexpr (sizeof(T) == 4) {
    FRNN_CLUSTER_PTX("ld.shared::cluster.b32 %0, [%1];" : "=r"(v.r[0]) : "r"(from) : "memory");
  } else if constexpr (sizeof(T) == 8) {
    FRNN_CLUSTER_PTX("ld.shared::cluster.v2.b32 {%0, %1}, [%2];"
                     : "=r"(v.r[0]), "=r"(v.r[1])
                     : "r"(from)
                     : "memory");
  } else {
    FRNN_CLUSTER_PTX("ld.shared::cluster.v4.b32 {%0, %1, %2, %3}, [%4];"
                     : "=r"(v.r[0]), "=r"(v.r[1]), "=r"(v.r[2]), "=r"(v.r[3])
                     : "r"(from)
                     : "memory");
  }
  return detail::bits_as<T>(v);
}

template <class T>
FRNN_DEVICE void store_remote(T* shared, typename TypeOf<T>::type value, int rank) {
  const unsigned to = remote_address(shared, rank);
  const auto v = detail::bits_as<detail::Registers<T>>(value);
  if constexpr (sizeof(T) == 4) {
    FRNN_CLUSTER_PTX("st.shared::cluster.b32 [%0], %1;" ::"r"(to), "r"(v.r[0]) : "memory");
  } else if constexpr (sizeof(T) == 8) {
    FRNN_CLUSTER_PTX("st.shared::cluster.v2.b32 [%0], {%1, %2};" ::"r"(to), "r"(v.r[0]), "r"(v.r[1])
                     : "memory");
  } else {
    FRNN_CLUSTER_PTX("st.shared::cluster.v4.b32 [%0], {%1, %2, %3, %4};" ::"r"(to), "r"(v.r[0]),
                     "r"(v.r[1]), "r"(v.r[2]), "r"(v.r[3])
                     : "memory");
  }
}

template <class T>
FRNN_DEVICE void store_async(T* shared, typename TypeOf<T>::type value, TransactionBarrier* barrier,
                             int rank) {
  const unsigned to = remote_address(shared, rank);
  const unsigned at = remote_address(barrier, rank);
  const auto v = detail::bits_as<detail::Registers<T>>(value);
  if constexpr (sizeof(T) == 4) {
    FRNN_CLUSTER_PTX(
        "st.async.weak.shared::cluster.mbarrier::complete_tx::bytes.b32 "
        "[%0], %1, [%2];" ::"r"(to),
        "r"(v.r[0]), "r"(at)
        : "memory");
  } else if constexpr (sizeof(T) == 8) {
    FRNN_CLUSTER_PTX(
        "st.async.weak.shared::cluster.mbarrier::complete_tx::bytes.v2.b32 "
        "[%0], {%1, %2}, [%3];" ::"r"(to),
        "r"(v.r[0]), "r"(v.r[1]), "r"(at)
        : "memory");
  } else {
    FRNN_CLUSTER_PTX(
        "st.async.weak.shared::cluster.mbarrier::complete_tx::bytes.v4.b32 "
        "[%0], {%1, %2, %3, %4}, [%5];" ::"r"(to),
        "r"(v.r[0]), "r"(v.r[1]), "r"(v.r[2]), "r"(v.r[3]), "r"(at)
        : "memory");
  }
}

FRNN_DEVICE void barrier_init(TransactionBarrier* barrier, int arrivals) {
  FRNN_CLUSTER_PTX("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(shared_address(barrier)),
                   "r"(arrivals)
                   : "memory");
}
FRNN_DEVICE void publish_barriers() {
  FRNN_CLUSTER_PTX("fence.mbarrier_init.release.cluster;" ::: "memory");
}
FRNN_DEVICE void barrier_arrive(TransactionBarrier* barrier) {
  FRNN_CLUSTER_PTX(
      "mbarrier.arrive.release.cluster.shared::cta.b64 _, [%0];" ::"r"(shared_address(barrier))
      : "memory");
}
FRNN_DEVICE void barrier_arrive_expect(TransactionBarrier* barrier, int bytes) {
  FRNN_CLUSTER_PTX("mbarrier.arrive.expect_tx.release.cluster.shared::cta.b64 _, [%0], %1;" ::"r"(
                       shared_address(barrier)),
                   "r"(bytes)
                   : "memory");
}
FRNN_DEVICE void barrier_arrive_remote(TransactionBarrier* barrier, int rank) {
  FRNN_CLUSTER_PTX("mbarrier.arrive.release.cluster.shared::cluster.b64 _, [%0];" ::"r"(
                       remote_address(barrier, rank))
                   : "memory");
}
FRNN_DEVICE bool barrier_test(TransactionBarrier* barrier, int parity) {
  unsigned done = 1;
  FRNN_CLUSTER_PTX(
      "{\n"
      ".reg .pred p;\n"
      "mbarrier.try_wait.parity.acquire.cluster.shared::cta.b64 p, [%1], %2;\n"
      "selp.u32 %0, 1, 0, p;\n"
      "}"
      : "=r"(done)
      : "r"(shared_address(barrier)), "r"(parity)
      : "memory");
  return done != 0;
}
#if defined(FRNN_BOUNDED_WAITS)
// A debug build ends a wait that would never end, and says whose it was.
FRNN_DEVICE void barrier_wait(TransactionBarrier* barrier, int parity) {
  constexpr long long kClocks = 4000000000;  // some 2 seconds
  const long long begin = clock64();
  while (!barrier_test(barrier, parity)) {
    if (clock64() - begin < kClocks) continue;
    printf(
        "fusedrnn: block %d of cluster %d, thread %d: has waited %lld clocks for what the other %d "
        "blocks send to the barrier at shared address %u, phase of parity %d\n",
        cluster_rank(), cluster_index(), thread_index(), kClocks, cluster_size() - 1,
        shared_address(barrier), parity);
    __trap();
  }
}
#else
FRNN_DEVICE void barrier_wait(TransactionBarrier* barrier, int parity) {
  while (!barrier_test(barrier, parity)) {
  }
}
#endif

}  // namespace frnn::machine

#undef FRNN_CLUSTER_PTX

#endif  // FUSEDRNN_SRC_MACHINE_CUDA_CLUSTER_H_
