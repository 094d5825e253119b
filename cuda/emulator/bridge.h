// What the stand-ins of CUDA's libraries (standins/) ask of the emulated machine, so that a program
// which owns its memory, streams and handles through them shares them with this library. A stand-in
// is a library of its own: it reaches the machine through this table and Context's virtual
// functions alone.

#ifndef FUSEDRNN_EMULATOR_BRIDGE_H_
#define FUSEDRNN_EMULATOR_BRIDGE_H_

#include <memory>

#include "fusedrnn.h"
#include "host/blas.h"
#include "machine/host.h"

namespace frnn::machine::emulated {

struct Self;

class Bridge {
 public:
  virtual ~Bridge() = default;

  // A context with a machine of its own, or the primary one: devices that are opened while it lives
  // share its machine.
  virtual Status open(bool primary, std::unique_ptr<Context>* context) = 0;
  // The calling thread's machine; null where it has none.
  virtual std::shared_ptr<Machine> current() = 0;
  virtual void set_current(const std::shared_ptr<Machine>& machine) = 0;

  virtual Status range(Machine& machine, int64_t address, int64_t* base, int64_t* bytes) = 0;
  virtual bool has_stream(Machine& machine, Stream stream) = 0;

  virtual const Blas& blas() = 0;
  virtual const Self& running_thread() = 0;  // inside a kernel
};

}  // namespace frnn::machine::emulated

extern "C" FRNN_API frnn::machine::emulated::Bridge* frnn_emulated_bridge_1();

#endif  // FUSEDRNN_EMULATOR_BRIDGE_H_
