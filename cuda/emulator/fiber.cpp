#include "fiber.h"

#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>

#ifdef FRNN_EMULATOR_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

#ifndef FRNN_EMULATOR_USES_UCONTEXT
// frnn_fiber_switch(void** save, void* load): keeps what the System V ABI calls preserved, which is
// all that a call may rely on; the control words of the FPU are the same in all fibers.
extern "C" void frnn_fiber_switch(void** save, void* load);
extern "C" void frnn_fiber_start();
asm(R"(
.text
.p2align 4
.hidden frnn_fiber_switch
.globl frnn_fiber_switch
.type frnn_fiber_switch, @function
frnn_fiber_switch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  popq %rcx
  jmpq *%rcx
.size frnn_fiber_switch, .-frnn_fiber_switch
.p2align 4
.hidden frnn_fiber_start
.globl frnn_fiber_start
.type frnn_fiber_start, @function
frnn_fiber_start:
  movq %r13, %rdi
  xorl %ebp, %ebp
  callq *%r12
  ud2
.size frnn_fiber_start, .-frnn_fiber_start
)");
#endif

namespace frnn::machine::emulated {

namespace {

// Deep enough for a kernel's frames and a signal handler above them. Only touched pages cost
// memory.
#ifdef FRNN_EMULATOR_ASAN
constexpr size_t kStackBytes = 256 * 1024;
#else
constexpr size_t kStackBytes = 64 * 1024;
#endif
constexpr int kStacksPerSlab = 64;
constexpr size_t kGuardBytes = 65536;
constexpr uint64_t kCanary = 0x66757365645f726eu;

#ifdef FRNN_EMULATOR_USES_UCONTEXT
void enter(unsigned entry_low, unsigned entry_high, unsigned low, unsigned high) {
  const auto join = [](unsigned a, unsigned b) {
    return static_cast<uintptr_t>(a) | static_cast<uintptr_t>(static_cast<uint64_t>(b) << 32);
  };
  reinterpret_cast<void (*)(void*)>(join(entry_low, entry_high))(
      reinterpret_cast<void*>(join(low, high)));
}
#endif

}  // namespace

void prepare(Place* place, void* stack_low, size_t stack_bytes, void (*entry)(void*),
             void* argument) {
  place->stack_low = stack_low;
  place->stack_bytes = stack_bytes;
  place->fake_stack = nullptr;
#ifdef FRNN_EMULATOR_USES_UCONTEXT
  getcontext(&place->context);
  place->context.uc_stack.ss_sp = stack_low;
  place->context.uc_stack.ss_size = stack_bytes;
  place->context.uc_link = nullptr;
  const uint64_t code = reinterpret_cast<uintptr_t>(entry);
  const uint64_t data = reinterpret_cast<uintptr_t>(argument);
  makecontext(&place->context, reinterpret_cast<void (*)()>(enter), 4, static_cast<unsigned>(code),
              static_cast<unsigned>(code >> 32), static_cast<unsigned>(data),
              static_cast<unsigned>(data >> 32));
#else
  // What frnn_fiber_switch pops: r15 r14 r13 r12 rbx rbp, then where to go. After that the stack
  // pointer is a multiple of 16, as a call needs it.
  uintptr_t top = (reinterpret_cast<uintptr_t>(stack_low) + stack_bytes) & ~uintptr_t{15};
  void** frame = reinterpret_cast<void**>(top - 16) - 7;
  std::memset(frame, 0, 7 * sizeof(void*));
  frame[2] = argument;                        // r13
  frame[3] = reinterpret_cast<void*>(entry);  // r12
  frame[6] = reinterpret_cast<void*>(&frnn_fiber_start);
  place->stack_pointer = frame;
#endif
}

void switch_place(Place* from, Place* to) {
#ifdef FRNN_EMULATOR_ASAN
  __sanitizer_start_switch_fiber(&from->fake_stack, to->stack_low, to->stack_bytes);
#endif
#ifdef FRNN_EMULATOR_USES_UCONTEXT
  swapcontext(&from->context, &to->context);
#else
  frnn_fiber_switch(&from->stack_pointer, to->stack_pointer);
#endif
#ifdef FRNN_EMULATOR_ASAN
  __sanitizer_finish_switch_fiber(from->fake_stack, nullptr, nullptr);
#endif
}

void abandon_for(Place* to) {
#ifdef FRNN_EMULATOR_ASAN
  __sanitizer_start_switch_fiber(nullptr, to->stack_low, to->stack_bytes);
#endif
#ifdef FRNN_EMULATOR_USES_UCONTEXT
  setcontext(&to->context);
#else
  void* nowhere = nullptr;
  frnn_fiber_switch(&nowhere, to->stack_pointer);
#endif
  std::abort();  // not reached
}

void entered() {
#ifdef FRNN_EMULATOR_ASAN
  __sanitizer_finish_switch_fiber(nullptr, nullptr, nullptr);
#endif
}

void describe_own_stack([[maybe_unused]] Place* place) {
#ifdef FRNN_EMULATOR_ASAN
  pthread_attr_t attributes;
  if (pthread_getattr_np(pthread_self(), &attributes) != 0) return;
  void* low = nullptr;
  pthread_attr_getstack(&attributes, &low, &place->stack_bytes);
  place->stack_low = low;
  pthread_attr_destroy(&attributes);
#endif
}

void forget_frames([[maybe_unused]] void* low, [[maybe_unused]] size_t bytes) {
#ifdef FRNN_EMULATOR_ASAN
  __asan_unpoison_memory_region(low, bytes);
#endif
}

StackPool::~StackPool() {
  for (unsigned char* slab : slabs_) {
    // Whoever gets these addresses next must not inherit what the sanitizer knows of dead frames.
    forget_frames(slab + kGuardBytes, kStacksPerSlab * kStackBytes);
    munmap(slab, kGuardBytes + kStacksPerSlab * kStackBytes);
  }
}

StackPool::Stack StackPool::take() {
  if (slabs_.empty() || used_in_slab_ == kStacksPerSlab) {
    void* memory = mmap(nullptr, kGuardBytes + kStacksPerSlab * kStackBytes, PROT_NONE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
    if (memory == MAP_FAILED) return {nullptr, 0};
    unsigned char* slab = static_cast<unsigned char*>(memory);
    if (mprotect(slab + kGuardBytes, kStacksPerSlab * kStackBytes, PROT_READ | PROT_WRITE) != 0) {
      munmap(memory, kGuardBytes + kStacksPerSlab * kStackBytes);
      return {nullptr, 0};
    }
    slabs_.push_back(slab);
    used_in_slab_ = 0;
  }
  unsigned char* low = slabs_.back() + kGuardBytes + used_in_slab_ * kStackBytes;
  // Tops at the same place in every stack would all fall into one set of the first-level cache.
  const size_t colour = static_cast<size_t>(used_in_slab_ * 5 % 16) * 256;
  ++used_in_slab_;
  return {low, kStackBytes - colour};
}

void StackPool::arm(const Stack& stack) {
  std::memcpy(stack.low, &kCanary, sizeof(kCanary));
}

bool StackPool::overflowed(const Stack& stack) {
  return std::memcmp(stack.low, &kCanary, sizeof(kCanary)) != 0;
}

bool StackPool::below(const Stack& stack, const void* address) {
  const unsigned char* a = static_cast<const unsigned char*>(address);
  return a < stack.low && a >= stack.low - kGuardBytes;
}

}  // namespace frnn::machine::emulated
