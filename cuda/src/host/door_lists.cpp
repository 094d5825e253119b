// The C door: lists of tensors, clipping, optimisers.

#include "host/checks.h"
#include "host/door.h"
#include "host/table_image.h"

using frnn::Device;
using frnn::Status;

int frnn_write_word(int64_t device, int64_t address, int64_t word, int64_t stream) {
  return frnn::on_device("frnn_write_word", device, [&](Device& d, const auto&) -> Status {
    FRNN_TRY(frnn::check_addresses({{"address", address, true, 8}}));
    return d.write_word({address, word, stream});
  });
}

int frnn_table_bytes(const frnn_tensors* tensors, frnn_table_sizes* sizes) {
  return frnn::guarded("frnn_table_bytes", [&]() -> Status {
    FRNN_TRY(frnn::need("sizes", sizes));
    frnn_tensors args;
    FRNN_TRY(frnn::load("frnn_tensors", tensors, &args));
    FRNN_TRY(frnn::validate(args));
    *sizes = frnn::table_sizes(args);
    return Status::success();
  });
}

int frnn_table_write(int64_t device, const frnn_tensors* tensors, int64_t table,
                     int64_t table_bytes, int64_t stream) {
  return frnn::on_device("frnn_table_write", device, [&](Device& d, const auto&) -> Status {
    frnn_tensors args;
    FRNN_TRY(frnn::load("frnn_tensors", tensors, &args));
    FRNN_TRY(frnn::validate(args));
    FRNN_TRY(frnn::need("table", reinterpret_cast<const void*>(table)));
    std::vector<char> image;
    FRNN_TRY(frnn::table_image(args, &image));
    const int64_t needed = static_cast<int64_t>(image.size());
    if (table_bytes < needed) {
      return Status::fail(
          FRNN_WORKSPACE_TOO_SMALL,
          frnn::format("table_bytes: expected at least %lld bytes for these tensors, got %lld",
                       static_cast<long long>(needed), static_cast<long long>(table_bytes)));
    }
    FRNN_TRY(d.copy(table, reinterpret_cast<int64_t>(image.data()), needed, FRNN_HOST_TO_DEVICE,
                    stream));
    return d.stream_synchronize(stream);
  });
}

int frnn_clip_by_global_norm(int64_t device, const frnn_clip* clip) {
  return frnn::operate(
      "frnn_clip_by_global_norm", "frnn_clip", device, clip,
      [](const frnn_clip& args, const Device&, const std::string&) { return frnn::validate(args); },
      [](Device& d, const frnn_clip& args) { return d.clip_by_global_norm(args); });
}

int frnn_optimizer_step(int64_t device, const frnn_optimizer* optimizer) {
  return frnn::operate(
      "frnn_optimizer_step", "frnn_optimizer", device, optimizer,
      [](const frnn_optimizer& args, const Device&, const std::string&) {
        return frnn::validate(args);
      },
      [](Device& d, const frnn_optimizer& args) { return d.optimizer_step(args); });
}
