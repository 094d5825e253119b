// The thread pool: every member runs once, barriers hold, many callers at once, growing teams,
// waking after sleep, a member without a processor, a forked child, and no thread left when the
// last user is gone.

#include "cpu/pool.h"

#include <dirent.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>

#include "testing.h"

using frnn::cpu::Pool;
using frnn::cpu::Worker;

namespace {

int threads_of_process() {
  int count = 0;
  if (DIR* dir = opendir("/proc/self/task")) {
    while (const dirent* entry = readdir(dir))
      count += entry->d_name[0] != '.';
    closedir(dir);
  }
  return count;
}

// Each round, every member writes its slot and reads its neighbour's of the round before.
void rounds(Pool& pool, int count, int rounds) {
  std::vector<int> slots(static_cast<size_t>(count), 0);
  std::atomic<int> ran{0}, wrong{0};
  pool.run(count, [&](const Worker& worker) {
    ran.fetch_add(1);
    for (int r = 1; r <= rounds; ++r) {
      slots[worker.index] = r;
      worker.sync();
      if (slots[(worker.index + 1) % worker.count] != r) wrong.fetch_add(1);
      worker.sync();
    }
  });
  FRNN_CHECK(ran.load() >= 1 && ran.load() <= count);
  FRNN_CHECK(wrong.load() == 0);
}

void many_callers(Pool& pool) {
  std::vector<std::thread> callers;
  std::atomic<int64_t> total{0};
  for (int c = 0; c < 4; ++c) {
    callers.emplace_back([&] {
      for (int i = 0; i < 200; ++i) {
        pool.run(3, [&](const Worker& worker) {
          worker.own[0] = 1.0f;  // memory that no other team may have
          worker.sync();
          if (worker.index == 0) total.fetch_add(static_cast<int64_t>(worker.own[0]));
        });
      }
    });
  }
  for (std::thread& caller : callers)
    caller.join();
  FRNN_CHECK(total.load() == 4 * 200);
}

// Member 1 of two keeps the other waiting for some milliseconds.
template <typename Work>
void late(Pool& pool, const Work& work) {
  pool.run(2, [&](const Worker& worker) {
    if (worker.index == 1) work();
    worker.sync();
  });
}

// A team measures what a meeting takes, and so often that a change is seen.
void meeting(Pool& pool) {
  std::this_thread::sleep_for(std::chrono::milliseconds(600));
  FRNN_CHECK(Pool::meeting_is_old());
  rounds(pool, 2, 1);
  FRNN_CHECK(!Pool::meeting_is_old());
  FRNN_CHECK(Pool::meeting() > 0);
}

// A member that does not run while others wait for it, as one without a processor, is noticed, and
// forgotten; one that only has more to do is not.
void crowd(Pool& pool) {
  using Clock = std::chrono::steady_clock;
  const auto ms = [](int n) { return std::chrono::milliseconds(n); };
  late(pool, [&] { std::this_thread::sleep_for(ms(5)); });
  FRNN_CHECK(Pool::crowded());
  std::this_thread::sleep_for(ms(60));
  FRNN_CHECK(!Pool::crowded());
  bool noticed = true;  // another program may truly take its processor, but not each time
  for (int attempt = 0; attempt < 20 && noticed; ++attempt) {
    late(pool, [&] {
      const Clock::time_point end = Clock::now() + ms(3);
      while (Clock::now() < end)
        continue;
    });
    noticed = Pool::crowded();
    if (noticed) std::this_thread::sleep_for(ms(60));
  }
  FRNN_CHECK(!noticed);
}

void forked_child(Pool& pool) {
  const pid_t child = fork();
  if (child == 0) {
    rounds(pool, 3, 10);
    _exit(frnn::testing::failures() == 0 ? 0 : 1);
  }
  int status = -1;
  waitpid(child, &status, 0);
  FRNN_CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

}  // namespace

int main() {
  const int before = threads_of_process();
  {
    const std::shared_ptr<Pool> pool = Pool::shared();
    FRNN_CHECK(pool == Pool::shared());
    for (int count : {1, 2, 3, 2, 5})
      rounds(*pool, count, 100);
    std::this_thread::sleep_for(std::chrono::milliseconds(20));  // members fall asleep
    for (int i = 0; i < 50; ++i) {
      rounds(*pool, 3, 2);
      if (i % 10 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
    many_callers(*pool);
    meeting(*pool);
    crowd(*pool);
    forked_child(*pool);
    rounds(*pool, 3, 5);
    FRNN_CHECK(threads_of_process() == before + 4);
  }
  for (int i = 0; i < 100 && threads_of_process() != before; ++i)
    usleep(1000);
  FRNN_CHECK(threads_of_process() == before);
  FRNN_CHECK(frnn::cpu::usable_processors() >= 1);
  return frnn::testing::report();
}
