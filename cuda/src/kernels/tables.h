// Clipping and optimisers over the chunk table of host/table.h, and single words.

#ifndef FUSEDRNN_SRC_KERNELS_TABLES_H_
#define FUSEDRNN_SRC_KERNELS_TABLES_H_

#include "host/table.h"
#include "kernels/launch.h"

namespace frnn {

Status clip_by_global_norm(const Queue& queue, const frnn_clip& clip);
Status optimizer_step(const Queue& queue, const frnn_optimizer& optimizer);
Status write_word(const Queue& queue, int64_t address, int64_t word);

}  // namespace frnn

#endif  // FUSEDRNN_SRC_KERNELS_TABLES_H_
