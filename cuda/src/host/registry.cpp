#include "host/registry.h"

#include <dlfcn.h>
#include <unistd.h>

#include <map>
#include <mutex>
#include <shared_mutex>

namespace frnn {
namespace {

using Wide = long long;

// Held for the life of the process: device handles may be closed from exit handlers.
struct Registry {
  std::mutex providers_lock;
  std::map<std::string, Provider*> providers;
  std::map<std::string, std::string> options;

  std::shared_mutex devices_lock;
  std::map<int64_t, std::shared_ptr<OpenDevice>> devices;
  int64_t next_handle = 1;
};

Registry& registry() {
  static Registry* const instance = new Registry;
  return *instance;
}

std::string own_folder() {
  Dl_info info{};
  if (dladdr(reinterpret_cast<const void*>(&frnn_version), &info) == 0 ||
      info.dli_fname == nullptr) {
    return ".";
  }
  const std::string path = info.dli_fname;
  const size_t slash = path.rfind('/');
  return slash == std::string::npos ? "." : path.substr(0, slash);
}

const char* cure_of(const std::string& backend) {
  return backend == "cuda"
             ? "build fusedrnn with nvcc (CUDA 12 or 13) on the PATH, or use a release that holds "
               "the CUDA library"
             : "build fusedrnn again; its build always makes this library";
}

Status load_provider(const std::string& backend, Provider** provider) {
  if (backend == "cpu") {
    *provider = &cpu_provider();
    return Status::success();
  }
  const std::string path = own_folder() + "/libfusedrnn_" + backend + ".so";
  if (access(path.c_str(), F_OK) != 0) {
    return Status::fail(FRNN_UNAVAILABLE, format("the %s backend needs %s, which is not there: %s",
                                                 backend.c_str(), path.c_str(), cure_of(backend)));
  }
  void* const library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    return Status::fail(FRNN_UNAVAILABLE, format("the %s backend could not be loaded: %s",
                                                 backend.c_str(), dlerror()));
  }
  using Entry = Provider* (*)();
  const Entry entry = reinterpret_cast<Entry>(dlsym(library, "frnn_provider_1"));
  if (entry == nullptr) {
    return Status::fail(
        FRNN_UNAVAILABLE,
        format("%s does not belong to this version (%s) of fusedrnn: it lacks frnn_provider_1. "
               "Install both libraries from one build",
               path.c_str(), frnn_version()));
  }
  *provider = entry();
  return Status::success();
}

}  // namespace

Status find_provider(const std::string& backend, Provider** provider) {
  if (backend != "cpu" && backend != "cuda" && backend != "emulated") {
    return Status::fail(
        FRNN_INVALID_ARGUMENT,
        format("backend: expected cpu, cuda or emulated, got '%s'", backend.c_str()));
  }
  Registry& all = registry();
  const std::lock_guard<std::mutex> guard(all.providers_lock);
  const auto found = all.providers.find(backend);
  if (found != all.providers.end()) {
    *provider = found->second;
    return Status::success();
  }
  FRNN_TRY(load_provider(backend, provider));
  for (const auto& option : all.options) {
    FRNN_TRY((*provider)->set_option(option.first, option.second));
  }
  all.providers[backend] = *provider;
  return Status::success();
}

Status set_provider_option(const std::string& key, const std::string& value) {
  if (key != "cublas" && key != "cpu.isa") {
    return Status::fail(FRNN_INVALID_ARGUMENT,
                        format("option: expected cublas or cpu.isa, got '%s'", key.c_str()));
  }
  Provider* cpu = nullptr;
  FRNN_TRY(find_provider("cpu", &cpu));
  Registry& all = registry();
  const std::lock_guard<std::mutex> guard(all.providers_lock);
  for (const auto& provider : all.providers) {
    FRNN_TRY(provider.second->set_option(key, value));
  }
  all.options[key] = value;
  return Status::success();
}

Status open_device(const std::string& backend, int64_t ordinal, int64_t* handle) {
  Provider* provider = nullptr;
  FRNN_TRY(find_provider(backend, &provider));
  int64_t count = 0;
  FRNN_TRY(provider->device_count(&count));
  if (count == 0) {
    return Status::fail(FRNN_UNAVAILABLE,
                        format("%s: no NVIDIA GPU was found: the driver is missing or sees none. "
                               "Install the NVIDIA driver, so that nvidia-smi lists a GPU, or use "
                               "the backend cpu",
                               backend.c_str()));
  }
  if (ordinal < 0 || ordinal >= count) {
    return Status::fail(FRNN_UNAVAILABLE,
                        format("%s device %lld: there are %lld; count from 0", backend.c_str(),
                               static_cast<Wide>(ordinal), static_cast<Wide>(count)));
  }
  auto opened = std::make_shared<OpenDevice>();
  opened->backend = backend;
  FRNN_TRY(provider->open(ordinal, &opened->device));
  Registry& all = registry();
  const std::unique_lock<std::shared_mutex> guard(all.devices_lock);
  *handle = all.next_handle++;
  all.devices[*handle] = std::move(opened);
  return Status::success();
}

Status find_device(int64_t handle, std::shared_ptr<OpenDevice>* device) {
  Registry& all = registry();
  const std::shared_lock<std::shared_mutex> guard(all.devices_lock);
  const auto found = all.devices.find(handle);
  if (found == all.devices.end()) {
    return Status::fail(FRNN_INVALID_ARGUMENT,
                        format("device: expected a handle that frnn_device_open gave and that is "
                               "still open, got %lld",
                               static_cast<Wide>(handle)));
  }
  *device = found->second;
  return Status::success();
}

Status close_device(int64_t handle) {
  std::shared_ptr<OpenDevice> device;
  FRNN_TRY(find_device(handle, &device));
  Registry& all = registry();
  const std::unique_lock<std::shared_mutex> guard(all.devices_lock);
  all.devices.erase(handle);
  return Status::success();
}

}  // namespace frnn
