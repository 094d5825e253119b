// Where threads of a kernel wait for one another, and the report when they wait in vain.

#include <algorithm>
#include <map>

#include "runner.h"

namespace frnn::machine::emulated {

const char* name_of(Wait wait) {
  switch (wait) {
    case Wait::kBlock:
      return "sync_block";
    case Wait::kBlockOr:
      return "sync_block_or";
    case Wait::kCluster:
      return "a cluster barrier";
    case Wait::kGrid:
      return "sync_grid";
    case Wait::kWarp:
      return "sync_warp";
    case Wait::kShuffle:
      return "a shuffle";
    case Wait::kBallot:
      return "a ballot";
    case Wait::kMatrix:
      return "a matrix product";
    case Wait::kTransaction:
      return "a transaction barrier";
    case Wait::kPoll:
      return "a word of memory that does not change";
    case Wait::kNone:
      break;
  }
  return "nothing";
}

bool Runner::wait_block(Fiber* f, Wait wait, bool predicate) {
  Block* b = f->in;
  const unsigned phase = b->phase;
  f->wait = wait;
  b->any |= predicate;
  b->waiting.push_back(f);
  if (static_cast<int>(b->waiting.size()) == b->threads) {
    for (const Fiber* other : b->waiting) {
      if (other->wait != wait) stuck();
    }
    b->any_result[phase] = b->any;
    b->any = false;
    b->phase = phase ^ 1;
    make_ready(&b->waiting);
  }
  park(f);
  return b->any_result[phase];
}

void Runner::wait_grid(Fiber* f) {
  if (!launch_->grid.cooperative) fail(f, "sync_grid in a launch that is not cooperative");
  f->wait = Wait::kGrid;
  at_grid_.push_back(f);
  if (static_cast<int64_t>(at_grid_.size()) == launch_->grid.blocks * launch_->grid.threads) {
    make_ready(&at_grid_);
  }
  park(f);
}

void Runner::wait_warp(Fiber* f, Wait wait, unsigned mask) {
  Warp& w = *f->warp;
  const int lane = f->lane();
  mask &= w.existing;
  if (((mask >> lane) & 1) == 0) {
    fail(f, "%s with the mask 0x%08x, which leaves out the calling lane %d", name_of(wait), mask,
         lane);
  }
  f->wait = wait;
  f->mask = mask;
  w.parked[lane] = f;
  w.arrived |= 1u << lane;
  if ((w.arrived & mask) == mask) {
    // All lanes have come; unless some came for something else, all go on.
    Fiber* group[kWarp];
    uint32_t count = 0;
    bool same = true;
    for (int i = 0; i < kWarp; ++i) {
      if (((mask >> i) & 1) == 0) continue;
      group[count++] = w.parked[i];
      same &= w.parked[i]->wait == wait && w.parked[i]->mask == mask;
    }
    if (same) {
      w.arrived &= ~mask;
      if (wait != Wait::kWarp) w.phase ^= 1;
      random_.shuffle(group, count);
      ready_.insert(ready_.end(), group, group + count);
    }
  }
  park(f);
}

bool Runner::poll(Fiber* f, const void* address, uint64_t value) {
  const bool again = f->polled == address && f->polled_value == value;
  f->polled = address;
  f->polled_value = value;
  if (!again) {
    spins_ = 0;
    if (random_.below(8) != 0) return false;
  }
  f->wait = Wait::kPoll;
  polling_.push_back(f);
  park(f);
  return true;
}

namespace {

// What the threads of one block are at, for a report.
struct Tally {
  int count = 0;
  int first = kMaxThreads;
  unsigned mask = 0;  // of the first, at a warp barrier
  void add(int thread, unsigned its_mask) {
    ++count;
    if (thread < first) {
      first = thread;
      mask = its_mask;
    }
  }
};

std::string sentence(const Tally& tally, const std::string& what) {
  return format("%d %s %s (first: thread %d)", tally.count, tally.count == 1 ? "thread" : "threads",
                what.c_str(), tally.first);
}

std::string describe(const std::map<Wait, Tally>& waiting, const Tally& exited) {
  std::string text;
  for (const auto& [wait, tally] : waiting) {
    std::string what = std::string(tally.count == 1 ? "waits" : "wait") + " at " + name_of(wait);
    if (wait == Wait::kWarp || wait == Wait::kShuffle || wait == Wait::kBallot ||
        wait == Wait::kMatrix) {
      what += format(" with mask 0x%08x", tally.mask);
    }
    text += (text.empty() ? "" : "; ") + sentence(tally, what);
  }
  if (exited.count != 0) {
    text += "; " + sentence(exited, exited.count == 1 ? "has exited" : "have exited");
  }
  return text;
}

}  // namespace

// The first block in which threads are at different places is named; else the first that waits.
std::string Runner::stuck_report() const {
  std::vector<Block*> blocks = open_;
  std::sort(blocks.begin(), blocks.end(),
            [](const Block* a, const Block* b) { return a->index < b->index; });
  std::string same;
  for (const Block* b : blocks) {
    std::map<Wait, Tally> waiting;
    for (const auto& fiber : fibers_) {
      if (fiber->in == b && fiber->wait != Wait::kNone) {
        waiting[fiber->wait].add(fiber->thread, fiber->mask);
      }
    }
    Tally exited;
    for (int t = 0; t < b->threads; ++t) {
      if ((b->warps[t / kWarp].exited >> (t % kWarp)) & 1) exited.add(t, 0);
    }
    const std::string text = format("block %d: ", b->index) + describe(waiting, exited);
    if (waiting.size() > 1 || exited.count != 0) return "divergent barrier in " + text;
    if (same.empty()) same = "dead-lock in " + text;
  }
  if (launch_->grid.cooperative) {
    same +=
        format("; %lld of %lld blocks have ended",
               static_cast<long long>(launch_->grid.blocks) - static_cast<long long>(open_.size()),
               static_cast<long long>(launch_->grid.blocks));
  }
  return same;
}

}  // namespace frnn::machine::emulated
