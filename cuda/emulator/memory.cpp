#include "memory.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

namespace frnn::machine::emulated {

namespace {

constexpr int64_t kAlignment = 256;
constexpr int64_t kLeastAddresses = int64_t{1} << 24;
constexpr int64_t kWatchedBefore = 256;  // bytes before an allocation that damage() looks at
constexpr size_t kRemembered = 4096;     // freed allocations that describe() knows

int64_t round_up(int64_t n, int64_t to) {
  return (n + to - 1) / to * to;
}
unsigned char* bytes_at(int64_t address) {
  return reinterpret_cast<unsigned char*>(address);
}

bool untouched(int64_t from, int64_t to) {
  const unsigned char* p = bytes_at(from);
  const unsigned char* end = bytes_at(to);
  return std::all_of(p, end, [](unsigned char byte) { return byte == 0xff; });
}

long long shown(int64_t n) {
  return static_cast<long long>(n);
}

}  // namespace

DeviceMemory::DeviceMemory(int64_t capacity_bytes, int64_t address_bytes)
    : capacity_(capacity_bytes), address_bytes_(address_bytes), page_(sysconf(_SC_PAGESIZE)) {}

DeviceMemory::~DeviceMemory() {
  if (base_ != 0) munmap(bytes_at(base_), static_cast<size_t>(end_ - base_));
}

bool DeviceMemory::reserve() {
  if (base_ != 0) return true;
  for (int64_t bytes = address_bytes_; bytes >= kLeastAddresses; bytes /= 2) {
    void* memory = mmap(nullptr, static_cast<size_t>(bytes), PROT_NONE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) continue;
    base_ = reinterpret_cast<int64_t>(memory);
    end_ = base_ + bytes;
    cursor_ = base_ + page_;
    return true;
  }
  return false;
}

int64_t DeviceMemory::place(int64_t pages_bytes) {
  if (cursor_ + pages_bytes + page_ <= end_) {
    const int64_t at = cursor_;
    cursor_ += pages_bytes + page_;
    return at;
  }
  for (auto range = quarantine_.begin(); range != quarantine_.end(); ++range) {
    if (range->end - range->begin < pages_bytes) continue;
    const int64_t at = range->begin;
    // What is left keeps a guard page between.
    range->begin += pages_bytes + page_;
    if (range->begin >= range->end) quarantine_.erase(range);
    return at;
  }
  return 0;
}

Status DeviceMemory::alloc(int64_t bytes, int64_t* address) {
  const Status full =
      Status::fail(FRNN_OUT_OF_MEMORY,
                   format("allocating %lld bytes: %lld of the emulated device's %lld are in use",
                          shown(bytes), shown(live_bytes_), shown(capacity_)));
  if (bytes > capacity_ - live_bytes_ || !reserve()) return full;
  const int64_t used = round_up(bytes, kAlignment);
  const int64_t pages = round_up(used, page_);
  const int64_t begin = place(pages);
  if (begin == 0) return full;
  if (mprotect(bytes_at(begin), static_cast<size_t>(pages), PROT_READ | PROT_WRITE) != 0) {
    quarantine_.push_back({begin, begin + pages});
    return full;
  }
  std::memset(bytes_at(begin), 0xff, static_cast<size_t>(pages));
  *address = begin + pages - used;
  live_[*address] = {bytes, begin, begin + pages};
  live_bytes_ += bytes;
  return Status::success();
}

Status DeviceMemory::free(int64_t address) {
  const auto found = live_.find(address);
  if (found == live_.end()) {
    return Status::fail(FRNN_INVALID_ARGUMENT,
                        format("free of 0x%llx: expected the address of a live allocation; it is ",
                               static_cast<unsigned long long>(address)) +
                            describe(address));
  }
  const Allocation a = found->second;
  live_.erase(found);
  live_bytes_ -= a.bytes;
  // New pages in place of the old: inaccessible, and their memory is given back.
  void* const gone =
      mmap(bytes_at(a.pages_begin), static_cast<size_t>(a.pages_end - a.pages_begin), PROT_NONE,
           MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
  if (gone == MAP_FAILED) {
    return Status::fail(FRNN_OUT_OF_MEMORY, "free: the system cannot protect the freed pages");
  }
  quarantine_.push_back({a.pages_begin, a.pages_end});
  freed_.push_back({address, a.bytes});
  if (freed_.size() > kRemembered) freed_.pop_front();
  return Status::success();
}

Status DeviceMemory::check(int64_t address, int64_t bytes, const char* what) const {
  if (bytes == 0) return Status::success();
  const auto after = live_.upper_bound(address);
  if (after != live_.begin()) {
    const auto& [start, a] = *std::prev(after);
    if (address + bytes <= start + a.bytes && bytes > 0) return Status::success();
    if (address < start + a.bytes) {
      return Status::fail(
          FRNN_INVALID_ARGUMENT,
          format("%s: %lld bytes at 0x%llx end %lld bytes past the allocation of %lld bytes there",
                 what, shown(bytes), static_cast<unsigned long long>(address),
                 shown(address + bytes - start - a.bytes), shown(a.bytes)));
    }
  }
  return Status::fail(FRNN_INVALID_ARGUMENT,
                      format("%s: expected device memory at 0x%llx; it is ", what,
                             static_cast<unsigned long long>(address)) +
                          describe(address));
}

Status DeviceMemory::range(int64_t address, int64_t* base, int64_t* bytes) const {
  FRNN_TRY(check(address, 1, "range"));
  const auto& [start, a] = *std::prev(live_.upper_bound(address));
  *base = start;
  *bytes = a.bytes;
  return Status::success();
}

bool DeviceMemory::maps(int64_t address) const {
  return address >= base_ && address < end_;
}

std::string DeviceMemory::describe(int64_t address) const {
  for (auto freed = freed_.rbegin(); freed != freed_.rend(); ++freed) {
    if (address >= freed->address && address < freed->address + freed->bytes) {
      return format("byte %lld of an allocation of %lld bytes that was freed",
                    shown(address - freed->address), shown(freed->bytes));
    }
  }
  if (!maps(address)) {
    return address >= 0 && address < 65536 ? "a null pointer" : "not memory of this device";
  }
  const auto after = live_.upper_bound(address);
  if (after != live_.begin()) {
    const auto& [start, a] = *std::prev(after);
    if (address < start + a.bytes) {
      return format("byte %lld of an allocation of %lld bytes", shown(address - start),
                    shown(a.bytes));
    }
    const int64_t past = address - start - a.bytes;
    if (after == live_.end() || past <= after->first - address) {
      return format("%lld bytes past the end of the allocation of %lld bytes at 0x%llx",
                    shown(past), shown(a.bytes), static_cast<unsigned long long>(start));
    }
  }
  if (after != live_.end()) {
    return format("%lld bytes before the allocation of %lld bytes at 0x%llx",
                  shown(after->first - address), shown(after->second.bytes),
                  static_cast<unsigned long long>(after->first));
  }
  return "device memory that is not allocated";
}

Status DeviceMemory::damage() const {
  for (const auto& [start, a] : live_) {
    const bool before = !untouched(std::max(a.pages_begin, start - kWatchedBefore), start);
    if (!before && untouched(start + a.bytes, a.pages_end)) continue;
    return Status::fail(FRNN_DEVICE_ERROR,
                        format("a write %s the allocation of %lld bytes at 0x%llx",
                               before ? "before the start of" : "past the end of", shown(a.bytes),
                               static_cast<unsigned long long>(start)));
  }
  return Status::success();
}

}  // namespace frnn::machine::emulated
