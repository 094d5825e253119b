// The memory of an emulated device: a range of addresses in which nothing is accessible but what is
// allocated.
//
// An allocation ends at a guard page, up to its alignment of 256 bytes; what is left over before
// the page, and before its first byte, is filled with 0xFF and looked at after every launch. Freed
// memory becomes inaccessible at once, and its addresses are used again only when all others have
// been.

#ifndef FUSEDRNN_EMULATOR_MEMORY_H_
#define FUSEDRNN_EMULATOR_MEMORY_H_

#include <cstdint>
#include <deque>
#include <map>
#include <string>

#include "host/status.h"

namespace frnn::machine::emulated {

class DeviceMemory {
 public:
  // `address_bytes` of the process's addresses are set aside, or as many as it can have.
  explicit DeviceMemory(int64_t capacity_bytes, int64_t address_bytes = int64_t{64} << 30);
  ~DeviceMemory();
  DeviceMemory(const DeviceMemory&) = delete;
  DeviceMemory& operator=(const DeviceMemory&) = delete;

  Status alloc(int64_t bytes, int64_t* address);
  Status free(int64_t address);
  // All of [address, address + bytes) is one allocation's. `what` names it in the message.
  Status check(int64_t address, int64_t bytes, const char* what) const;
  // The allocation that holds an address.
  Status range(int64_t address, int64_t* base, int64_t* bytes) const;
  bool maps(int64_t address) const;  // allocated or not
  // What lies at an address that may not be read: "4 bytes past the end of ...".
  std::string describe(int64_t address) const;
  // What was written around the allocations; a success where nothing was.
  Status damage() const;

  int64_t live_bytes() const { return live_bytes_; }
  int64_t live_count() const { return static_cast<int64_t>(live_.size()); }
  int64_t capacity_bytes() const { return capacity_; }

 private:
  struct Allocation {
    int64_t bytes;
    int64_t pages_begin;
    int64_t pages_end;
  };
  struct Range {
    int64_t begin;
    int64_t end;
  };
  struct Freed {
    int64_t address;
    int64_t bytes;
  };

  bool reserve();
  int64_t place(int64_t pages_bytes);  // an address for them with a guard page behind, or 0

  const int64_t capacity_;
  const int64_t address_bytes_;
  const int64_t page_;
  int64_t base_ = 0;
  int64_t end_ = 0;
  int64_t cursor_ = 0;  // behind the last guard page in use
  int64_t live_bytes_ = 0;
  std::map<int64_t, Allocation> live_;  // by address
  std::deque<Range> quarantine_;        // freed ranges, oldest first
  std::deque<Freed> freed_;             // the last of them, for messages
};

}  // namespace frnn::machine::emulated

#endif  // FUSEDRNN_EMULATOR_MEMORY_H_
