// The ranges of host memory that are registered as page-locked, where no driver keeps them.

#ifndef FUSEDRNN_SRC_HOST_HOST_RANGES_H_
#define FUSEDRNN_SRC_HOST_HOST_RANGES_H_

#include <cstdint>
#include <iterator>
#include <map>

#include "host/status.h"

namespace frnn {

// Guarded by its owner.
class HostRanges {
 public:
  Status add(int64_t address, int64_t bytes) {
    const auto next = ranges_.lower_bound(address);
    const bool meets_next = next != ranges_.end() && next->first < address + bytes;
    const bool meets_last =
        next != ranges_.begin() && std::prev(next)->first + std::prev(next)->second > address;
    if (meets_next || meets_last) {
      return refuse("host_register: some of the memory at", address, "is registered already");
    }
    ranges_[address] = bytes;
    return Status::success();
  }

  Status check(int64_t address) const {
    if (ranges_.count(address) == 1) return Status::success();
    return refuse("host_unregister: no memory that begins at", address, "is registered");
  }

  Status remove(int64_t address) {
    FRNN_TRY(check(address));
    ranges_.erase(address);
    return Status::success();
  }

  // Whether all of it lies in one range.
  bool hold(int64_t address, int64_t bytes) const {
    const auto next = ranges_.upper_bound(address);
    return next != ranges_.begin() &&
           address + bytes <= std::prev(next)->first + std::prev(next)->second;
  }

 private:
  static Status refuse(const char* before, int64_t address, const char* after) {
    return Status::fail(
        FRNN_INVALID_ARGUMENT,
        format("%s 0x%llx %s", before, static_cast<unsigned long long>(address), after));
  }

  std::map<int64_t, int64_t> ranges_;  // bytes by address
};

}  // namespace frnn

#endif  // FUSEDRNN_SRC_HOST_HOST_RANGES_H_
