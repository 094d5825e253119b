// The door's calls for page-locked memory, captures and graphs.

#include "host/checks.h"
#include "host/door.h"

using frnn::Device;
using frnn::Status;

int frnn_host_register(int64_t device, int64_t address, int64_t bytes) {
  return frnn::on_device("frnn_host_register", device, [&](Device& d, const auto&) -> Status {
    FRNN_TRY(frnn::need("address", reinterpret_cast<const void*>(address)));
    FRNN_TRY(frnn::at_least("bytes", bytes, 1));
    return d.host_register(address, bytes);
  });
}

int frnn_host_unregister(int64_t device, int64_t address) {
  return frnn::on_device("frnn_host_unregister", device,
                         [&](Device& d, const auto&) { return d.host_unregister(address); });
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
