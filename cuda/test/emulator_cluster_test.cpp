// Goal: clusters on the emulated machine: barrier, remote stores that land late, transaction
// barriers. Method: a ring in which every block hands values to the next, over seeds and cluster
// sizes; then each way of getting it wrong, with its report.

#include "emulated_device.h"
#include "machine/cluster.h"

namespace m = frnn::machine;
using frnn::Status;
using frnn::testing::EmulatedDevice;

namespace {

struct Args {
  float* out = nullptr;
  int mode = 0;
};

constexpr int kThreads = 48;

// Ten steps; in each a block adds one to what it has and gives it to the next, plain stores and the
// cluster barrier between. Two buffers alternate.
FRNN_KERNEL void ring_by_barrier(Args a) {
  FRNN_SHARED(values, float[2][kThreads]);
  const int t = m::thread_index();
  const int next = (m::cluster_rank() + 1) % m::cluster_size();
  values[0][t] = static_cast<float>(100 * m::cluster_rank() + t);
  m::sync_cluster();
  for (int step = 0; step < 10; ++step) {
    m::store_remote(&values[(step + 1) % 2][t], values[step % 2][t] + 1.0f, next);
    m::cluster_arrive();
    m::cluster_wait();
  }
  const float from_next = m::load_remote(&values[0][t], next);
  a.out[m::block_index() * kThreads + t] = values[0][t] + 1000.0f * from_next;
  m::sync_cluster();
}

// The same by asynchronous stores on two transaction barriers.
FRNN_KERNEL void ring_by_transactions(Args a) {
  FRNN_SHARED(values, float[2][kThreads]);
  FRNN_SHARED(full, m::TransactionBarrier[2]);
  float* const spare = m::dynamic_shared<float>();
  const int t = m::thread_index();
  const int next = (m::cluster_rank() + 1) % m::cluster_size();
  values[0][t] = static_cast<float>(100 * m::cluster_rank() + t);
  if (t == 0) {
    m::barrier_init(&full[0], 1);
    m::barrier_init(&full[1], 1);
    m::publish_barriers();
  }
  m::sync_cluster();
  for (int step = 0; step < 10; ++step) {
    const int to = (step + 1) % 2;
    if (t == 0) m::barrier_arrive_expect(&full[to], kThreads * 4);
    m::store_async(&values[to][t], values[step % 2][t] + 1.0f, &full[to], next);
    m::barrier_wait(&full[to], (step / 2) % 2);
    m::sync_cluster();  // or the block before could be two steps ahead, and in the same buffer
  }
  spare[t] = values[0][t];
  m::sync_cluster();
  const float from_next = m::load_remote(&spare[t], next);
  a.out[m::block_index() * kThreads + t] = values[0][t] + 1000.0f * from_next;
  m::sync_cluster();
}

void test_rings() {
  for (auto kernel : {ring_by_barrier, ring_by_transactions}) {
    for (int64_t seed = 0; seed < 12; ++seed) {
      for (int cluster : {1, 2, 5, 8, 16}) {
        EmulatedDevice device(seed, 1 + seed % 2);
        const int blocks = 3 * cluster;
        float* out = device.alloc<float>(blocks * kThreads);
        FRNN_CHECK_OK(
            device.run("ring", kernel, {blocks, kThreads, 4 * kThreads, false, cluster}, {out}));
        const std::vector<float> got = device.download(out, blocks * kThreads);
        const auto value = [&](int rank, int t) {
          const int origin = ((rank - 10) % cluster + cluster) % cluster;
          return static_cast<float>(100 * origin + t + 10);
        };
        for (int i = 0; i < blocks * kThreads; ++i) {
          const int rank = i / kThreads % cluster, t = i % kThreads;
          const float expected = value(rank, t) + 1000.0f * value((rank + 1) % cluster, t);
          FRNN_CHECK_NEAR(got[static_cast<size_t>(i)], expected, 0);
        }
      }
    }
  }
}

// A remote arrival carries what its thread stored before; vectors and doubles, too.
FRNN_KERNEL void arrive_remotely(Args a) {
  FRNN_SHARED(vector, m::Float4);
  FRNN_SHARED(word, double);
  FRNN_SHARED(full, m::TransactionBarrier);
  if (m::thread_index() == 0) {
    m::barrier_init(&full, m::cluster_size());
    m::publish_barriers();
  }
  m::sync_cluster();
  if (m::thread_index() == 1) {
    if (m::cluster_rank() == 0) m::store_remote(&vector, m::Float4{1, 2, 3, 4}, 1);
    if (m::cluster_rank() == 0) m::store_remote(&word, 5.0, 1);
    for (int rank = 0; rank < m::cluster_size(); ++rank)
      m::barrier_arrive_remote(&full, rank);
  }
  if (m::cluster_rank() == 1) {
    m::barrier_wait(&full, 0);
    if (m::thread_index() == 0) {
      a.out[m::cluster_index()] =
          vector.x + vector.y + vector.z + vector.w + static_cast<float>(word);
    }
  }
  m::sync_cluster();
}

void test_remote_arrival() {
  for (int64_t seed = 0; seed < 10; ++seed) {
    EmulatedDevice device(seed);
    float* out = device.alloc<float>(4);
    FRNN_CHECK_OK(device.run("arrive", arrive_remotely, {12, 32, 0, false, 3}, {out}));
    for (float v : device.download(out, 4))
      FRNN_CHECK(v == 15.0f);
  }
}

// Looks at what a neighbour stored before it was waited for.
FRNN_KERNEL void looks_too_early(Args a) {
  FRNN_SHARED(value, float);
  FRNN_SHARED(full, m::TransactionBarrier);
  if (m::thread_index() == 0) {
    value = 1.0f;
    m::barrier_init(&full, 1);
    m::publish_barriers();
  }
  m::sync_cluster();
  if (m::cluster_rank() == 0) {
    if (a.mode == 0) m::store_remote(&value, 2.0f, 1);
    if (a.mode == 1) m::store_async(&value, 2.0f, &full, 1);
  }
  if (m::cluster_rank() == 1) a.out[0] = value;  // before it is stored, or while it is
  m::sync_cluster();
  if (m::cluster_rank() == 1) {
    a.out[1] = value;
    if (a.mode == 1) {
      m::barrier_arrive_expect(&full, 4);
      m::barrier_wait(&full, 0);
    }
    a.out[2] = value;
  }
  m::sync_cluster();
}

void test_late_landing() {
  for (int mode = 0; mode < 2; ++mode) {
    bool early = false;
    for (int64_t seed = 0; seed < 20; ++seed) {
      EmulatedDevice device(seed);
      float* out = device.alloc<float>(3);
      FRNN_CHECK_OK(device.run("early", looks_too_early, {2, 1, 0, false, 2}, {out, mode}));
      const std::vector<float> got = device.download(out, 3);
      early |= std::isnan(got[0]);
      FRNN_CHECK(mode == 0 ? got[1] == 2.0f : std::isnan(got[1]));
      FRNN_CHECK(got[2] == 2.0f);
    }
    FRNN_CHECK(early);
  }
}

// ---- Misuse -----------------------------------------------------------------------------------

FRNN_KERNEL void misuse(Args a) {
  FRNN_SHARED(values, float[8]);
  FRNN_SHARED(full, m::TransactionBarrier);
  const int rank = m::cluster_rank();
  const bool first = m::thread_index() == 0;
  if (a.mode == 0 && rank == 0) m::store_remote(values, 1.0f, 1);  // nobody waited for the others
  if (a.mode == 1 && rank == 1) return;                            // exits before the barrier
  if (a.mode == 2) m::cluster_wait();
  if (first && a.mode != 3) m::barrier_init(&full, 1);
  if (first && a.mode != 12) m::publish_barriers();
  m::sync_cluster();
  if (a.mode == 3 && first) m::barrier_arrive(&full);
  if (a.mode == 4 && first && rank == 0) m::store_async(values, 1.0f, &full, 1);  // never awaited
  if (a.mode == 5 && rank == 0) m::store_remote(values, 1.0f, 2);
  if (a.mode == 6 && rank == 0) m::store_remote(a.out, 1.0f, 1);
  if (a.mode == 7) m::barrier_wait(&full, 0);  // nobody arrives
  if (a.mode == 8 && first) {
    m::barrier_arrive_expect(&full, 8);  // twice what comes
    m::store_async(values, 1.0f, &full, rank);
    m::barrier_wait(&full, 0);
  }
  if (a.mode == 9 && rank == 0) m::cluster_arrive();
  if (a.mode == 9 && rank == 0) m::cluster_arrive();
  if (a.mode == 10 && first) m::barrier_init(&full, 1);
  if (a.mode == 12 && first && rank == 0) m::barrier_arrive_remote(&full, 1);
  if (a.mode == 12) m::sync_cluster();
  if (a.mode == 11 && rank == 0) {
    (void)m::load_remote(reinterpret_cast<double*>(reinterpret_cast<char*>(values) + 4), 1);
  }
}

void test_misuse() {
  const char* const expected[] = {"which has not begun: sync_cluster first",
                                  "divergent barrier in block",
                                  "cluster_wait without a cluster_arrive before",
                                  "that was not initialised",
                                  "exited",  // before or after the store was issued
                                  "store_remote of block 2 of a cluster of 2",
                                  "which is not in the block's shared memory",
                                  "dead-lock in block 0: 32 threads wait at a transaction barrier",
                                  "wait",
                                  "cluster_arrive twice without a cluster_wait between",
                                  "barrier_init of a barrier that is initialised already",
                                  "load_remote of 8 bytes at 0x",
                                  "block 1 whose initialisation was not published"};
  for (int mode = 0; mode < 13; ++mode) {
    int reports = 0;
    for (int64_t seed = 0; seed < 20; ++seed) {
      EmulatedDevice device(seed);
      float* out = device.alloc<float>(1);
      const Status status = device.run("misuse", misuse, {2, 32, 0, false, 2}, {out, mode});
      // Whether a block has begun is a matter of order; everything else always shows.
      if (mode == 0 && status.ok()) continue;
      if (mode == 0 && status.text.find("has not begun") == std::string::npos) continue;
      ++reports;
      FRNN_CHECK_REPORT(status, "kernel `misuse`", mode == 1 ? "barrier" : expected[mode]);
    }
    FRNN_CHECK(mode == 0 ? reports > 3 : reports == 20);
  }
}

void test_refused_launches() {
  EmulatedDevice device;
  int count = 0;
  FRNN_CHECK_OK(device->resident_clusters(misuse, {0, 256, 0, false, 8}, &count));
  FRNN_CHECK(count == 4);
  FRNN_CHECK_OK(device->resident_clusters(misuse, {0, 256, 0, false, 17}, &count));
  FRNN_CHECK(count == 0);
  FRNN_CHECK_REPORT_CODE(device->launch("misuse", misuse, {3, 32, 0, false, 2}, 0, {}),
                         FRNN_INVALID_ARGUMENT, "3 blocks in clusters of 2: expected a multiple");
  FRNN_CHECK_REPORT_CODE(device->launch("misuse", misuse, {17, 32, 0, false, 17}, 0, {}),
                         FRNN_INVALID_ARGUMENT, "clusters of 1 to 16");
  FRNN_CHECK_REPORT_CODE(device->launch("misuse", misuse, {8, 1024, 200000, false, 8}, 0, {}),
                         FRNN_INVALID_ARGUMENT, "4 of this shape");
}

}  // namespace

int main() {
  test_rings();
  test_remote_arrival();
  test_late_landing();
  test_misuse();
  test_refused_launches();
  return frnn::testing::report();
}
