#include "cpu/computer.h"

#include <cstdio>
#include <cstring>

#if defined(__linux__)
#include <unistd.h>
#endif

namespace frnn::cpu {

std::string processor_name() {
  std::string name;
  if (std::FILE* f = std::fopen("/proc/cpuinfo", "r")) {
    char line[512];
    while (name.empty() && std::fgets(line, sizeof line, f) != nullptr) {
      const char* colon = std::strchr(line, ':');
      if (std::strncmp(line, "model name", 10) == 0 && colon != nullptr) name = colon + 2;
    }
    std::fclose(f);
  }
  while (!name.empty() && (name.back() == '\n' || name.back() == ' '))
    name.pop_back();
  return name.empty() ? "unknown processor" : name;
}

int64_t second_level_cache_bytes() {
  static const int64_t known = [] {
#if defined(_SC_LEVEL2_CACHE_SIZE)
    const int64_t bytes = sysconf(_SC_LEVEL2_CACHE_SIZE);
    if (bytes > 0) return bytes;
#endif
    return int64_t{1} << 20;
  }();
  return known;
}

int64_t memory_bytes() {
#if defined(__linux__)
  return static_cast<int64_t>(sysconf(_SC_PHYS_PAGES)) * sysconf(_SC_PAGE_SIZE);
#else
  return 0;
#endif
}

}  // namespace frnn::cpu
