// Devices that plans can be asked for without having one: names and the properties that the CUDA
// runtime would report. A device that is there is planned for by what it reports itself.

#ifndef FUSEDRNN_SRC_HOST_DEVICE_CATALOGUE_H_
#define FUSEDRNN_SRC_HOST_DEVICE_CATALOGUE_H_

#include <string>
#include <vector>

#include "host/status.h"
#include "machine/properties.h"

namespace frnn {

std::vector<std::string> catalogue_names();
// FRNN_INVALID_ARGUMENT with the names that there are, where this is none of them.
Status catalogue_device(const std::string& name, machine::Properties* properties);

}  // namespace frnn

#endif  // FUSEDRNN_SRC_HOST_DEVICE_CATALOGUE_H_
