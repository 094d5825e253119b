#include "host/side_streams.h"

namespace frnn {
namespace {

// A caller that makes a stream for each call, and whose streams the door does not see end, must not
// leave lanes behind without bound.
constexpr size_t kMostStreams = 32;

}  // namespace

Status Lanes::grow(int64_t count) {
  while (static_cast<int64_t>(events_.size()) < count) {
    if (streams_.size() == events_.size()) {
      int64_t stream = 0;
      FRNN_TRY(device_.stream_create(&stream));
      streams_.push_back(stream);
    }
    int64_t event = 0;
    FRNN_TRY(device_.event_create(&event));
    events_.push_back(event);
  }
  return Status::success();
}

Status Lanes::mark(int64_t lane) {
  return device_.event_record(event(lane), stream(lane));
}

Status Lanes::wait(int64_t lane, int64_t marked) {
  return device_.stream_wait(stream(lane), event(marked));
}

Status Lanes::fork(int64_t count) {
  if (count > 1) FRNN_TRY(mark(0));
  for (int64_t lane = 1; lane < count; ++lane)
    FRNN_TRY(wait(lane, 0));
  return Status::success();
}

Status Lanes::join(int64_t count) {
  for (int64_t lane = 1; lane < count; ++lane) {
    FRNN_TRY(mark(lane));
    FRNN_TRY(wait(0, lane));
  }
  return Status::success();
}

// Goes on after a failure, and answers the first.
Status Lanes::close() {
  Status first;
  const auto keep = [&](Status status) {
    if (first.ok() && !status.ok()) first = std::move(status);
  };
  for (const int64_t event : events_)
    keep(device_.event_destroy(event));
  for (size_t lane = 1; lane < streams_.size(); ++lane)
    keep(device_.stream_destroy(streams_[lane]));
  streams_.resize(1);
  events_.clear();
  return first;
}

Status SideStreams::lanes_of(Device& device, int64_t stream, int64_t count, Lanes** lanes) {
  const std::lock_guard<std::mutex> guard(lock_);
  *lanes = nullptr;
  const auto found = lanes_.find(stream);
  if (found == lanes_.end() && lanes_.size() == kMostStreams) return Status::success();
  std::unique_ptr<Lanes>& slot = lanes_[stream];
  if (slot == nullptr) slot = std::make_unique<Lanes>(device, stream);
  FRNN_TRY(slot->grow(count));
  *lanes = slot.get();
  return Status::success();
}

Status SideStreams::forget(int64_t stream) {
  const std::lock_guard<std::mutex> guard(lock_);
  const auto found = lanes_.find(stream);
  if (found == lanes_.end()) return Status::success();
  const std::unique_ptr<Lanes> lanes = std::move(found->second);
  lanes_.erase(found);
  return lanes->close();
}

void SideStreams::close() {
  for (const auto& entry : lanes_)
    (void)entry.second->close();
  lanes_.clear();
}

}  // namespace frnn
