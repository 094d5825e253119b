// What the CPU backend tells of the computer that it runs on.

#ifndef FUSEDRNN_SRC_CPU_COMPUTER_H_
#define FUSEDRNN_SRC_CPU_COMPUTER_H_

#include <cstdint>
#include <string>

namespace frnn::cpu {

std::string processor_name();
int64_t second_level_cache_bytes();  // of a core; 1 MiB where it is not known
int64_t memory_bytes();              // 0 where it is not known

}  // namespace frnn::cpu

#endif  // FUSEDRNN_SRC_CPU_COMPUTER_H_
