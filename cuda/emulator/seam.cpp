// The functions that machine/emulated_device.h calls: each finds the running fiber and its runner.

#include <cstring>

#include "machine/device.h"
#include "runner.h"

namespace frnn::machine::emulated {

bool (*barrier_hook)(const Site&) = nullptr;

namespace {

bool is_aligned(const void* address, int bytes) {
  return (reinterpret_cast<uintptr_t>(address) & static_cast<uintptr_t>(bytes - 1)) == 0;
}

}  // namespace

void* shared_variable(const void* site, std::size_t bytes, std::size_t alignment) {
  Fiber* f = running();
  return f->runner->shared_variable(f, site, bytes, alignment);
}

void* dynamic_shared_memory() {
  return running()->in->shared.dynamic();
}

void sync_block() {
  Fiber* f = running();
  f->runner->wait_block(f, Wait::kBlock, false);
}

bool sync_block_or(bool predicate) {
  Fiber* f = running();
  return f->runner->wait_block(f, Wait::kBlockOr, predicate);
}

void sync_warp(unsigned mask) {
  Fiber* f = running();
  f->runner->wait_warp(f, Wait::kWarp, mask);
}

void sync_grid() {
  Fiber* f = running();
  f->runner->wait_grid(f);
}

unsigned existing_lanes() {
  return running()->warp->existing;
}

// Two sets of words alternate: no lane can write for the next exchange but one before all lanes
// have arrived at the next, and so have read this one.
uint64_t exchange(uint64_t word, int source) {
  Fiber* f = running();
  Warp* w = f->warp;
  const unsigned phase = w->phase;
  w->words[phase][f->lane()] = word;
  f->runner->wait_warp(f, Wait::kShuffle, kAllLanes);
  if (source < 0 || source >= kWarp || ((w->existing >> source) & 1) == 0) return word;
  return w->words[phase][source];
}

unsigned ballot(bool predicate) {
  Fiber* f = running();
  Warp* w = f->warp;
  const unsigned phase = w->phase;
  w->words[phase][f->lane()] = predicate ? 1 : 0;
  f->runner->wait_warp(f, Wait::kBallot, kAllLanes);
  unsigned votes = 0;
  for (int i = 0; i < kWarp; ++i) {
    if ((w->existing >> i) & 1) votes |= static_cast<unsigned>(w->words[phase][i]) << i;
  }
  return votes;
}

void require_aligned(const void* address, int bytes, const char* access) {
  if (is_aligned(address, bytes)) return;
  Fiber* f = running();
  f->runner->fail(f, "%s at %p, which is no multiple of %d", access, address, bytes);
}

bool poll(const void* address, uint64_t value) {
  Fiber* f = running();
  return f->runner->poll(f, address, value);
}

void wrote() {
  running()->runner->progress();
}

void copy_async(void* shared, const void* global, int bytes, bool valid) {
  Fiber* f = running();
  if (!is_aligned(shared, bytes) || (valid && !is_aligned(global, bytes))) {
    f->runner->fail(f, "copy_async of %d bytes from %p to %p: both must be multiples of %d", bytes,
                    global, shared, bytes);
  }
  f->runner->copy_async(f, static_cast<unsigned char*>(shared),
                        static_cast<const unsigned char*>(global), bytes, valid);
}

void copy_async_commit() {
  ++running()->open_group;
}

void copy_async_wait(int groups) {
  Fiber* f = running();
  f->runner->copy_async_wait(f, groups);
}

void* Runner::shared_variable(Fiber* f, const void* site, size_t bytes, size_t alignment) {
  const SharedLayout::Variable* v = layout_.find(site);
  if (v == nullptr) {
    v = layout_.add(site, bytes, alignment);
    if (v == nullptr) {
      fail(f, "more than %d bytes of FRNN_SHARED variables in one kernel", kStaticSharedBytes);
    }
    for (Block* block : open_)
      block->shared.fill_variable(*v);
  }
  return f->in->shared.variable(*v);
}

// The destination is undefined from now until the wait: it becomes NaN. The source may be read at
// any time in between: here that is now or at the wait, as the coin falls.
void Runner::copy_async(Fiber* f, unsigned char* to, const unsigned char* from, int bytes,
                        bool valid) {
  if (!f->in->shared.holds(layout_, to, static_cast<size_t>(bytes))) {
    fail(f, "copy_async of %d bytes to %p, which is not in the block's shared memory", bytes,
         static_cast<void*>(to));
  }
  PendingCopy copy = {to, from, bytes, f->open_group, {}};
  if (!valid) {
    copy.from = nullptr;
  } else if (random_.coin()) {
    std::memcpy(copy.data, from, static_cast<size_t>(bytes));
    copy.from = nullptr;
  }
  std::memset(to, 0xff, static_cast<size_t>(bytes));
  f->copies.push_back(copy);
}

void Runner::copy_async_wait(Fiber* f, int groups) {
  const int keep_from = f->open_group - groups;
  size_t kept = 0;
  for (const PendingCopy& copy : f->copies) {
    if (copy.group >= keep_from) {
      f->copies[kept++] = copy;
    } else {
      std::memcpy(copy.to, copy.from == nullptr ? copy.data : copy.from,
                  static_cast<size_t>(copy.bytes));
    }
  }
  f->copies.resize(kept);
}

}  // namespace frnn::machine::emulated
