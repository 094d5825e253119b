// What the tests of the emulated machine share: an opened device whose calls must succeed, and
// buffers that are written and read in one line.

#ifndef FUSEDRNN_TEST_EMULATED_DEVICE_H_
#define FUSEDRNN_TEST_EMULATED_DEVICE_H_

#include <memory>
#include <string>
#include <vector>

#include "machine/device.h"
#include "machine/host.h"
#include "testing.h"

namespace frnn {
namespace testing {

class EmulatedDevice {
 public:
  explicit EmulatedDevice(int64_t seed = 1, int64_t workers = 1) {
    FRNN_CHECK_OK(machine::Context::open(0, &context_));
    FRNN_CHECK_OK(context_->set("seed", seed));
    FRNN_CHECK_OK(context_->set("workers", workers));
  }
  machine::Context* operator->() { return context_.get(); }
  machine::Context& operator*() { return *context_; }

  template <class T>
  T* alloc(int64_t count) {
    int64_t address = 0;
    FRNN_CHECK_OK(context_->alloc(count * static_cast<int64_t>(sizeof(T)), &address));
    return reinterpret_cast<T*>(address);
  }
  template <class T>
  T* upload(const std::vector<T>& values) {
    T* to = alloc<T>(static_cast<int64_t>(values.size()));
    FRNN_CHECK_OK(
        context_->copy(address(to), address(values.data()), bytes(values), FRNN_HOST_TO_DEVICE, 0));
    FRNN_CHECK_OK(context_->stream_synchronize(0));
    return to;
  }
  template <class T>
  std::vector<T> download(const T* from, int64_t count, machine::Stream stream = 0) {
    std::vector<T> values(static_cast<size_t>(count));
    FRNN_CHECK_OK(context_->copy(address(values.data()), address(from), bytes(values),
                                 FRNN_DEVICE_TO_HOST, stream));
    FRNN_CHECK_OK(context_->stream_synchronize(stream));
    return values;
  }
  // Runs a kernel to its end.
  template <class Args>
  Status run(const char* name, void (*kernel)(Args), const machine::Grid& grid,
             const typename machine::TypeOf<Args>::type& args) {
    FRNN_TRY(context_->launch(name, kernel, grid, 0, args));
    return context_->synchronize();
  }

  static int64_t address(const void* pointer) { return reinterpret_cast<int64_t>(pointer); }
  template <class T>
  static int64_t bytes(const std::vector<T>& values) {
    return static_cast<int64_t>(values.size() * sizeof(T));
  }

 private:
  std::unique_ptr<machine::Context> context_;
};

// The status has `code`, and its text holds each of `parts`.
inline void check_report(const char* file, int line, const Status& status,
                         const std::vector<std::string>& parts, int code) {
  if (status.code != code) {
    fail(file, line,
         "expected a failure with code " + std::to_string(code) + ", got " +
             std::to_string(status.code) + " " + status.text);
    return;
  }
  for (const std::string& part : parts) {
    if (status.text.find(part) == std::string::npos) {
      fail(file, line, "expected `" + part + "` in: " + status.text);
    }
  }
}

}  // namespace testing
}  // namespace frnn

#define FRNN_CHECK_REPORT_CODE(status, code, ...) \
  ::frnn::testing::check_report(__FILE__, __LINE__, (status), {__VA_ARGS__}, (code))
#define FRNN_CHECK_REPORT(status, ...) \
  FRNN_CHECK_REPORT_CODE(status, FRNN_DEVICE_ERROR, __VA_ARGS__)

#endif  // FUSEDRNN_TEST_EMULATED_DEVICE_H_
