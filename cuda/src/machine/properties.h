// What a GPU is, as far as plans depend on it. Plain numbers, so that what chooses a kernel needs
// no device and no CUDA header.

#ifndef FUSEDRNN_SRC_MACHINE_PROPERTIES_H_
#define FUSEDRNN_SRC_MACHINE_PROPERTIES_H_

#include <cstdint>
#include <string>

namespace frnn::machine {

struct Properties {
  std::string name;
  int ordinal = 0;
  int major = 0;  // compute capability
  int minor = 0;
  int multiprocessors = 0;
  int threads_per_multiprocessor = 0;
  int registers_per_multiprocessor = 0;
  int64_t memory_bytes = 0;
  int64_t memory_bytes_per_second = 0;  // as its clock and width have it; 0: not known
  int64_t l2_bytes = 0;
  int64_t shared_bytes_per_multiprocessor = 0;
  int64_t shared_bytes_per_block = 0;  // the most that a launch may ask for
  int clock_khz = 0;
  int driver_version = 0;  // CUDA's form, 13000 for 13.0; 0 where emulated
  int runtime_version = 0;
  // The most blocks of a cluster, where a launch asks for the size by its attribute; 1: no
  // clusters. What a launch may truly have depends on its shape: ask resident_clusters.
  int largest_cluster = 1;
  bool cooperative = false;
  bool clusters = false;
  bool emulated = false;
};

}  // namespace frnn::machine

#endif  // FUSEDRNN_SRC_MACHINE_PROPERTIES_H_
