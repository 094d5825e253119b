#include "workers.h"

#include <signal.h>

#include <system_error>

namespace frnn::machine::emulated {

namespace {

// Signals of the process are other threads' business; those of a kernel's own faults are ours.
class SignalsBlocked {
 public:
  SignalsBlocked() {
    sigset_t all;
    sigfillset(&all);
    sigdelset(&all, SIGSEGV);
    sigdelset(&all, SIGBUS);
    pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~SignalsBlocked() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

 private:
  sigset_t before_;
};

}  // namespace

Workers::~Workers() {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    closing_ = true;
  }
  wake_.notify_all();
  for (std::thread& thread : threads_)
    thread.join();
}

void Workers::run(int count, const std::function<void(int)>& work) {
  if (static_cast<int>(threads_.size()) < count - 1) {
    const SignalsBlocked blocked;  // inherited by the new threads
    try {
      while (static_cast<int>(threads_.size()) < count - 1) {
        const int index = static_cast<int>(threads_.size()) + 1;
        threads_.emplace_back([this, index, seen = round_] { serve(index, seen); });
      }
    } catch (const std::system_error&) {
      count = static_cast<int>(threads_.size()) + 1;  // the others do it all
    }
  }
  {
    std::lock_guard<std::mutex> lock(mutex_);
    work_ = &work;
    wanted_ = running_ = count - 1;
    ++round_;
  }
  wake_.notify_all();
  work(0);
  std::unique_lock<std::mutex> lock(mutex_);
  done_.wait(lock, [this] { return running_ == 0; });
  work_ = nullptr;
}

void Workers::serve(int index, uint64_t seen) {
  std::unique_lock<std::mutex> lock(mutex_);
  for (;;) {
    wake_.wait(lock, [&] { return closing_ || round_ != seen; });
    if (closing_) return;
    seen = round_;
    if (index > wanted_) continue;
    const std::function<void(int)>* work = work_;
    lock.unlock();
    (*work)(index);
    lock.lock();
    if (--running_ == 0) done_.notify_one();
  }
}

}  // namespace frnn::machine::emulated
