// libcublas.so.12: what it lacks. The arguments are not looked at, so one signature serves for all.

#include "standin.h"

namespace {
constexpr int kNotSupported = 15;  // CUBLAS_STATUS_NOT_SUPPORTED
}

#define FRNN_LACKING(name)                                                 \
  FRNN_STANDIN int name() {                                                \
    return frnn::standins::lacks("libcublas.so.12", #name, kNotSupported); \
  }
#include "blas_lacking.def"
