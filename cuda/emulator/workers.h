// OS threads that share the blocks of a large launch with the thread that waits for it.

#ifndef FUSEDRNN_EMULATOR_WORKERS_H_
#define FUSEDRNN_EMULATOR_WORKERS_H_

#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace frnn::machine::emulated {

class Workers {
 public:
  Workers() = default;
  ~Workers();
  Workers(const Workers&) = delete;
  Workers& operator=(const Workers&) = delete;

  // Calls work(0) here and work(1) to work(count - 1) on other OS threads; returns when all have.
  // Where the system gives no more threads, fewer calls are made. One caller at a time.
  void run(int count, const std::function<void(int)>& work);

 private:
  void serve(int index, uint64_t seen);

  std::mutex mutex_;
  std::condition_variable wake_;
  std::condition_variable done_;
  std::vector<std::thread> threads_;
  const std::function<void(int)>* work_ = nullptr;
  uint64_t round_ = 0;
  int wanted_ = 0;  // threads that take part in this round
  int running_ = 0;
  bool closing_ = false;
};

}  // namespace frnn::machine::emulated

#endif  // FUSEDRNN_EMULATOR_WORKERS_H_
