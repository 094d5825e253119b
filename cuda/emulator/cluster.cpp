// Clusters: the barrier, stores to other blocks that land late, transaction barriers.
//
// A store to another block makes its place NaN at once and lands when somebody waits for it: a
// plain one at the end of the cluster barrier that its thread arrives at next, an asynchronous one
// while its transaction barrier is tested, in random order.

#include <algorithm>
#include <cstring>

#include "runner.h"

namespace frnn::machine::emulated {

// ---- The barrier of a cluster -----------------------------------------------------------------

void Runner::cluster_arrive(Fiber* f) {
  Cluster* c = f->in->cluster;
  if (f->at_cluster) fail(f, "cluster_arrive twice without a cluster_wait between");
  f->at_cluster = true;
  f->cluster_phase = c->phase;
  if (++c->arrived < c->size * launch_->grid.threads) return;
  c->arrived = 0;
  for (size_t i = c->in_flight.size(); i-- > 0;) {
    if (c->in_flight[i].barrier == nullptr && c->in_flight[i].phase <= c->phase) land(c, i);
  }
  ++c->phase;
  make_ready(&c->waiting);
}

void Runner::cluster_wait(Fiber* f) {
  Cluster* c = f->in->cluster;
  if (!f->at_cluster) fail(f, "cluster_wait without a cluster_arrive before");
  f->at_cluster = false;
  f->wait = Wait::kCluster;
  if (c->phase > f->cluster_phase) {
    ready_.push_back(f);  // others may go first
  } else {
    c->waiting.push_back(f);
  }
  park(f);
}

// ---- Remote shared memory ---------------------------------------------------------------------

Block* Runner::remote_block(const Fiber* f, int rank, const char* what) {
  const Cluster* c = f->in->cluster;
  if (rank < 0 || rank >= c->size) {
    fail(f, "%s of block %d of a cluster of %d", what, rank, c->size);
  }
  Block* block = c->blocks[rank];
  if (block == nullptr) fail(f, "%s of block %d of the cluster, which has exited", what, rank);
  if (block->begun == 0) {
    fail(f, "%s of block %d of the cluster, which has not begun: sync_cluster first", what, rank);
  }
  return block;
}

unsigned char* Runner::remote_place(const Fiber* f, const void* shared, int bytes, int rank,
                                    const char* what) {
  if (!f->in->shared.holds(layout_, shared, static_cast<size_t>(bytes))) {
    fail(f, "%s of %d bytes at %p, which is not in the block's shared memory", what, bytes, shared);
  }
  if (reinterpret_cast<uintptr_t>(shared) % static_cast<uintptr_t>(bytes) != 0) {
    fail(f, "%s of %d bytes at %p, which is no multiple of that", what, bytes, shared);
  }
  return f->in->shared.same_place(remote_block(f, rank, what)->shared, shared);
}

void Runner::load_remote(Fiber* f, void* value, const void* shared, int bytes, int rank) {
  std::memcpy(value, remote_place(f, shared, bytes, rank, "load_remote"),
              static_cast<size_t>(bytes));
}

void Runner::store_remote(Fiber* f, void* shared, const void* value, int bytes, const void* barrier,
                          int rank) {
  const char* const what = barrier == nullptr ? "store_remote" : "store_async";
  Cluster* c = f->in->cluster;
  RemoteStore store = {};
  store.to = remote_place(f, shared, bytes, rank, what);
  store.bytes = bytes;
  store.target = rank;
  store.phase = f->at_cluster ? f->cluster_phase + 1 : c->phase;
  store.by = f;
  if (barrier != nullptr) {
    Block* target = remote_block(f, rank, what);
    store.barrier = f->in->shared.same_place(target->shared, barrier);
    published_barrier(f, target, store.barrier);  // must be there
  }
  std::memcpy(store.data, value, static_cast<size_t>(bytes));
  std::memset(store.to, 0xff, static_cast<size_t>(bytes));
  c->in_flight.push_back(store);
}

void Runner::land(Cluster* c, size_t at) {
  const RemoteStore store = c->in_flight[at];
  c->in_flight[at] = c->in_flight.back();
  c->in_flight.pop_back();
  std::memcpy(store.to, store.data, static_cast<size_t>(store.bytes));
  spins_ = 0;
  if (store.barrier == nullptr) return;
  for (BarrierState& state : c->blocks[store.target]->barriers) {
    if (state.at != store.barrier) continue;
    state.to_land -= store.bytes;
    end_phase_if_complete(&state);
  }
}

// ---- Transaction barriers ---------------------------------------------------------------------

BarrierState* Runner::barrier_state(const Fiber* f, Block* block, const void* barrier) {
  for (BarrierState& state : block->barriers) {
    if (state.at == barrier) return &state;
  }
  fail(f, "a transaction barrier of block %d that was not initialised", block->index);
}

// What a block other than its own may use.
BarrierState* Runner::published_barrier(const Fiber* f, Block* block, const void* barrier) {
  BarrierState* state = barrier_state(f, block, barrier);
  if (block != f->in && !state->published) {
    fail(f, "a transaction barrier of block %d whose initialisation was not published",
         block->index);
  }
  return state;
}

void Runner::end_phase_if_complete(BarrierState* state) {
  if (state->to_arrive != 0 || state->to_land != 0) return;
  state->parity ^= 1;
  state->to_arrive = state->arrivals;
  spins_ = 0;
}

void Runner::barrier_init(Fiber* f, const void* barrier, int arrivals) {
  if (!f->in->shared.holds(layout_, barrier, sizeof(TransactionBarrier)) || arrivals < 1) {
    fail(f, "barrier_init at %p for %d arrivals: expected shared memory and at least one", barrier,
         arrivals);
  }
  for (const BarrierState& state : f->in->barriers) {
    if (state.at == barrier) fail(f, "barrier_init of a barrier that is initialised already");
  }
  f->in->barriers.push_back({barrier, arrivals, arrivals, 0, 0, f, false});
}

void Runner::publish_barriers(const Fiber* f) {
  for (BarrierState& state : f->in->barriers)
    state.published |= state.by == f;
}

void Runner::barrier_arrive(Fiber* f, const void* barrier, int bytes, int rank) {
  const bool away = rank != f->in->rank;
  Block* target = away ? remote_block(f, rank, "barrier_arrive_remote") : f->in;
  const void* const at = away ? f->in->shared.same_place(target->shared, barrier) : barrier;
  BarrierState* state = published_barrier(f, target, at);
  if (state->to_arrive == 0) {
    fail(f, "more than %d arrivals in one phase of a transaction barrier", state->arrivals);
  }
  // Whoever waits for this arrival sees what the thread stored before.
  Cluster* c = f->in->cluster;
  for (size_t i = c->in_flight.size(); i-- > 0;) {
    if (c->in_flight[i].by == f && c->in_flight[i].barrier == nullptr) land(c, i);
  }
  state->to_land += bytes;
  --state->to_arrive;
  end_phase_if_complete(state);
}

bool Runner::barrier_test(Fiber* f, const void* barrier, int parity) {
  BarrierState* state = barrier_state(f, f->in, barrier);
  Cluster* c = f->in->cluster;
  for (size_t i = c->in_flight.size(); i-- > 0;) {
    if (c->in_flight[i].barrier == barrier && random_.coin()) land(c, i);
  }
  return state->parity != (parity & 1);
}

void Runner::barrier_wait(Fiber* f, const void* barrier, int parity) {
  while (!barrier_test(f, barrier, parity)) {
    f->wait = Wait::kTransaction;
    polling_.push_back(f);
    park(f);
  }
}

// ---- What machine/emulated_cluster.h calls ----------------------------------------------------

int cluster_rank() {
  return running()->in->rank;
}
int cluster_size() {
  return running()->in->cluster->size;
}

void cluster_arrive() {
  Fiber* f = running();
  f->runner->cluster_arrive(f);
}

void cluster_wait() {
  Fiber* f = running();
  f->runner->cluster_wait(f);
}

void load_remote(void* value, const void* shared, int bytes, int rank) {
  Fiber* f = running();
  f->runner->load_remote(f, value, shared, bytes, rank);
}

void store_remote(void* shared, const void* value, int bytes, int rank) {
  Fiber* f = running();
  f->runner->store_remote(f, shared, value, bytes, nullptr, rank);
}

void store_async(void* shared, const void* value, int bytes, TransactionBarrier* barrier,
                 int rank) {
  Fiber* f = running();
  f->runner->store_remote(f, shared, value, bytes, barrier, rank);
}

void barrier_init(TransactionBarrier* barrier, int arrivals) {
  Fiber* f = running();
  f->runner->barrier_init(f, barrier, arrivals);
}

void publish_barriers() {
  Fiber* f = running();
  f->runner->publish_barriers(f);
}

void barrier_arrive(TransactionBarrier* barrier, int expected_bytes, int rank) {
  Fiber* f = running();
  f->runner->barrier_arrive(f, barrier, expected_bytes, rank);
}

bool barrier_test(TransactionBarrier* barrier, int parity) {
  Fiber* f = running();
  return f->runner->barrier_test(f, barrier, parity);
}

void barrier_wait(TransactionBarrier* barrier, int parity) {
  Fiber* f = running();
  f->runner->barrier_wait(f, barrier, parity);
}

}  // namespace frnn::machine::emulated
