// A fiber is a stack and a place in the code: the emulator runs each thread of a kernel on one.
//
// On x86-64 a switch is a dozen instructions written by hand; elsewhere it is ucontext's. Fibers
// never move between OS threads. Under AddressSanitizer every switch is announced to it.

#ifndef FUSEDRNN_EMULATOR_FIBER_H_
#define FUSEDRNN_EMULATOR_FIBER_H_

#include <cstddef>
#include <memory>
#include <vector>

#if !defined(__x86_64__) || defined(FRNN_EMULATOR_UCONTEXT)
#define FRNN_EMULATOR_USES_UCONTEXT 1
#include <ucontext.h>
#endif

#if defined(__SANITIZE_ADDRESS__)
#define FRNN_EMULATOR_ASAN 1
#endif

namespace frnn::machine::emulated {

// A place to switch to. Empty until prepared, or until it was switched away from.
struct Place {
#ifdef FRNN_EMULATOR_USES_UCONTEXT
  ucontext_t context;
#else
  void* stack_pointer = nullptr;
#endif
  const void* stack_low = nullptr;  // for the sanitizer
  size_t stack_bytes = 0;
  void* fake_stack = nullptr;
};

// Makes `place` begin with entry(argument) on the given stack. `entry` must never return.
void prepare(Place* place, void* stack_low, size_t stack_bytes, void (*entry)(void*),
             void* argument);
// Leaves the running code at `from` and goes on at `to`.
void switch_place(Place* from, Place* to);
// Goes on at `to`; what runs now is never come back to. May be called from a signal handler.
[[noreturn]] void abandon_for(Place* to);
// The first lines of a fiber's entry.
void entered();
// Fills in what the sanitizer must know of the calling OS thread's own stack.
void describe_own_stack(Place* place);

// The frames in this memory are dead: tells the sanitizer.
void forget_frames(void* low, size_t bytes);

// Stacks cut from slabs, never given back before the pool dies. A slab begins with a guard page; an
// overflow into a neighbour is found by its canary.
class StackPool {
 public:
  struct Stack {
    unsigned char* low;
    size_t bytes;
  };

  ~StackPool();
  Stack take();                         // low == nullptr where the machine has no more memory
  static void arm(const Stack& stack);  // writes the canary
  static bool overflowed(const Stack& stack);                  // the canary is gone
  static bool below(const Stack& stack, const void* address);  // it is just under the stack

 private:
  std::vector<unsigned char*> slabs_;
  int used_in_slab_ = 0;
};

}  // namespace frnn::machine::emulated

#endif  // FUSEDRNN_EMULATOR_FIBER_H_
