// The C door: the library itself, devices, memory, streams, events and recurrent sequences.

#include "host/door.h"

#include "host/device_catalogue.h"
#include "host/empty.h"
#include "host/explain.h"
#include "host/json_text.h"
#include "host/net.h"

#ifndef FRNN_VERSION
#error "the build defines FRNN_VERSION"
#endif

namespace frnn {
namespace {

// Texts handed out as const char* live until the thread's next call of the same kind.
thread_local std::string last_error;
thread_local std::string description;

Status at_least_zero(const char* what, int64_t value) {
  if (value >= 0) return Status::success();
  return Status::fail(FRNN_INVALID_ARGUMENT, format("%s: expected at least 0, got %lld", what,
                                                    static_cast<long long>(value)));
}

std::string build_info() {
  std::string out = "{\"version\": " + json_text(FRNN_VERSION) +
                    ", \"compiler\": " + json_text("g++-compatible " __VERSION__);
  for (const char* const backend : {"cpu", "emulated", "cuda"}) {
    Provider* provider = nullptr;
    const Status found = find_provider(backend, &provider);
    out += std::string(", \"") + backend + "\": ";
    out += found.ok() ? provider->build_info() : "{\"unavailable\": " + json_text(found.text) + "}";
  }
  return out + "}";
}

}  // namespace

int finish(Status status) {
  if (status.ok()) return FRNN_OK;
  last_error = std::move(status.text);
  return status.code;
}

Status need(const char* what, const void* address) {
  if (address != nullptr) return Status::success();
  return Status::fail(FRNN_INVALID_ARGUMENT, format("%s: expected an address, got null", what));
}

}  // namespace frnn

using frnn::Device;
using frnn::Pass;
using frnn::Status;

const char* frnn_version(void) {
  return FRNN_VERSION;
}

const char* frnn_build_info(void) {
  const int code = frnn::guarded("frnn_build_info", [] {
    frnn::description = frnn::build_info();
    return Status::success();
  });
  return code == FRNN_OK ? frnn::description.c_str() : nullptr;
}

const char* frnn_last_error(void) {
  return frnn::last_error.c_str();
}

int frnn_set_option(const char* key, const char* value) {
  return frnn::guarded("frnn_set_option", [&]() -> Status {
    FRNN_TRY(frnn::need("key", key));
    FRNN_TRY(frnn::need("value", value));
    return frnn::set_provider_option(key, value);
  });
}

int frnn_device_count(const char* backend, int64_t* count) {
  return frnn::guarded("frnn_device_count", [&]() -> Status {
    FRNN_TRY(frnn::need("backend", backend));
    FRNN_TRY(frnn::need("count", count));
    frnn::Provider* provider = nullptr;
    FRNN_TRY(frnn::find_provider(backend, &provider));
    return provider->device_count(count);
  });
}

int frnn_device_open(const char* backend, int64_t ordinal, int64_t* device) {
  return frnn::guarded("frnn_device_open", [&]() -> Status {
    FRNN_TRY(frnn::need("backend", backend));
    FRNN_TRY(frnn::need("device", device));
    return frnn::open_device(backend, ordinal, device);
  });
}

int frnn_device_close(int64_t device) {
  return frnn::guarded("frnn_device_close", [&] { return frnn::close_device(device); });
}

const char* frnn_device_describe(int64_t device) {
  const int code = frnn::on_device("frnn_device_describe", device, [](Device& d, const auto&) {
    frnn::description = d.describe();
    return Status::success();
  });
  return code == FRNN_OK ? frnn::description.c_str() : nullptr;
}

int frnn_device_set(int64_t device, const char* key, int64_t value) {
  return frnn::on_device("frnn_device_set", device, [&](Device& d, const auto&) -> Status {
    FRNN_TRY(frnn::need("key", key));
    return d.set(key, value);
  });
}

int frnn_device_counter(int64_t device, const char* key, int64_t* value) {
  return frnn::on_device("frnn_device_counter", device, [&](Device& d, const auto&) -> Status {
    FRNN_TRY(frnn::need("key", key));
    FRNN_TRY(frnn::need("value", value));
    return d.counter(key, value);
  });
}

int frnn_device_synchronize(int64_t device) {
  return frnn::on_device("frnn_device_synchronize", device,
                         [](Device& d, const auto&) { return d.synchronize(); });
}

int frnn_alloc(int64_t device, int64_t bytes, int64_t* address) {
  return frnn::on_device("frnn_alloc", device, [&](Device& d, const auto&) -> Status {
    FRNN_TRY(frnn::need("address", address));
    FRNN_TRY(frnn::at_least_zero("bytes", bytes));
    *address = 0;
    return bytes == 0 ? Status::success() : d.alloc(bytes, address);
  });
}

int frnn_free(int64_t device, int64_t address) {
  return frnn::on_device("frnn_free", device, [&](Device& d, const auto&) {
    return address == 0 ? Status::success() : d.free(address);
  });
}

int frnn_copy(int64_t device, int64_t destination, int64_t source, int64_t bytes, int64_t kind,
              int64_t stream) {
  return frnn::on_device("frnn_copy", device, [&](Device& d, const auto&) -> Status {
    FRNN_TRY(frnn::at_least_zero("bytes", bytes));
    if (kind < FRNN_HOST_TO_DEVICE || kind > FRNN_DEVICE_TO_DEVICE) {
      return Status::fail(FRNN_INVALID_ARGUMENT,
                          frnn::format("kind: expected an frnn_copy_kind from 0 to 2, got %lld",
                                       static_cast<long long>(kind)));
    }
    if (bytes == 0) return Status::success();
    FRNN_TRY(frnn::need("destination", reinterpret_cast<const void*>(destination)));
    FRNN_TRY(frnn::need("source", reinterpret_cast<const void*>(source)));
    return d.copy(destination, source, bytes, kind, stream);
  });
}

int frnn_fill(int64_t device, int64_t address, int64_t byte_value, int64_t bytes, int64_t stream) {
  return frnn::on_device("frnn_fill", device, [&](Device& d, const auto&) -> Status {
    FRNN_TRY(frnn::at_least_zero("bytes", bytes));
    if (byte_value < 0 || byte_value > 255) {
      return Status::fail(FRNN_INVALID_ARGUMENT,
                          frnn::format("byte_value: expected 0 to 255, got %lld",
                                       static_cast<long long>(byte_value)));
    }
    if (bytes == 0) return Status::success();
    FRNN_TRY(frnn::need("address", reinterpret_cast<const void*>(address)));
    return d.fill(address, static_cast<int>(byte_value), bytes, stream);
  });
}

int frnn_stream_create(int64_t device, int64_t* stream) {
  return frnn::on_device("frnn_stream_create", device, [&](Device& d, const auto&) -> Status {
    FRNN_TRY(frnn::need("stream", stream));
    return d.stream_create(stream);
  });
}

int frnn_stream_destroy(int64_t device, int64_t stream) {
  return frnn::on_open("frnn_stream_destroy", device, [&](frnn::OpenDevice& open) -> Status {
    if (stream == 0) return Status::success();
    FRNN_TRY(open.device->stream_destroy(stream));
    return open.side_streams.forget(stream);
  });
}

int frnn_stream_synchronize(int64_t device, int64_t stream) {
  return frnn::on_device("frnn_stream_synchronize", device,
                         [&](Device& d, const auto&) { return d.stream_synchronize(stream); });
}

int frnn_stream_wait(int64_t device, int64_t stream, int64_t event) {
  return frnn::on_device("frnn_stream_wait", device,
                         [&](Device& d, const auto&) { return d.stream_wait(stream, event); });
}

int frnn_event_create(int64_t device, int64_t* event) {
  return frnn::on_device("frnn_event_create", device, [&](Device& d, const auto&) -> Status {
    FRNN_TRY(frnn::need("event", event));
    return d.event_create(event);
  });
}

int frnn_event_destroy(int64_t device, int64_t event) {
  return frnn::on_device("frnn_event_destroy", device,
                         [&](Device& d, const auto&) { return d.event_destroy(event); });
}

int frnn_event_record(int64_t device, int64_t event, int64_t stream) {
  return frnn::on_device("frnn_event_record", device,
                         [&](Device& d, const auto&) { return d.event_record(event, stream); });
}

int frnn_event_synchronize(int64_t device, int64_t event) {
  return frnn::on_device("frnn_event_synchronize", device,
                         [&](Device& d, const auto&) { return d.event_synchronize(event); });
}

int frnn_event_done(int64_t device, int64_t event, int64_t* done) {
  return frnn::on_device("frnn_event_done", device, [&](Device& d, const auto&) -> Status {
    FRNN_TRY(frnn::need("done", done));
    return d.event_done(event, done);
  });
}

int frnn_event_elapsed_us(int64_t device, int64_t start, int64_t end, double* us) {
  return frnn::on_device("frnn_event_elapsed_us", device, [&](Device& d, const auto&) -> Status {
    FRNN_TRY(frnn::need("us", us));
    return d.event_elapsed_us(start, end, us);
  });
}

int frnn_rnn_bytes(const char* backend, const frnn_rnn* rnn, frnn_rnn_sizes* sizes) {
  return frnn::guarded("frnn_rnn_bytes", [&]() -> Status {
    FRNN_TRY(frnn::need("backend", backend));
    FRNN_TRY(frnn::need("sizes", sizes));
    frnn_rnn args;
    FRNN_TRY(frnn::load("frnn_rnn", rnn, &args));
    FRNN_TRY(frnn::validate(args, Pass::kSizes, backend));
    *sizes = frnn::rnn_sizes(args, backend);
    return Status::success();
  });
}

template <Pass pass>
static Status check_rnn(const frnn_rnn& rnn, const Device& device, const std::string& backend) {
  FRNN_TRY(frnn::validate(rnn, pass, backend));
  FRNN_TRY(frnn::check_served(device, rnn, pass, backend));
  const bool reads_packed = pass == Pass::kForward && rnn.packed != 0 && rnn.T > 0 && rnn.B > 0;
  return reads_packed ? device.check_packed(rnn) : frnn::Status::success();
}

int frnn_rnn_forward(int64_t device, const frnn_rnn* rnn) {
  return frnn::operate("frnn_rnn_forward", "frnn_rnn", device, rnn, check_rnn<Pass::kForward>,
                       [](Device& d, const frnn_rnn& args) {
                         return args.T == 0 || args.B == 0 ? frnn::empty_rnn_forward(d, args)
                                                           : d.rnn_forward(args);
                       });
}

int frnn_rnn_backward(int64_t device, const frnn_rnn* rnn) {
  return frnn::operate("frnn_rnn_backward", "frnn_rnn", device, rnn, check_rnn<Pass::kBackward>,
                       [](Device& d, const frnn_rnn& args) {
                         return args.T == 0 || args.B == 0 ? frnn::empty_rnn_backward(d, args)
                                                           : d.rnn_backward(args);
                       });
}

int frnn_rnn_packed_bytes(const char* backend, const frnn_rnn* rnn, int64_t* bytes) {
  return frnn::guarded("frnn_rnn_packed_bytes", [&]() -> Status {
    FRNN_TRY(frnn::need("backend", backend));
    FRNN_TRY(frnn::need("bytes", bytes));
    frnn_rnn args;
    FRNN_TRY(frnn::load("frnn_rnn", rnn, &args));
    return frnn::rnn_packed_bytes(args, backend, bytes);
  });
}

int frnn_rnn_pack(int64_t device, const frnn_rnn* rnn) {
  return frnn::on_device("frnn_rnn_pack", device,
                         [&](Device& d, const std::string& backend) -> Status {
                           frnn_rnn args;
                           FRNN_TRY(frnn::load("frnn_rnn", rnn, &args));
                           FRNN_TRY(frnn::check_packing(args, d, backend));
                           return frnn::rnn_pack(d, args, backend);
                         });
}

int frnn_net_bytes(const char* backend, const frnn_net* net, frnn_rnn_sizes* sizes) {
  return frnn::guarded("frnn_net_bytes", [&]() -> Status {
    FRNN_TRY(frnn::need("backend", backend));
    FRNN_TRY(frnn::need("sizes", sizes));
    frnn_net args;
    FRNN_TRY(frnn::load("frnn_net", net, &args));
    return frnn::net_sizes(args, backend, sizes);
  });
}

int frnn_net_packed_bytes(const char* backend, const frnn_net* net, int64_t* bytes) {
  return frnn::guarded("frnn_net_packed_bytes", [&]() -> Status {
    FRNN_TRY(frnn::need("backend", backend));
    FRNN_TRY(frnn::need("bytes", bytes));
    frnn_net args;
    FRNN_TRY(frnn::load("frnn_net", net, &args));
    return frnn::net_packed_bytes(args, backend, bytes);
  });
}

static Status explain_on(int64_t handle, const frnn_net& net, std::string* json) {
  std::shared_ptr<frnn::OpenDevice> open;
  FRNN_TRY(frnn::find_device(handle, &open));
  if (open->device->planner() == nullptr) {
    return Status::fail(FRNN_UNSUPPORTED,
                        frnn::format("the %s backend has one way to run a sequence: nothing is "
                                     "planned for it",
                                     open->backend.c_str()));
  }
  return frnn::explain_net(net, *open->device->planner(), json);
}

const char* frnn_explain(int64_t device, const char* model, const frnn_net* net) {
  const int code = frnn::guarded("frnn_explain", [&]() -> Status {
    frnn_net args;
    FRNN_TRY(frnn::load("frnn_net", net, &args));
    if (device != 0) return explain_on(device, args, &frnn::description);
    FRNN_TRY(frnn::need("model", model));
    frnn::machine::Properties properties;
    FRNN_TRY(frnn::catalogue_device(model, &properties));
    frnn::Planner planner(properties);
    return frnn::explain_net(args, planner, &frnn::description);
  });
  return code == FRNN_OK ? frnn::description.c_str() : nullptr;
}

int frnn_net_forward(int64_t device, const frnn_net* net) {
  return frnn::on_open("frnn_net_forward", device, [&](frnn::OpenDevice& open) -> Status {
    frnn_net args;
    FRNN_TRY(frnn::load("frnn_net", net, &args));
    return frnn::net_forward(open, args);
  });
}

int frnn_net_backward(int64_t device, const frnn_net* net) {
  return frnn::on_open("frnn_net_backward", device, [&](frnn::OpenDevice& open) -> Status {
    frnn_net args;
    FRNN_TRY(frnn::load("frnn_net", net, &args));
    return frnn::net_backward(open, args);
  });
}

int frnn_net_pack(int64_t device, const frnn_net* net) {
  return frnn::on_open("frnn_net_pack", device, [&](frnn::OpenDevice& open) -> Status {
    frnn_net args;
    FRNN_TRY(frnn::load("frnn_net", net, &args));
    return frnn::net_pack(open, args);
  });
}
