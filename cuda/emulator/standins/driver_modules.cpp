// libcuda.so.1: modules and launches. A module is a shared library (module.h says how it is made),
// given as a file or as the bytes of one.

#include <dlfcn.h>
#include <elf.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstring>
#include <vector>

#include "driver.h"
#include "module.h"

using namespace frnn::standins;
using frnn::Status;
using frnn::machine::Grid;
using frnn::machine::Stream;

namespace {

// Its address is the CUmodule; a kernel's is the CUfunction. Loaded code stays: work that uses it
// may still stand in a stream.
struct LoadedModule {
  Module kernels;
};

constexpr const char* kWhatToLoad =
    "expected a shared library of the kernels, compiled for the emulated machine as "
    "cuda/emulator/standins/module.h says; PTX and machine code of a GPU cannot run here";

int load(const char* call, void** module, const char* path) {
  void* const library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) return fail(call, kInvalidImage, dlerror());
  const auto entry = reinterpret_cast<ModuleEntry>(dlsym(library, "frnn_module_1"));
  if (entry == nullptr) return fail(call, kInvalidImage, kWhatToLoad);
  *module = new LoadedModule{entry(&bridge())};
  return kSuccess;
}

// An ELF file ends with its section headers.
size_t elf_bytes(const void* image) {
  Elf64_Ehdr header;
  std::memcpy(&header, image, SELFMAG);
  if (std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0) return 0;
  std::memcpy(&header, image, sizeof(header));
  if (header.e_machine != EM_X86_64 && header.e_machine != EM_AARCH64) return 0;
  return header.e_shoff + size_t{header.e_shnum} * header.e_shentsize;
}

int load_image(const char* call, void** module, const void* image) {
  const size_t bytes = elf_bytes(image);
  if (bytes == 0) return fail(call, kInvalidImage, kWhatToLoad);
  const int file = memfd_create("module", 0);
  if (file < 0 || write(file, image, bytes) != static_cast<ssize_t>(bytes)) {
    if (file >= 0) close(file);
    return fail(call, kUnknown, "no memory for the image");
  }
  const std::string path = "/proc/self/fd/" + std::to_string(file);
  const int result = load(call, module, path.c_str());
  close(file);
  return result;
}

bool flat(unsigned y, unsigned z) {
  return y == 1 && z == 1;
}

}  // namespace

FRNN_STANDIN int cuModuleLoad(void** module, const char* path) {
  return load("cuModuleLoad", module, path);
}

FRNN_STANDIN int cuModuleLoadData(void** module, const void* image) {
  return load_image("cuModuleLoadData", module, image);
}

FRNN_STANDIN int cuModuleLoadDataEx(void** module, const void* image, unsigned, int*, void**) {
  return load_image("cuModuleLoadDataEx", module, image);
}

FRNN_STANDIN int cuModuleLoadFatBinary(void** module, const void* image) {
  return load_image("cuModuleLoadFatBinary", module, image);
}

FRNN_STANDIN int cuModuleUnload(void* module) {
  delete static_cast<LoadedModule*>(module);
  return kSuccess;
}

FRNN_STANDIN int cuModuleGetFunction(void** function, void* module, const char* name) {
  const Module& all = static_cast<LoadedModule*>(module)->kernels;
  for (int k = 0; k < all.count; ++k) {
    if (std::strcmp(all.kernels[k].name, name) != 0) continue;
    *function = const_cast<ModuleKernel*>(&all.kernels[k]);
    return kSuccess;
  }
  return fail("cuModuleGetFunction", kNotFound, std::string("no kernel ") + name);
}

FRNN_STANDIN int cuLaunchKernel(void* function, unsigned grid_x, unsigned grid_y, unsigned grid_z,
                                unsigned block_x, unsigned block_y, unsigned block_z,
                                unsigned shared_bytes, void* stream, void** parameters,
                                void** extra) {
  if (!flat(grid_y, grid_z) || !flat(block_y, block_z) || shared_bytes != 0 || extra != nullptr) {
    return fail("cuLaunchKernel", kNotSupported,
                "the stand-in launches one-dimensional grids without shared memory, with their "
                "parameters as an array");
  }
  const auto& k = *static_cast<const ModuleKernel*>(function);
  std::vector<char> packed(static_cast<size_t>(k.bytes));
  for (int i = 0; i < k.parameters; ++i) {
    std::memcpy(packed.data() + k.offsets[i], parameters[i], static_cast<size_t>(k.sizes[i]));
  }
  Grid grid;
  grid.blocks = grid_x;
  grid.threads = static_cast<int>(block_x);
  return in_stream("cuLaunchKernel", stream, [&](Context& c, Stream s) {
    return c.launch_bytes(k.name, k.kernel, k.invoke, grid, s, packed.data(), k.bytes);
  });
}
