// The kernels of standin_kernels.cu as a module of the emulated machine.

#include "standins/module.h"
//
#include "standin_kernels.cu"

FRNN_MODULE(FRNN_MODULE_KERNEL(axpy), FRNN_MODULE_KERNEL(beyond));
