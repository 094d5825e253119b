// Which of the compiled instruction sets runs on this processor.

#ifndef FUSEDRNN_SRC_CPU_ISA_H_
#define FUSEDRNN_SRC_CPU_ISA_H_

#include <string>
#include <vector>

#include "cpu/kernels.h"
#include "host/status.h"

namespace frnn::cpu {

// The instruction sets that were compiled and that this processor has, best first.
std::vector<const Kernels*> usable_kernels();

// The instruction set that devices opened from now on use: a name, or "" for the best. An unknown
// name, and one that this processor lacks, is refused.
Status select_isa(const std::string& name);
const Kernels& selected_kernels();

}  // namespace frnn::cpu

#endif  // FUSEDRNN_SRC_CPU_ISA_H_
