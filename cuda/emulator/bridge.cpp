#include "bridge.h"

#include "current.h"
#include "fault.h"
#include "machine/device.h"

namespace frnn::machine::emulated {
namespace {

class MachineBridge final : public Bridge {
 public:
  MachineBridge() { (void)open_blas("", &blas_); }

  Status open(bool primary, std::unique_ptr<Context>* context) override {
    FRNN_TRY(install_fault_handler());
    *context = Context::over(primary ? primary_machine() : machine_of_its_own());
    return Status::success();
  }
  std::shared_ptr<Machine> current() override { return current_machine(); }
  void set_current(const std::shared_ptr<Machine>& machine) override {
    set_current_machine(machine);
  }

  Status range(Machine& machine, int64_t address, int64_t* base, int64_t* bytes) override {
    return machine.range(address, base, bytes);
  }
  bool has_stream(Machine& machine, Stream stream) override { return machine.has_stream(stream); }

  const Blas& blas() override { return blas_; }
  const Self& running_thread() override { return *self; }

 private:
  Blas blas_;
};

}  // namespace
}  // namespace frnn::machine::emulated

extern "C" FRNN_API frnn::machine::emulated::Bridge* frnn_emulated_bridge_1() {
  static auto* const bridge = new frnn::machine::emulated::MachineBridge;  // outlives exit handlers
  return bridge;
}
