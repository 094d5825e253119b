// libcuda.so.1: what it lacks. The arguments are not looked at, so one signature serves for all.

#include "driver.h"

#define FRNN_LACKING(name)                                                              \
  FRNN_STANDIN int name() {                                                             \
    return frnn::standins::lacks("libcuda.so.1", #name, frnn::standins::kNotSupported); \
  }
#include "driver_lacking.def"
