// The door's calls for page-locked memory, captures and graphs.

#include "host/checks.h"
#include "host/door.h"

using frnn::Device;
using frnn::Status;

int frnn_host_alloc(int64_t device, int64_t bytes, int64_t* address) {
  return frnn::on_device("frnn_host_alloc", device, [&](Device& d, const auto&) -> Status {
    FRNN_TRY(frnn::need("address", address));
    FRNN_TRY(frnn::at_least("bytes", bytes, 0));
    *address = 0;
    return bytes == 0 ? Status::success() : d.host_alloc(bytes, address);
  });
}

int frnn_host_free(int64_t device, int64_t address) {
  return frnn::on_device("frnn_host_free", device, [&](Device& d, const auto&) {
    return address == 0 ? Status::success() : d.host_free(address);
  });
}

int frnn_capture_begin(int64_t device, int64_t stream) {
  return frnn::on_device("frnn_capture_begin", device,
                         [&](Device& d, const auto&) { return d.capture_begin(stream); });
}

int frnn_capture_end(int64_t device, int64_t stream, int64_t* graph) {
  return frnn::on_device("frnn_capture_end", device,
                         [&](Device& d, const auto&) { return d.capture_end(stream, graph); });
}

int frnn_graph_launch(int64_t device, int64_t graph, int64_t stream) {
  return frnn::on_device("frnn_graph_launch", device,
                         [&](Device& d, const auto&) { return d.graph_launch(graph, stream); });
}

int frnn_graph_destroy(int64_t device, int64_t graph) {
  return frnn::on_device("frnn_graph_destroy", device,
                         [&](Device& d, const auto&) { return d.graph_destroy(graph); });
}
