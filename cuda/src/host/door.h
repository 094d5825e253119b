// What every function of the C door is made of: it finds the device, checks the arguments, turns a
// Status into a code and a text, and lets nothing throw into the caller.

#ifndef FUSEDRNN_SRC_HOST_DOOR_H_
#define FUSEDRNN_SRC_HOST_DOOR_H_

#include <exception>
#include <new>
#include <string>

#include "fusedrnn.h"
#include "host/registry.h"
#include "host/validate.h"

namespace frnn {

// The status as a code; keeps its text for frnn_last_error.
int finish(Status status);

// The output address of a result.
Status need(const char* what, const void* address);

template <typename Body>
int guarded(const char* operation, Body body) {
  try {
    return finish(body());
  } catch (const std::bad_alloc&) {
    return finish(
        Status::fail(FRNN_OUT_OF_MEMORY, format("%s: the host is out of memory", operation)));
  } catch (const std::exception& error) {
    return finish(Status::fail(FRNN_INTERNAL, format("%s: %s", operation, error.what())));
  } catch (...) {
    return finish(Status::fail(FRNN_INTERNAL, format("%s: unknown failure", operation)));
  }
}

template <typename Body>
int on_open(const char* operation, int64_t handle, Body body) {
  return guarded(operation, [&]() -> Status {
    std::shared_ptr<OpenDevice> open;
    FRNN_TRY(find_device(handle, &open));
    return body(*open);
  });
}

template <typename Body>
int on_device(const char* operation, int64_t handle, Body body) {
  return on_open(operation, handle,
                 [&](OpenDevice& open) { return body(*open.device, open.backend); });
}

// A compute call: the struct is copied, checked, then handed on.
template <typename Struct, typename Check, typename Work>
int operate(const char* operation, const char* type, int64_t handle, const Struct* given,
            Check check, Work work) {
  return on_device(operation, handle, [&](Device& d, const std::string& backend) -> Status {
    Struct args;
    FRNN_TRY(load(type, given, &args));
    FRNN_TRY(check(args, d, backend));
    return work(d, args);
  });
}

}  // namespace frnn

#endif  // FUSEDRNN_SRC_HOST_DOOR_H_
