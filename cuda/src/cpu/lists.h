// Clipping and optimisers over lists of tensors, shared out over a team. Arguments were checked by
// the door.

#ifndef FUSEDRNN_SRC_CPU_LISTS_H_
#define FUSEDRNN_SRC_CPU_LISTS_H_

#include "cpu/ops.h"

namespace frnn::cpu {

void write_word(const Machine& machine, const WordWrite& write);
void clip_by_global_norm(const Machine& machine, const frnn_clip& clip);
void optimizer_step(const Machine& machine, const frnn_optimizer& optimizer);

}  // namespace frnn::cpu

#endif  // FUSEDRNN_SRC_CPU_LISTS_H_
