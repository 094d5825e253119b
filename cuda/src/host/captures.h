// Which streams of a device capture, what they recorded, and what is refused meanwhile. The rules
// are those of CUDA's stream capture; one class keeps them, so that every backend refuses the same
// calls in the same words, and before a driver would give up the whole capture.
//
// A capture begins on one stream. Another stream joins it by waiting for an event that was recorded
// in it (a fork), and must be waited for by the first stream, directly or not, before the capture
// ends (the join). Work is recorded in the order of the calls, which is an order in which it can be
// run.

#ifndef FUSEDRNN_SRC_HOST_CAPTURES_H_
#define FUSEDRNN_SRC_HOST_CAPTURES_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <thread>
#include <vector>

#include "host/status.h"

namespace frnn {

// What a capture recorded, for backends that run it again by themselves.
struct Recording {
  enum class Kind { kWork, kKernel, kMark, kWait };
  // `number` is that of a kernel's launch, and 0 for other work.
  using Work = std::function<Status(uint64_t number)>;
  struct Node {
    Kind kind;
    int64_t stream;
    int64_t after;  // the node, of another stream, that a kWait waits for; else -1
    Work work;      // empty for marks, waits and on backends that keep it elsewhere
  };

  int64_t origin = 0;  // the stream on which the capture began
  std::vector<Node> nodes;
  int64_t kernels = 0;
  int64_t gemms = 0;
};

// Safe to call from any thread.
class Captures {
 public:
  Status begin(int64_t stream);
  // Whether this thread may end the capture of `stream` now. A failure leaves it as it is.
  Status may_end(int64_t stream) const;
  // Ends it, whatever comes of it: a failure says which stream was not joined.
  Status end(int64_t stream, Recording* recording);
  std::vector<int64_t> origins() const;  // of the captures that have not ended

  bool holds(int64_t stream) const;  // whether the stream takes part in a capture
  void add(int64_t stream, Recording::Kind kind, Recording::Work work = nullptr);
  // Counts a product that was recorded; false where the stream does not capture.
  bool add_gemm(int64_t stream);
  // `captured` tells whether the call was recorded and is not to be carried out.
  void record(int64_t event, int64_t stream, bool* captured);
  Status wait(int64_t stream, int64_t event, bool* captured);
  void forget_event(int64_t event);

  // Failures where a capture forbids the call that is named.
  Status may_wait_for_device() const;
  Status may_wait_for_stream(int64_t stream) const;
  Status may_ask_event(int64_t event) const;
  Status may_allocate(const char* call) const;
  Status may_destroy_stream(int64_t stream) const;
  // Called for copies that touch host memory, with whether that memory is page-locked.
  Status may_copy_host(int64_t stream, bool page_locked) const;
  Status may_launch_graph(int64_t stream) const;

 private:
  struct Capture {
    std::thread::id thread;
    Recording recording;
  };
  struct Mark {
    int64_t capture;
    int64_t node;
  };

  bool idle() const { return !used_.load(std::memory_order_acquire); }
  Capture* capture_of(int64_t stream);
  const Capture* capture_of(int64_t stream) const;
  static int64_t push(Capture* capture, Recording::Node node);

  mutable std::mutex mutex_;
  std::atomic<bool> used_{false};  // a device that never captured looks no further
  int64_t next_capture_ = 1;
  std::map<int64_t, Capture> captures_;
  std::map<int64_t, int64_t> members_;  // stream to capture
  std::map<int64_t, Mark> marks_;       // events last recorded in a capture, which may have ended
};

}  // namespace frnn

#endif  // FUSEDRNN_SRC_HOST_CAPTURES_H_
