#include "shared_memory.h"

#include <sys/mman.h>

#include <cstring>

namespace frnn::machine::emulated {

namespace {

// [guard][variables with red zones][guard][dynamic, at its end][guard]
constexpr size_t kGuard = 65536;          // at least a page on every CPU
constexpr size_t kRedZone = 128;          // and the alignment of dynamic memory
constexpr size_t kVariables = 4 * 65536;  // 48 KiB, red zones and alignment of many small ones
constexpr size_t kDynamic = 4 * 65536;
constexpr size_t kTotal = kGuard + kVariables + kGuard + kDynamic + kGuard;

size_t round_up(size_t n, size_t to) {
  return (n + to - 1) / to * to;
}

bool untouched(const unsigned char* from, const unsigned char* to) {
  for (; from < to; ++from) {
    if (*from != 0xff) return false;
  }
  return true;
}

}  // namespace

void SharedLayout::clear() {
  variables_.clear();
  end_ = kRedZone;
  used_ = 0;
}

const SharedLayout::Variable* SharedLayout::add(const void* site, size_t bytes, size_t alignment) {
  const size_t offset = round_up(end_, alignment);
  const size_t end = offset + bytes + kRedZone;
  if (used_ + bytes > kStaticSharedBytes || end > kVariables) return nullptr;
  used_ += bytes;
  end_ = end;
  variables_.push_back({site, offset, bytes});
  return &variables_.back();
}

SharedMemory::SharedMemory() {
  void* memory =
      mmap(nullptr, kTotal, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) return;
  unsigned char* start = static_cast<unsigned char*>(memory);
  if (mprotect(start + kGuard, kVariables, PROT_READ | PROT_WRITE) != 0 ||
      mprotect(start + 2 * kGuard + kVariables, kDynamic, PROT_READ | PROT_WRITE) != 0) {
    munmap(memory, kTotal);
    return;
  }
  base_ = start + kGuard;
  dynamic_ = base_ + kVariables + kGuard + kDynamic;
}

SharedMemory::~SharedMemory() {
  if (base_ != nullptr) munmap(base_ - kGuard, kTotal);
}

void SharedMemory::begin(const SharedLayout& layout, size_t dynamic_bytes) {
  for (const SharedLayout::Variable& v : layout.variables())
    fill_variable(v);
  const size_t rounded = round_up(dynamic_bytes, kRedZone);
  dynamic_ = base_ + kVariables + kGuard + kDynamic - rounded;
  dynamic_bytes_ = dynamic_bytes;
  if (rounded != 0) std::memset(dynamic_ - kRedZone, 0xff, rounded + kRedZone);
}

void SharedMemory::fill_variable(const SharedLayout::Variable& v) {
  std::memset(base_ + v.offset - kRedZone, 0xff, v.bytes + 2 * kRedZone);
}

bool SharedMemory::holds(const SharedLayout& layout, const void* address, size_t bytes) const {
  const unsigned char* a = static_cast<const unsigned char*>(address);
  if (a >= dynamic_ && a + bytes <= dynamic_ + dynamic_bytes_) return true;
  for (const SharedLayout::Variable& v : layout.variables()) {
    if (a >= base_ + v.offset && a + bytes <= base_ + v.offset + v.bytes) return true;
  }
  return false;
}

bool SharedMemory::maps(const void* address) const {
  const unsigned char* a = static_cast<const unsigned char*>(address);
  return base_ != nullptr && a >= base_ - kGuard && a < base_ - kGuard + kTotal;
}

const char* SharedMemory::damage(const SharedLayout& layout) const {
  for (const SharedLayout::Variable& v : layout.variables()) {
    const unsigned char* begin = base_ + v.offset;
    const unsigned char* end = begin + v.bytes;
    if (!untouched(end, end + kRedZone)) return "wrote past the end of a FRNN_SHARED variable";
    if (!untouched(begin - kRedZone, begin)) {
      return "wrote before the start of a FRNN_SHARED variable";
    }
  }
  if (dynamic_bytes_ == 0) return nullptr;
  if (!untouched(dynamic_ + dynamic_bytes_, dynamic_ + round_up(dynamic_bytes_, kRedZone))) {
    return "wrote past the end of its dynamic shared memory";
  }
  if (!untouched(dynamic_ - kRedZone, dynamic_)) {
    return "wrote before the start of its dynamic shared memory";
  }
  return nullptr;
}

}  // namespace frnn::machine::emulated
