#include "fault.h"

#include <sys/mman.h>
#include <ucontext.h>

#include <cerrno>
#include <cstring>
#include <mutex>

#include "runner.h"

namespace frnn::machine::emulated {

namespace {

constexpr size_t kHandlerStackBytes = 128 * 1024;  // a chained handler of a JVM's may be hungry

struct sigaction before_segv;
struct sigaction before_bus;

bool was_write([[maybe_unused]] void* context) {
#if defined(__x86_64__)
  // Bit 1 of the page fault's error code.
  return (static_cast<ucontext_t*>(context)->uc_mcontext.gregs[REG_ERR] & 2) != 0;
#else
  return false;
#endif
}

void pass_on(int signal, siginfo_t* info, void* context) {
  const struct sigaction& before = signal == SIGBUS ? before_bus : before_segv;
  if ((before.sa_flags & SA_SIGINFO) != 0) {
    before.sa_sigaction(signal, info, context);
  } else if (before.sa_handler == SIG_DFL || before.sa_handler == SIG_IGN) {
    // The access runs again when this returns, and ends the process as it would have without us.
    struct sigaction plain = {};
    plain.sa_handler = SIG_DFL;
    sigaction(signal, &plain, nullptr);
  } else {
    before.sa_handler(signal);
  }
}

void handle(int signal, siginfo_t* info, void* context) {
  // A signal sent by a process (si_code <= 0) is not an access of ours.
  if (self == nullptr || info->si_code <= 0) {
    const int error = errno;
    pass_on(signal, info, context);
    errno = error;
    return;
  }
  const Fiber* f = static_cast<const Fiber*>(self);
  // The kernel does not say where a non-canonical address was.
  void* const address =
      info->si_code == SI_KERNEL ? reinterpret_cast<void*>(~uintptr_t{0}) : info->si_addr;
  f->runner->fault(f, address, was_write(context));
}

}  // namespace

Status install_fault_handler() {
  static std::mutex mutex;
  static bool installed = false;
  std::lock_guard<std::mutex> lock(mutex);
  if (installed) return Status::success();
  struct sigaction action = {};
  action.sa_sigaction = handle;
  // SA_NODEFER: a report leaves the handler by a switch of stacks, so nothing would unblock it.
  action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
  sigemptyset(&action.sa_mask);
  if (sigaction(SIGSEGV, &action, &before_segv) != 0 ||
      sigaction(SIGBUS, &action, &before_bus) != 0) {
    return Status::fail(
        FRNN_INTERNAL, format("installing the emulator's fault handler: %s", std::strerror(errno)));
  }
  installed = true;
  return Status::success();
}

HandlerStack::HandlerStack() {
  void* memory =
      mmap(nullptr, kHandlerStackBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory != MAP_FAILED) memory_ = memory;
}

HandlerStack::~HandlerStack() {
  if (memory_ == nullptr) return;
  forget_frames(memory_, kHandlerStackBytes);
  munmap(memory_, kHandlerStackBytes);
}

size_t HandlerStack::bytes() {
  return kHandlerStackBytes;
}

FaultScope::FaultScope(const HandlerStack& stack) {
  if (stack.memory() == nullptr) return;  // then the handler runs on the faulting fiber's stack
  stack_t mine = {};
  mine.ss_sp = stack.memory();
  mine.ss_size = HandlerStack::bytes();
  changed_ = sigaltstack(&mine, &before_) == 0;
}

FaultScope::~FaultScope() {
  if (changed_) sigaltstack(&before_, nullptr);
}

}  // namespace frnn::machine::emulated
