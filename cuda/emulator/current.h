// Which machines there are beside those of single devices: the calling thread's, as
// Context::activate set it, and the one that a primary context shares with every device opened
// while it lives.

#ifndef FUSEDRNN_EMULATOR_CURRENT_H_
#define FUSEDRNN_EMULATOR_CURRENT_H_

#include <memory>

#include "machine.h"

namespace frnn::machine::emulated {

std::shared_ptr<Machine> current_machine();  // null where the thread has none, or it has gone
void set_current_machine(const std::shared_ptr<Machine>& machine);

std::shared_ptr<Machine> primary_machine();  // a new one where none is alive
std::shared_ptr<Machine> machine_of_its_own();

}  // namespace frnn::machine::emulated

#endif  // FUSEDRNN_EMULATOR_CURRENT_H_
