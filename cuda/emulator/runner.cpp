#include "runner.h"

#include <algorithm>
#include <cstdarg>
#include <cstdio>
#include <numeric>

namespace frnn::machine::emulated {

__thread const Self* self = nullptr;

BlockSource::BlockSource(const Launch& launch) : count_(launch.grid.blocks / launch.grid.cluster) {
  order_.resize(static_cast<size_t>(count_));
  std::iota(order_.begin(), order_.end(), 0);
  Random random(Random::mix(launch.seed, launch.number, 1));
  random.shuffle(order_.data(), static_cast<uint32_t>(count_));
}

int BlockSource::next() {
  const int64_t at = next_.fetch_add(1, std::memory_order_relaxed);
  return at < count_ ? order_[static_cast<size_t>(at)] : -1;
}

Runner::~Runner() = default;

Failure Runner::run(const Launch& launch, BlockSource* source) {
  launch_ = &launch;
  source_ = source;
  exhausted_ = false;
  random_ = Random(Random::mix(launch.seed, launch.number, 2));
  // Some blocks of an ordinary launch are alive together, so that they get into each other's way;
  // how many, and whether threads are begun before others are gone on with, varies by launch.
  resident_ = launch.grid.cooperative ? static_cast<int>(launch.grid.blocks)
                                      : 1 + static_cast<int>(random_.below(3));
  mixed_ = random_.coin();
  eager_ = random_.coin();
  failure_ = Failure();
  layout_.clear();
  spins_ = 0;
  describe_own_stack(&main_);
  const FaultScope scope(handler_stack_);

  const Choice first = choose();
  if (first.next == Next::kBegin) {
    if (Fiber* f = idle_fiber()) {
      begin_thread(f, first.block);
      go(&main_, f);  // comes back when all is done, or has failed
    }
  }
  self = nullptr;
  if (failure_.fault) {
    failure_.text = where(failure_.block, failure_.thread);
    if (failure_.stack) failure_.text += ": the thread's stack overflowed";
    for (const Block* b : open_)
      failure_.in_shared |= b->shared.maps(failure_.address);
  }
  if (failure_.failed) reset_after_failure();
  return std::move(failure_);
}

void Runner::fiber_main(void* argument) {
  entered();
  Fiber* f = static_cast<Fiber*>(argument);
  f->runner->fiber_loop(f);
}

// Runs the thread that `f` was given, then whatever comes next.
void Runner::fiber_loop(Fiber* f) {
  for (;;) {
    launch_->invoke(launch_->kernel, launch_->args);
    end_thread(f);
    const Choice choice = choose();
    switch (choice.next) {
      case Next::kBegin:
        begin_thread(f, choice.block);
        break;
      case Next::kResume:
        idle_.push_back(f);
        go(&f->place, choice.fiber);
        break;
      case Next::kFinished:
        idle_.push_back(f);
        switch_place(&f->place, &main_);
        break;
      case Next::kStuck:
        stuck();
    }
  }
}

// Parks the running thread, whose `wait` says why, until it is made ready and chosen again.
void Runner::park(Fiber* f) {
  if (StackPool::overflowed(f->stack)) fail(f, "the thread's stack overflowed");
  const Choice choice = choose();
  switch (choice.next) {
    case Next::kBegin: {
      Fiber* g = idle_fiber();
      if (g == nullptr) leave();
      begin_thread(g, choice.block);
      go(&f->place, g);
      break;
    }
    case Next::kResume:
      if (choice.fiber != f) go(&f->place, choice.fiber);
      break;
    case Next::kFinished:
    case Next::kStuck:
      stuck();
  }
  f->wait = Wait::kNone;
}

void Runner::go(Place* from, Fiber* to) {
  self = to;
  switch_place(from, &to->place);
}

Runner::Choice Runner::choose() {
  for (;;) {
    const bool may_open = !exhausted_ && static_cast<int>(open_.size()) < resident_;
    const bool may_begin = may_open || !beginning_.empty();
    if (!ready_.empty() && (!may_begin || prefers_ready())) {
      return {Next::kResume, take_ready(), nullptr};
    }
    if (!beginning_.empty()) {
      const uint32_t count = static_cast<uint32_t>(beginning_.size());
      return {Next::kBegin, nullptr, beginning_[count == 1 ? 0 : random_.below(count)]};
    }
    if (may_open) {
      if (Block* block = open_cluster()) return {Next::kBegin, nullptr, block};
      if (failure_.failed) return {Next::kStuck, nullptr, nullptr};
      exhausted_ = true;
      continue;
    }
    if (open_.empty()) return {Next::kFinished, nullptr, nullptr};
    if (polling_.empty()) return {Next::kStuck, nullptr, nullptr};
    // Only threads that wait for a word of memory are left. Each poll that sees nothing new counts.
    if (++spins_ > 4096 + 64 * static_cast<int64_t>(polling_.size())) {
      return {Next::kStuck, nullptr, nullptr};
    }
    std::swap(polling_[random_.below(static_cast<uint32_t>(polling_.size()))], polling_.back());
    Fiber* f = polling_.back();
    polling_.pop_back();
    return {Next::kResume, f, nullptr};
  }
}

bool Runner::prefers_ready() {
  return mixed_ ? random_.coin() : !eager_;
}

Fiber* Runner::take_ready() {
  if (!ready_.back()->in->newest_first) {
    std::swap(ready_[random_.below(static_cast<uint32_t>(ready_.size()))], ready_.back());
  }
  Fiber* f = ready_.back();
  ready_.pop_back();
  return f;
}

void Runner::make_ready(std::vector<Fiber*>* fibers) {
  random_.shuffle(fibers->data(), static_cast<uint32_t>(fibers->size()));
  ready_.insert(ready_.end(), fibers->begin(), fibers->end());
  fibers->clear();
  spins_ = 0;
}

// All blocks of a cluster begin to be alive at once. Answers one of them.
Block* Runner::open_cluster() {
  const int index = source_->next();
  if (index < 0) return nullptr;
  if (free_clusters_.empty()) {
    clusters_.push_back(std::make_unique<Cluster>());
    free_clusters_.push_back(clusters_.back().get());
  }
  Cluster* c = free_clusters_.back();
  free_clusters_.pop_back();
  c->size = c->alive = launch_->grid.cluster;
  c->arrived = c->phase = 0;
  c->waiting.clear();
  c->in_flight.clear();
  for (int rank = 0; rank < c->size; ++rank) {
    if (free_blocks_.empty()) {
      blocks_.push_back(std::make_unique<Block>());
      free_blocks_.push_back(blocks_.back().get());
    }
    Block* block = free_blocks_.back();
    if (!set_up(block, index * c->size + rank)) return nullptr;
    free_blocks_.pop_back();
    block->cluster = c;
    block->rank = rank;
    c->blocks[rank] = block;
    open_.push_back(block);
    beginning_.push_back(block);
  }
  return c->blocks[random_.below(static_cast<uint32_t>(c->size))];
}

bool Runner::set_up(Block* b, int index) {
  if (!b->shared.mapped()) {
    record_failure("no memory for a block's shared memory");
    return false;
  }
  // The order inside a block depends on the seed and the block alone, not on who runs it.
  Random random(Random::mix(launch_->seed, launch_->number, 3 + static_cast<uint64_t>(index)));
  const int threads = launch_->grid.threads;
  const int warps = (threads + kWarp - 1) / kWarp;
  b->index = index;
  b->threads = threads;
  b->exited = b->begun = b->warp_cursor = b->lane_cursor = 0;
  b->newest_first = random.coin();
  b->waiting.clear();
  b->barriers.clear();
  b->any = false;
  for (int w = 0; w < warps; ++w) {
    b->warp_order[w] = static_cast<uint8_t>(w);
    Warp& warp = b->warps[w];
    const int lanes = std::min(kWarp, threads - w * kWarp);
    warp.existing = lanes == kWarp ? kAllLanes : (1u << lanes) - 1u;
    warp.exited = warp.arrived = 0;
  }
  random.shuffle(b->warp_order, static_cast<uint32_t>(warps));
  b->lane_start = static_cast<uint32_t>(random.next());
  b->lane_stride = static_cast<uint32_t>(random.next()) | 1u;
  b->shared.begin(layout_, static_cast<size_t>(launch_->grid.shared_bytes));
  return true;
}

void Runner::close_block(Block* block) {
  Cluster* c = block->cluster;
  const char* damage = block->shared.damage(layout_);
  for (const RemoteStore& store : c->in_flight) {
    if (store.target == block->rank)
      damage = "exited before stores to its shared memory had landed";
  }
  if (damage != nullptr) {
    failure_.failed = true;
    failure_.text = format("kernel `%s`, block %d of %lld: %s", launch_->name, block->index,
                           static_cast<long long>(launch_->grid.blocks), damage);
    leave();
  }
  open_.erase(std::find(open_.begin(), open_.end(), block));
  free_blocks_.push_back(block);
  c->blocks[block->rank] = nullptr;
  if (--c->alive == 0) free_clusters_.push_back(c);
}

void Runner::begin_thread(Fiber* f, Block* b) {
  const int w = b->warp_order[b->warp_cursor];
  const int lanes = std::min(kWarp, b->threads - w * kWarp);
  const uint32_t k = static_cast<uint32_t>(b->lane_cursor);
  // An odd stride visits every lane of a full warp once.
  const uint32_t lane = lanes == kWarp ? (b->lane_start + k * b->lane_stride) % kWarp
                                       : (b->lane_start % kWarp + k) % static_cast<uint32_t>(lanes);
  if (++b->lane_cursor == lanes) {
    b->lane_cursor = 0;
    ++b->warp_cursor;
    b->lane_start = b->lane_start * 5 + 7;
  }
  f->block = b->index;
  f->blocks = static_cast<int>(launch_->grid.blocks);
  f->thread = w * kWarp + static_cast<int>(lane);
  f->threads = b->threads;
  f->in = b;
  f->warp = &b->warps[w];
  f->wait = Wait::kNone;
  f->copies.clear();
  f->open_group = 0;
  f->at_cluster = false;
  f->polled = nullptr;
  if (++b->begun == b->threads)
    beginning_.erase(std::find(beginning_.begin(), beginning_.end(), b));
}

void Runner::end_thread(Fiber* f) {
  Block* b = f->in;
  if (StackPool::overflowed(f->stack)) fail(f, "the thread's stack overflowed");
  f->warp->exited |= 1u << f->lane();
  spins_ = 0;
  if (++b->exited == b->threads) close_block(b);
}

Fiber* Runner::idle_fiber() {
  if (!idle_.empty()) {
    Fiber* f = idle_.back();
    idle_.pop_back();
    return f;
  }
  auto fiber = std::make_unique<Fiber>();
  fiber->runner = this;
  fiber->stack = stacks_.take();
  if (fiber->stack.low == nullptr) {
    record_failure("no memory for another thread's stack");
    return nullptr;
  }
  StackPool::arm(fiber->stack);
  prepare(&fiber->place, fiber->stack.low, fiber->stack.bytes, &Runner::fiber_main, fiber.get());
  fibers_.push_back(std::move(fiber));
  return fibers_.back().get();
}

void Runner::leave() {
  source_->stop();
  self = nullptr;
  abandon_for(&main_);
}

void Runner::fail(const Fiber* f, const char* pattern, ...) {
  char text[512];
  va_list list;
  va_start(list, pattern);
  std::vsnprintf(text, sizeof(text), pattern, list);
  va_end(list);
  failure_.failed = true;
  failure_.text = where(f->block, f->thread) + ": " + text;
  leave();
}

void Runner::record_failure(const char* text) {
  failure_.failed = true;
  failure_.text = format("kernel `%s`: %s", launch_->name, text);
}

void Runner::stuck() {
  if (!failure_.failed) record_failure(stuck_report().c_str());
  leave();
}

void Runner::fault(const Fiber* f, const void* address, bool write) {
  failure_.failed = failure_.fault = true;
  failure_.write = write;
  failure_.stack = StackPool::below(f->stack, address);
  failure_.address = address;
  failure_.block = f->block;
  failure_.thread = f->thread;
  leave();
}

std::string Runner::where(int block, int thread) const {
  return format("kernel `%s`, block %d of %lld, thread %d of %d", launch_->name, block,
                static_cast<long long>(launch_->grid.blocks), thread, launch_->grid.threads);
}

// Every fiber that was in the middle of a thread begins anew.
void Runner::reset_after_failure() {
  free_blocks_.clear();
  for (const auto& block : blocks_)
    free_blocks_.push_back(block.get());
  free_clusters_.clear();
  for (const auto& cluster : clusters_)
    free_clusters_.push_back(cluster.get());
  open_.clear();
  beginning_.clear();
  ready_.clear();
  polling_.clear();
  at_grid_.clear();
  idle_.clear();
  for (const auto& fiber : fibers_) {
    forget_frames(fiber->stack.low, fiber->stack.bytes);
    StackPool::arm(fiber->stack);
    prepare(&fiber->place, fiber->stack.low, fiber->stack.bytes, &Runner::fiber_main, fiber.get());
    idle_.push_back(fiber.get());
  }
}

}  // namespace frnn::machine::emulated
