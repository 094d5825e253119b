// Open devices by handle, and providers by name.

#ifndef FUSEDRNN_SRC_HOST_REGISTRY_H_
#define FUSEDRNN_SRC_HOST_REGISTRY_H_

#include <memory>
#include <string>

#include "host/provider.h"
#include "host/side_streams.h"
#include "host/status.h"

namespace frnn {

struct OpenDevice {
  ~OpenDevice() { side_streams.close(); }

  std::string backend;
  std::unique_ptr<Device> device;
  SideStreams side_streams;
};

// Loads the provider's library when it is first asked for. The text of a failure lists what was
// tried and names the cure.
Status find_provider(const std::string& backend, Provider** provider);
Status set_provider_option(const std::string& key, const std::string& value);

Status open_device(const std::string& backend, int64_t ordinal, int64_t* handle);
Status close_device(int64_t handle);
// The device stays alive for as long as the pointer does, even if another thread closes the handle.
Status find_device(int64_t handle, std::shared_ptr<OpenDevice>* device);

}  // namespace frnn

#endif  // FUSEDRNN_SRC_HOST_REGISTRY_H_
