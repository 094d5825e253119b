// Goal: the emulator's signal handler takes what a kernel did wrong and nothing else.
// Method: a handler of our own is installed first, as a JVM's would be; faults outside kernels must
// reach it, before, between and while kernels fault, on this OS thread and on others.

#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>

#include <atomic>
#include <thread>

#include "emulated_device.h"

namespace m = frnn::machine;
using frnn::Status;
using frnn::testing::EmulatedDevice;

namespace {

std::atomic<int> handled{0};
thread_local sigjmp_buf back;
char* forbidden = nullptr;  // a page that may not be read

void own_handler(int, siginfo_t* info, void*) {
  if (info->si_addr == forbidden) {
    handled.fetch_add(1);
    siglongjmp(back, 1);
  }
  signal(SIGSEGV, SIG_DFL);  // not ours: let the process end
}

void fault_outside_kernels() {
  if (sigsetjmp(back, 1) == 0) {
    *static_cast<volatile char*>(forbidden) = 1;
    FRNN_CHECK(false);
  }
}

struct Args {
  float* data = nullptr;
};

FRNN_KERNEL void write_far(Args a) {
  a.data[int64_t{m::block_index()} * m::thread_count() + m::thread_index()] = 1.0f;
}

void fault_in_a_kernel(int64_t workers) {
  EmulatedDevice device(1, workers);
  float* data = device.alloc<float>(1024);
  FRNN_CHECK_REPORT(device.run("write_far", write_far, {4000, 256}, {data}),
                    "kernel `write_far`, block ", "illegal write", "past the end");
}

void test_each_fault_finds_its_handler() {
  int expected = 0;
  fault_outside_kernels();
  FRNN_CHECK(handled == ++expected);
  for (int64_t workers : {1, 2, 4}) {
    fault_in_a_kernel(workers);
    FRNN_CHECK(handled == expected);
    fault_outside_kernels();
    FRNN_CHECK(handled == ++expected);
  }
}

void test_many_threads() {
  constexpr int kRounds = 40;
  const int before = handled;
  std::thread other([] {
    for (int i = 0; i < kRounds; ++i)
      fault_outside_kernels();
  });
  std::thread third([] {
    for (int i = 0; i < kRounds / 4; ++i)
      fault_in_a_kernel(2);
  });
  for (int i = 0; i < kRounds / 4; ++i) {
    fault_in_a_kernel(1);
    fault_outside_kernels();
  }
  other.join();
  third.join();
  FRNN_CHECK(handled == before + kRounds + kRounds / 4);
}

}  // namespace

int main() {
  void* page = mmap(nullptr, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  FRNN_CHECK(page != MAP_FAILED);
  forbidden = static_cast<char*>(page);
  struct sigaction action = {};
  action.sa_sigaction = own_handler;
  action.sa_flags = SA_SIGINFO;
  sigemptyset(&action.sa_mask);
  FRNN_CHECK(sigaction(SIGSEGV, &action, nullptr) == 0);
  {
    EmulatedDevice device;  // installs the emulator's handler over it
  }
  test_each_fault_finds_its_handler();
  test_many_threads();
  return frnn::testing::report();
}
