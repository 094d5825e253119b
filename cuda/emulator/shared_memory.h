// The shared memory of one block: FRNN_SHARED variables, each between red zones, and the dynamic
// part, which ends at a guard page. All of it starts as NaN. The same variable lies at the same
// offset in every block of a launch, so that a cluster can map one block's address into another.

#ifndef FUSEDRNN_EMULATOR_SHARED_MEMORY_H_
#define FUSEDRNN_EMULATOR_SHARED_MEMORY_H_

#include <cstddef>
#include <cstdint>
#include <vector>

namespace frnn::machine::emulated {

constexpr int kSharedBytesPerBlock = 227 * 1024;  // Hopper's, as are the two limits below
constexpr int kStaticSharedBytes = 48 * 1024;
constexpr int kSharedBytesPerMultiprocessor = 228 * 1024;

// Where each FRNN_SHARED variable of the running launch lies. One for all blocks of a runner.
class SharedLayout {
 public:
  struct Variable {
    const void* site;
    size_t offset;
    size_t bytes;
  };

  void clear();
  const Variable* find(const void* site) const {
    for (const Variable& v : variables_) {
      if (v.site == site) return &v;
    }
    return nullptr;
  }
  // nullptr where the variables of one kernel exceed kStaticSharedBytes.
  const Variable* add(const void* site, size_t bytes, size_t alignment);
  const std::vector<Variable>& variables() const { return variables_; }

 private:
  std::vector<Variable> variables_;
  size_t end_ = 0;   // offset behind the last red zone
  size_t used_ = 0;  // bytes of variables
};

class SharedMemory {
 public:
  SharedMemory();
  ~SharedMemory();
  SharedMemory(const SharedMemory&) = delete;
  SharedMemory& operator=(const SharedMemory&) = delete;

  bool mapped() const { return base_ != nullptr; }
  // Fills what the coming block will use with 0xFF.
  void begin(const SharedLayout& layout, size_t dynamic_bytes);
  void fill_variable(const SharedLayout::Variable& variable);
  unsigned char* variable(const SharedLayout::Variable& v) const { return base_ + v.offset; }
  unsigned char* dynamic() const { return dynamic_; }
  // The place in `other` of what lies at `address` here.
  unsigned char* same_place(const SharedMemory& other, const void* address) const {
    return other.base_ + (static_cast<const unsigned char*>(address) - base_);
  }
  // Whether [address, address + bytes) is all one variable's or all dynamic memory.
  bool holds(const SharedLayout& layout, const void* address, size_t bytes) const;
  bool maps(const void* address) const;  // with its guard pages
  // What was written outside the variables, in words; nullptr where nothing was.
  const char* damage(const SharedLayout& layout) const;

 private:
  unsigned char* base_ = nullptr;  // of the variables
  unsigned char* dynamic_ = nullptr;
  size_t dynamic_bytes_ = 0;
};

}  // namespace frnn::machine::emulated

#endif  // FUSEDRNN_EMULATOR_SHARED_MEMORY_H_
