// libcuda.so.1: streams and events.

#include "driver.h"

using namespace frnn::standins;
using frnn::Status;
using frnn::machine::Event;
using frnn::machine::Stream;

namespace {

Event event_of(void* event) {
  return reinterpret_cast<Event>(event);
}

// An event's context is not remembered: it is the current one's, as it is in one with one context.
template <class Work>
int with_event(const char* call, void* event, Work work) {
  return in_context(call, [&](Context& c) { return work(c, event_of(event)); });
}

int is_done(const char* call, Context& c, Event event) {
  bool done = false;
  const int result = answer(call, c.event_done(event, &done));
  return result == kSuccess && !done ? kNotReady : result;
}

}  // namespace

FRNN_STANDIN int cuStreamCreate(void** stream, unsigned) {
  return in_context("cuStreamCreate",
                    [&](Context& c) { return c.stream_create(reinterpret_cast<Stream*>(stream)); });
}

FRNN_STANDIN int cuStreamCreateWithPriority(void** stream, unsigned flags, int) {
  return cuStreamCreate(stream, flags);
}

FRNN_STANDIN int cuStreamDestroy_v2(void* stream) {
  return in_stream("cuStreamDestroy", stream,
                   [](Context& c, Stream s) { return c.stream_destroy(s); });
}

FRNN_STANDIN int cuStreamSynchronize(void* stream) {
  return in_stream("cuStreamSynchronize", stream,
                   [](Context& c, Stream s) { return c.stream_synchronize(s); });
}

FRNN_STANDIN int cuStreamQuery(void* stream) {
  ContextHandle* const owner = owner_of_stream(stream);
  if (owner == nullptr) return fail("cuStreamQuery", kInvalidContext, "no context has this stream");
  Context& c = *owner->context;
  Event event = 0;
  const int made = answer("cuStreamQuery", c.event_create(&event));
  if (made != kSuccess) return made;
  int result = answer("cuStreamQuery", c.event_record(event, reinterpret_cast<Stream>(stream)));
  if (result == kSuccess) result = is_done("cuStreamQuery", c, event);
  (void)c.event_destroy(event);
  return result;
}

FRNN_STANDIN int cuStreamWaitEvent(void* stream, void* event, unsigned) {
  return in_stream("cuStreamWaitEvent", stream,
                   [&](Context& c, Stream s) { return c.stream_wait(s, event_of(event)); });
}

FRNN_STANDIN int cuStreamGetCtx(void* stream, void** context) {
  ContextHandle* const owner = owner_of_stream(stream);
  *context = owner;
  return owner != nullptr ? kSuccess : kInvalidContext;
}

FRNN_STANDIN int cuStreamGetFlags(void*, unsigned* flags) {
  *flags = 0;
  return kSuccess;
}

FRNN_STANDIN int cuEventCreate(void** event, unsigned) {
  return in_context("cuEventCreate",
                    [&](Context& c) { return c.event_create(reinterpret_cast<Event*>(event)); });
}

FRNN_STANDIN int cuEventDestroy_v2(void* event) {
  return with_event("cuEventDestroy", event,
                    [](Context& c, Event e) { return c.event_destroy(e); });
}

FRNN_STANDIN int cuEventRecord(void* event, void* stream) {
  return in_stream("cuEventRecord", stream,
                   [&](Context& c, Stream s) { return c.event_record(event_of(event), s); });
}

FRNN_STANDIN int cuEventSynchronize(void* event) {
  return with_event("cuEventSynchronize", event,
                    [](Context& c, Event e) { return c.event_synchronize(e); });
}

FRNN_STANDIN int cuEventQuery(void* event) {
  ContextHandle* const handle = current();
  if (handle == nullptr) return fail("cuEventQuery", kInvalidContext, "no context is current");
  return is_done("cuEventQuery", *handle->context, event_of(event));
}

FRNN_STANDIN int cuEventElapsedTime(float* milliseconds, void* start, void* end) {
  return in_context("cuEventElapsedTime", [&](Context& c) -> Status {
    double us = 0;
    FRNN_TRY(c.event_elapsed_us(event_of(start), event_of(end), &us));
    *milliseconds = static_cast<float>(us * 1e-3);
    return Status::success();
  });
}
