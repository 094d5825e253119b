// Makes the device form of frnn_tensors (see table.h) in host memory.

#ifndef FUSEDRNN_SRC_HOST_TABLE_IMAGE_H_
#define FUSEDRNN_SRC_HOST_TABLE_IMAGE_H_

#include <vector>

#include "fusedrnn.h"
#include "host/status.h"

namespace frnn {

frnn_table_sizes table_sizes(const frnn_tensors& tensors);
Status table_image(const frnn_tensors& tensors, std::vector<char>* image);

}  // namespace frnn

#endif  // FUSEDRNN_SRC_HOST_TABLE_IMAGE_H_
