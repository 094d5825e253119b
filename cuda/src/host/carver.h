// How reserve and workspace are laid out: slices of one block, handed out in turn.

#ifndef FUSEDRNN_SRC_HOST_CARVER_H_
#define FUSEDRNN_SRC_HOST_CARVER_H_

#include <cstdint>

namespace frnn {

// Hands out 256-byte aligned slices in turn: offsets, or addresses where it has a base. `bytes` is
// what they need from a base aligned to 16, as the door asks; float4 accesses need no more, and the
// BLAS slice aligns itself.
class Carver {
 public:
  explicit Carver(int64_t base = 0) : base_(base) {}
  int64_t floats(int64_t count) { return take(4 * count); }
  int64_t take(int64_t bytes) {
    const int64_t slice = base_ + bytes_;
    bytes_ += (bytes + 255) / 256 * 256;
    return slice;
  }
  int64_t bytes() const { return bytes_; }

 private:
  int64_t base_;
  int64_t bytes_ = 0;
};

}  // namespace frnn

#endif  // FUSEDRNN_SRC_HOST_CARVER_H_
