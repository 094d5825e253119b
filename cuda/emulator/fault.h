// Turns a bad access of an emulated kernel into a report instead of the end of the process.
//
// The handler of SIGSEGV and SIGBUS acts only where the faulting OS thread is running a kernel's
// thread; everything else (a JVM uses SIGSEGV itself) goes to whatever handler was there before.

#ifndef FUSEDRNN_EMULATOR_FAULT_H_
#define FUSEDRNN_EMULATOR_FAULT_H_

#include <signal.h>

#include "host/status.h"

namespace frnn::machine::emulated {

// Installs the handler, once in a process. Later calls do nothing.
Status install_fault_handler();

// Room for the handler to run in, so that a kernel that ran out of its own stack can be reported
// too.
class HandlerStack {
 public:
  HandlerStack();
  ~HandlerStack();
  HandlerStack(const HandlerStack&) = delete;
  HandlerStack& operator=(const HandlerStack&) = delete;
  void* memory() const { return memory_; }
  static size_t bytes();

 private:
  void* memory_ = nullptr;
};

// While it lives, the calling OS thread handles signals on `stack`.
class FaultScope {
 public:
  explicit FaultScope(const HandlerStack& stack);
  ~FaultScope();
  FaultScope(const FaultScope&) = delete;
  FaultScope& operator=(const FaultScope&) = delete;

 private:
  bool changed_ = false;
  stack_t before_ = {};
};

}  // namespace frnn::machine::emulated

#endif  // FUSEDRNN_EMULATOR_FAULT_H_
