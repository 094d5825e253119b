// The calling thread's device, as Context::activate set it, for the emulator's own libraries.

#ifndef FUSEDRNN_EMULATOR_CURRENT_H_
#define FUSEDRNN_EMULATOR_CURRENT_H_

#include "machine/host.h"

namespace frnn::machine::emulated {

Context* current_context();  // nullptr where the thread has activated none

}  // namespace frnn::machine::emulated

#endif  // FUSEDRNN_EMULATOR_CURRENT_H_
