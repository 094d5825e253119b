// One word of 8 bytes, in the order of the stream: it comes as the kernel's own argument, so the
// host keeps nothing.

#include "kernels/tables.h"
#include "machine/device.h"

namespace frnn {
namespace {

struct Word {
  int64_t* address;
  int64_t value;
};

// Grid: one thread.
FRNN_KERNEL_BOUNDS(32, 1) void word_kernel(Word w) {
  *w.address = w.value;
}

}  // namespace

Status write_word(const Queue& queue, int64_t address, int64_t word) {
  return queue.context.launch("write_word", word_kernel, {1, 1, 0, false}, queue.stream,
                              Word{reinterpret_cast<int64_t*>(address), word});
}

}  // namespace frnn
