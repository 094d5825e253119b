#include "host/device_catalogue.h"

namespace frnn {
namespace {

constexpr int64_t kKiB = int64_t{1} << 10;
constexpr int64_t kMiB = int64_t{1} << 20;
constexpr int64_t kGiB = int64_t{1} << 30;

struct Entry {
  const char* name;
  const char* text;
  int major, minor, multiprocessors, threads, registers;
  int64_t memory_bytes, memory_bytes_per_second, l2_bytes, shared_bytes, block_shared_bytes;
  int clock_khz, largest_cluster;
};

// Published by NVIDIA: the data sheets of each product (multiprocessors, boost clock, memory and
// its bandwidth, L2) and the CUDA programming guide's table of compute capabilities (threads,
// registers, shared memory). The last one is made up: no kernel that keeps weights on the chip fits
// it.
constexpr Entry kEntries[] = {
    {"h200", "NVIDIA H200", 9, 0, 132, 2048, 65536, 141 * kGiB, 4800000000000, 60 * kMiB,
     228 * kKiB, 227 * kKiB, 1980000, 16},
    {"a100", "NVIDIA A100", 8, 0, 108, 2048, 65536, 80 * kGiB, 2039000000000, 40 * kMiB, 164 * kKiB,
     163 * kKiB, 1410000, 1},
    {"l4", "NVIDIA L4", 8, 9, 58, 1536, 65536, 24 * kGiB, 300000000000, 48 * kMiB, 100 * kKiB,
     99 * kKiB, 2040000, 1},
    {"rtx4090", "NVIDIA GeForce RTX 4090", 8, 9, 128, 1536, 65536, 24 * kGiB, 1008000000000,
     72 * kMiB, 100 * kKiB, 99 * kKiB, 2520000, 1},
    {"tiny", "made-up tiny device", 8, 0, 2, 1024, 32768, 1 * kGiB, 50000000000, 1 * kMiB,
     48 * kKiB, 47 * kKiB, 500000, 1},
};

machine::Properties properties_of(const Entry& e) {
  machine::Properties p;
  p.name = e.text;
  p.major = e.major, p.minor = e.minor;
  p.multiprocessors = e.multiprocessors;
  p.threads_per_multiprocessor = e.threads;
  p.registers_per_multiprocessor = e.registers;
  p.memory_bytes = e.memory_bytes, p.l2_bytes = e.l2_bytes;
  p.memory_bytes_per_second = e.memory_bytes_per_second;
  p.shared_bytes_per_multiprocessor = e.shared_bytes;
  p.shared_bytes_per_block = e.block_shared_bytes;
  p.clock_khz = e.clock_khz;
  p.cooperative = true;
  p.clusters = e.largest_cluster > 1;
  p.largest_cluster = e.largest_cluster;
  return p;
}

}  // namespace

std::vector<std::string> catalogue_names() {
  std::vector<std::string> names;
  for (const Entry& e : kEntries)
    names.emplace_back(e.name);
  return names;
}

Status catalogue_device(const std::string& name, machine::Properties* properties) {
  std::string known;
  for (const Entry& e : kEntries) {
    if (name == e.name) {
      *properties = properties_of(e);
      return Status::success();
    }
    known += (known.empty() ? "" : ", ") + std::string(e.name);
  }
  return Status::fail(FRNN_INVALID_ARGUMENT,
                      format("device: expected one of %s, got '%s'", known.c_str(), name.c_str()));
}

}  // namespace frnn
