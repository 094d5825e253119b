// Goal: a kernel that is forced and cannot run a call is refused with the reason, as are a
// workspace that is too small and an address that is not aligned, and then nothing was launched or
// written; explain answers for devices that are here and for those that are not. Method: one legal
// call on the emulated device, spoilt in one way at a time; counters and the output are looked at
// after each refusal.

#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include "fusedrnn.h"
#include "testing.h"

namespace {

void check(bool so, const std::string& what) {
  if (!so) frnn::testing::fail(__FILE__, __LINE__, what + ": " + frnn_last_error());
}

class Machine {
 public:
  Machine() { check(frnn_device_open("emulated", 0, &device_) == FRNN_OK, "open"); }
  ~Machine() {
    for (const int64_t address : addresses_)
      check(frnn_free(device_, address) == FRNN_OK, "free");
    check(frnn_device_close(device_) == FRNN_OK, "close");
  }
  Machine(const Machine&) = delete;
  Machine& operator=(const Machine&) = delete;

  int64_t bytes(int64_t count) {
    int64_t address = 0;
    check(frnn_alloc(device_, count, &address) == FRNN_OK, "alloc");
    check(frnn_fill(device_, address, 0xFF, count, 0) == FRNN_OK, "fill");
    addresses_.push_back(address);
    return address;
  }
  int64_t count(const char* key) const {
    int64_t value = -1;
    check(frnn_device_counter(device_, key, &value) == FRNN_OK, key);
    return value;
  }
  float first(int64_t address) const {
    float value = 0;
    check(frnn_copy(device_, reinterpret_cast<int64_t>(&value), address, 4, FRNN_DEVICE_TO_HOST,
                    0) == FRNN_OK,
          "copy");
    check(frnn_device_synchronize(device_) == FRNN_OK, "synchronize");
    return value;
  }
  int64_t device() const { return device_; }

 private:
  int64_t device_ = 0;
  std::vector<int64_t> addresses_;
};

// A call that every kernel serves.
frnn_rnn legal(Machine& machine) {
  frnn_rnn rnn{};
  rnn.struct_bytes = sizeof rnn;
  rnn.cell = FRNN_LSTM, rnn.dtype = FRNN_F32;
  rnn.T = 3, rnn.B = 2, rnn.I = 4, rnn.H = 33;
  rnn.w_ih = machine.bytes(4 * 4 * rnn.H * rnn.I);
  rnn.w_hh = machine.bytes(4 * 4 * rnn.H * rnn.H);
  rnn.x = machine.bytes(4 * rnn.T * rnn.B * rnn.I);
  rnn.y = machine.bytes(4 * rnn.T * rnn.B * rnn.H);
  frnn_rnn_sizes sizes{};
  check(frnn_rnn_bytes("emulated", &rnn, &sizes) == FRNN_OK, "bytes");
  rnn.workspace_bytes = sizes.forward_workspace_bytes;
  rnn.workspace = machine.bytes(rnn.workspace_bytes);
  return rnn;
}

void refusals() {
  Machine machine;
  const frnn_rnn plain = legal(machine);
  const auto refuse = [&](int status, const char* piece, auto spoil) {
    frnn_rnn rnn = plain;
    rnn.kernel = FRNN_KERNEL_CLUSTER;
    spoil(rnn);
    const int64_t launches = machine.count("launches"), gemms = machine.count("gemms");
    const int got = frnn_rnn_forward(machine.device(), &rnn);
    check(got == status, std::string("status of '") + piece + "'");
    check(std::strstr(frnn_last_error(), piece) != nullptr, std::string("expected ") + piece);
    check(machine.count("launches") == launches && machine.count("gemms") == gemms, "launched");
    check(std::isnan(machine.first(plain.y)), "wrote");
  };
  const int64_t room = int64_t{1} << 40;
  refuse(FRNN_UNSUPPORTED, "K1 cannot run this forward call: H=4096",
         [&](frnn_rnn& r) { r.kernel = FRNN_KERNEL_SM, r.H = 4096, r.workspace_bytes = room; });
  refuse(FRNN_UNSUPPORTED, "K2 cannot run this forward call",
         [&](frnn_rnn& r) { r.H = 8192, r.workspace_bytes = room; });
  refuse(FRNN_UNSUPPORTED, "projection",
         [&](frnn_rnn& r) { r.P = 5, r.w_hr = r.w_hh, r.workspace_bytes = room; });
  refuse(FRNN_UNSUPPORTED, "zoneout",
         [&](frnn_rnn& r) { r.zoneout_h = 0.5, r.workspace_bytes = room; });
  refuse(FRNN_INVALID_ARGUMENT, "rnn.kernel: expected", [](frnn_rnn& r) { r.kernel = 9; });
  refuse(FRNN_WORKSPACE_TOO_SMALL, "rnn.workspace_bytes",
         [](frnn_rnn& r) { r.workspace_bytes -= 1; });
  refuse(FRNN_INVALID_ARGUMENT, "rnn.workspace: expected an address aligned",
         [](frnn_rnn& r) { r.workspace += 8; });
  refuse(FRNN_INVALID_ARGUMENT, "rnn.x", [](frnn_rnn& r) { r.x += 2; });
  check(frnn_device_set(machine.device(), "cluster", 3) == FRNN_INVALID_ARGUMENT, "cluster 3");
  check(frnn_device_set(machine.device(), "cluster", 16) == FRNN_OK, "cluster 16");
  refuse(FRNN_UNSUPPORTED, "cluster of 16", [](frnn_rnn&) {});
  check(frnn_device_set(machine.device(), "cluster", 4) == FRNN_OK, "cluster 4");
  frnn_rnn rnn = plain;
  rnn.kernel = FRNN_KERNEL_CLUSTER;
  check(frnn_rnn_forward(machine.device(), &rnn) == FRNN_OK, "K2 of 4");
  check(frnn_device_synchronize(machine.device()) == FRNN_OK, "synchronize");
}

void explanations() {
  frnn_net net{};
  net.struct_bytes = sizeof net;
  net.T = 100, net.B = 3, net.I = 7, net.H = 65, net.L = 3, net.D = 2, net.dtype = FRNN_BF16;
  net.flags = FRNN_TRAINING;
  const auto answers = [&](int64_t device, const char* model, const char* piece) {
    const char* const json = frnn_explain(device, model, &net);
    check(json != nullptr && std::strstr(json, piece) != nullptr, std::string("expected ") + piece);
  };
  const auto refuses = [&](int64_t device, const char* model, const char* piece) {
    check(frnn_explain(device, model, &net) == nullptr, "an answer");
    check(std::strstr(frnn_last_error(), piece) != nullptr, std::string("expected ") + piece);
  };
  Machine machine;
  int64_t cpu = 0;
  check(frnn_device_open("cpu", 0, &cpu) == FRNN_OK, "open");
  answers(0, "h200", "\"backward\": {\"kernel\": \"K");
  answers(0, "l4", "no thread-block clusters");
  answers(machine.device(), nullptr, "\"name\": \"emulated GPU\"");
  refuses(0, "h9000", "rtx4090");
  refuses(0, nullptr, "model: expected an address");
  refuses(cpu, nullptr, "one way to run a sequence");
  refuses(99999, nullptr, "handle");
  net.L = 0;
  refuses(0, "h200", "net.L");
  net.L = 1, net.kernel = FRNN_KERNEL_CLUSTER;
  refuses(0, "a100", "K2 cannot run this forward call");
  check(frnn_device_close(cpu) == FRNN_OK, "close");
}

}  // namespace

int main() {
  refusals();
  explanations();
  return frnn::testing::report();
}
