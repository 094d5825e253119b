#include "host/captures.h"

#include <utility>

namespace frnn {
namespace {

unsigned long long shown(int64_t handle) {
  return static_cast<unsigned long long>(handle);
}

Status refuse(std::string text) {
  return Status::fail(FRNN_INVALID_ARGUMENT, std::move(text));
}

// The first node from which the origin's last node cannot be reached, or -1. Marks are points, not
// work, and need not be waited for.
int64_t unjoined(const Recording& recording) {
  const std::vector<Recording::Node>& nodes = recording.nodes;
  const int64_t count = static_cast<int64_t>(nodes.size());
  std::vector<char> reached(nodes.size(), 0);
  std::map<int64_t, bool> wanted;  // streams of which everything before is reached
  wanted[recording.origin] = true;
  for (int64_t i = count - 1; i >= 0; --i) {
    const Recording::Node& node = nodes[static_cast<size_t>(i)];
    char& here = reached[static_cast<size_t>(i)];
    if (wanted[node.stream]) here = 1;
    if (here == 0) continue;
    wanted[node.stream] = true;
    if (node.after >= 0) reached[static_cast<size_t>(node.after)] = 1;
  }
  for (int64_t i = 0; i < count; ++i) {
    if (reached[static_cast<size_t>(i)] == 0 &&
        nodes[static_cast<size_t>(i)].kind != Recording::Kind::kMark) {
      return i;
    }
  }
  return -1;
}

}  // namespace

Captures::Capture* Captures::capture_of(int64_t stream) {
  const auto member = members_.find(stream);
  return member == members_.end() ? nullptr : &captures_.at(member->second);
}

const Captures::Capture* Captures::capture_of(int64_t stream) const {
  const auto member = members_.find(stream);
  return member == members_.end() ? nullptr : &captures_.at(member->second);
}

int64_t Captures::push(Capture* capture, Recording::Node node) {
  capture->recording.nodes.push_back(std::move(node));
  return static_cast<int64_t>(capture->recording.nodes.size()) - 1;
}

Status Captures::begin(int64_t stream) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (stream == 0) {
    return refuse(
        "capture_begin: the default stream cannot capture: expected a stream of "
        "frnn_stream_create, got 0");
  }
  if (capture_of(stream) != nullptr) {
    return refuse(
        format("capture_begin: stream 0x%llx captures already: end that first", shown(stream)));
  }
  used_.store(true, std::memory_order_release);
  Capture& capture = captures_[next_capture_];
  capture.thread = std::this_thread::get_id();
  capture.recording.origin = stream;
  members_[stream] = next_capture_++;
  return Status::success();
}

Status Captures::may_end(int64_t stream) const {
  const std::lock_guard<std::mutex> lock(mutex_);
  const Capture* capture = capture_of(stream);
  if (capture == nullptr) {
    return refuse(format("capture_end: stream 0x%llx does not capture", shown(stream)));
  }
  if (capture->recording.origin != stream) {
    return refuse(
        format("capture_end: stream 0x%llx joined a capture that began on stream "
               "0x%llx: end it there",
               shown(stream), shown(capture->recording.origin)));
  }
  if (capture->thread != std::this_thread::get_id()) {
    return refuse(
        format("capture_end: another thread began the capture of stream 0x%llx: that "
               "thread must end it",
               shown(stream)));
  }
  return Status::success();
}

Status Captures::end(int64_t stream, Recording* recording) {
  const std::lock_guard<std::mutex> lock(mutex_);
  const int64_t id = members_.at(stream);
  *recording = std::move(captures_.at(id).recording);
  captures_.erase(id);
  for (auto member = members_.begin(); member != members_.end();) {
    member = member->second == id ? members_.erase(member) : std::next(member);
  }
  const int64_t loose = unjoined(*recording);
  if (loose < 0) return Status::success();
  const int64_t other = recording->nodes[static_cast<size_t>(loose)].stream;
  return refuse(
      format("capture_end: stream 0x%llx took part and was not waited for: record an "
             "event behind its last work and let stream 0x%llx wait for it. What was "
             "recorded is dropped",
             shown(other), shown(stream)));
}

std::vector<int64_t> Captures::origins() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  std::vector<int64_t> streams;
  for (const auto& [id, capture] : captures_)
    streams.push_back(capture.recording.origin);
  return streams;
}

bool Captures::holds(int64_t stream) const {
  if (idle()) return false;
  const std::lock_guard<std::mutex> lock(mutex_);
  return capture_of(stream) != nullptr;
}

void Captures::add(int64_t stream, Recording::Kind kind, Recording::Work work) {
  const std::lock_guard<std::mutex> lock(mutex_);
  Capture* capture = capture_of(stream);
  if (capture == nullptr) return;
  if (kind == Recording::Kind::kKernel) ++capture->recording.kernels;
  push(capture, {kind, stream, -1, std::move(work)});
}

bool Captures::add_gemm(int64_t stream) {
  if (idle()) return false;
  const std::lock_guard<std::mutex> lock(mutex_);
  Capture* capture = capture_of(stream);
  if (capture == nullptr) return false;
  ++capture->recording.gemms;
  return true;
}

void Captures::record(int64_t event, int64_t stream, bool* captured) {
  *captured = false;
  if (idle()) return;
  const std::lock_guard<std::mutex> lock(mutex_);
  Capture* capture = capture_of(stream);
  if (capture == nullptr) {
    marks_.erase(event);
    return;
  }
  *captured = true;
  const int64_t node = push(capture, {Recording::Kind::kMark, stream, -1, nullptr});
  marks_[event] = {members_.at(stream), node};
}

Status Captures::wait(int64_t stream, int64_t event, bool* captured) {
  *captured = false;
  if (idle()) return Status::success();
  const std::lock_guard<std::mutex> lock(mutex_);
  const Capture* own = capture_of(stream);
  const auto mark = marks_.find(event);
  if (mark == marks_.end()) {
    if (own == nullptr) return Status::success();
    return refuse(
        format("stream_wait: stream 0x%llx captures, and event 0x%llx was not recorded "
               "in that capture: wait for it before the capture, or record it there",
               shown(stream), shown(event)));
  }
  const int64_t id = mark->second.capture;
  if (captures_.count(id) == 0) {
    return refuse(
        format("stream_wait: event 0x%llx was last recorded in a capture, which has "
               "ended: record it again",
               shown(event)));
  }
  if (own != nullptr && members_.at(stream) != id) {
    return refuse(
        format("stream_wait: stream 0x%llx and event 0x%llx belong to two captures, "
               "which cannot be joined",
               shown(stream), shown(event)));
  }
  if (stream == 0) return refuse("stream_wait: the default stream cannot join a capture");
  *captured = true;
  members_[stream] = id;
  push(&captures_.at(id), {Recording::Kind::kWait, stream, mark->second.node, nullptr});
  return Status::success();
}

void Captures::forget_event(int64_t event) {
  if (idle()) return;
  const std::lock_guard<std::mutex> lock(mutex_);
  marks_.erase(event);
}

Status Captures::may_wait_for_device() const {
  if (idle()) return Status::success();
  const std::lock_guard<std::mutex> lock(mutex_);
  if (captures_.empty()) return Status::success();
  return refuse(
      format("synchronize: stream 0x%llx captures, so that the device cannot be waited "
             "for: end the capture first",
             shown(captures_.begin()->second.recording.origin)));
}

Status Captures::may_wait_for_stream(int64_t stream) const {
  if (!holds(stream)) return Status::success();
  return refuse(
      format("stream_synchronize: stream 0x%llx captures: its work is recorded, not "
             "run, and cannot be waited for: end the capture first",
             shown(stream)));
}

Status Captures::may_ask_event(int64_t event) const {
  if (idle()) return Status::success();
  const std::lock_guard<std::mutex> lock(mutex_);
  if (marks_.count(event) == 0) return Status::success();
  return refuse(
      format("event 0x%llx was last recorded in a capture: it orders the streams of that "
             "capture and cannot be waited for or asked. Record it outside of one, for "
             "example behind the launch of the graph",
             shown(event)));
}

Status Captures::may_allocate(const char* call) const {
  if (idle()) return Status::success();
  const std::lock_guard<std::mutex> lock(mutex_);
  for (const auto& [id, capture] : captures_) {
    if (capture.thread != std::this_thread::get_id()) continue;
    return refuse(
        format("%s: stream 0x%llx captures, and what allocates, frees or waits cannot be "
               "recorded: call it before capture_begin or after capture_end",
               call, shown(capture.recording.origin)));
  }
  return Status::success();
}

Status Captures::may_destroy_stream(int64_t stream) const {
  if (!holds(stream)) return Status::success();
  return refuse(
      format("stream_destroy: stream 0x%llx captures: end the capture first", shown(stream)));
}

Status Captures::may_copy_host(int64_t stream, bool page_locked) const {
  if (page_locked || !holds(stream)) return Status::success();
  return refuse(
      format("copy: stream 0x%llx captures: expected page-locked host memory "
             "(frnn_host_register), for each launch of the graph uses it anew; got other "
             "memory",
             shown(stream)));
}

Status Captures::may_launch_graph(int64_t stream) const {
  if (!holds(stream)) return Status::success();
  return refuse(
      format("graph_launch: stream 0x%llx captures: a graph cannot be recorded into "
             "another",
             shown(stream)));
}

}  // namespace frnn
