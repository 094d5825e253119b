// The kernels of unfused.cu as a module of the emulated machine, for the benchmark's own tests.

#include "standins/module.h"
//
#include "unfused.cu"

FRNN_MODULE(FRNN_MODULE_KERNEL(unfused_add_bias), FRNN_MODULE_KERNEL(unfused_copy),
            FRNN_MODULE_KERNEL(unfused_apply_sigmoid), FRNN_MODULE_KERNEL(unfused_apply_tanh),
            FRNN_MODULE_KERNEL(unfused_add), FRNN_MODULE_KERNEL(unfused_subtract),
            FRNN_MODULE_KERNEL(unfused_multiply), FRNN_MODULE_KERNEL(unfused_sigmoid_gradient),
            FRNN_MODULE_KERNEL(unfused_tanh_gradient));
