// Streams beside a caller's own: parts of one call that do not depend on each other, such as the
// two directions of a layer, run on them at the same time. They are made when a stream is first
// seen and then kept, so that a steady call makes nothing and can be captured into a graph; what
// runs on them begins after the caller's stream (fork) and the caller's stream goes on after them
// (join).

#ifndef FUSEDRNN_SRC_HOST_SIDE_STREAMS_H_
#define FUSEDRNN_SRC_HOST_SIDE_STREAMS_H_

#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "host/provider.h"
#include "host/status.h"

namespace frnn {

// The lanes of one stream. Lane 0 is that stream itself. Like the stream, they serve one call at a
// time.
class Lanes {
 public:
  Lanes(Device& device, int64_t stream) : device_(device) { streams_.push_back(stream); }

  Status grow(int64_t count);
  int64_t stream(int64_t lane) const { return streams_[static_cast<size_t>(lane)]; }
  // Lanes 1 to count - 1 wait for what lane 0 has been given so far, or it for them.
  Status fork(int64_t count);
  Status join(int64_t count);
  // Records where the lane stands; who waits later than the next mark waits for that one.
  Status mark(int64_t lane);
  Status wait(int64_t lane, int64_t marked);
  int64_t event(int64_t lane) const { return events_[static_cast<size_t>(lane)]; }
  Status close();

 private:
  Device& device_;
  std::vector<int64_t> streams_;
  std::vector<int64_t> events_;  // by lane
};

// All lanes of a device, by the caller's stream.
class SideStreams {
 public:
  // Null where so many streams have lanes already that this one gets none: its calls then do
  // one thing after the other.
  Status lanes_of(Device& device, int64_t stream, int64_t count, Lanes** lanes);
  // The stream ends, or the device.
  Status forget(int64_t stream);
  void close();

 private:
  std::mutex lock_;
  std::map<int64_t, std::unique_ptr<Lanes>> lanes_;
};

}  // namespace frnn

#endif  // FUSEDRNN_SRC_HOST_SIDE_STREAMS_H_
