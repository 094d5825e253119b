// The seam, host side: memory, streams, events and launches of one device. Written once by its
// callers, there twice: over the CUDA runtime (cuda_host.h) and over the emulated machine
// (emulated_host.h, chosen by FRNN_EMULATED). Both define
//
//   class Context                        one opened device; any thread may use it
//     static Status device_count(int64_t* count)    0 where there is no driver or device
//     static Status open(int64_t ordinal, std::unique_ptr<Context>* context)
//     const Properties& properties() const
//     Status activate()                  makes it the calling thread's device, for libraries that
//                                        ask for the current one (cuBLAS); the calls below do so
//                                        too
//     Status synchronize()
//     Status alloc(int64_t bytes, int64_t* address)  aligned to 256 bytes; fresh memory is not
//                                        cleared (emulated: filled with 0xFF bytes, which are NaN)
//     Status free(int64_t address)       waits for the device first
//     Status copy(int64_t destination, int64_t source, int64_t bytes, int64_t kind, Stream stream)
//     Status fill(int64_t address, int byte_value, int64_t bytes, Stream stream)
//     Status stream_create(Stream*), stream_destroy(Stream), stream_synchronize(Stream),
//            stream_wait(Stream, Event)  an event never recorded is no wait
//     Status event_create(Event*), event_destroy(Event), event_record(Event, Stream),
//            event_synchronize(Event), event_done(Event, bool*),
//            event_elapsed_us(Event start, Event end, double*)
//     template <class Args> Status launch(const char* name, void (*kernel)(Args), const Grid& grid,
//                                         Stream stream, const Args& args)
//     template <class Args> Status resident_blocks(void (*kernel)(Args), const Grid& grid,
//                                                  int* per_multiprocessor)
//     template <class Args> Status resident_clusters(void (*kernel)(Args), const Grid& grid,
//                                                    int* count)   on the device at once; 0: none
//     Status capture_begin(Stream), capture_end(Stream, int64_t* graph)   as fusedrnn.h has them;
//            `graph` null drops what was recorded
//     Status graph_launch(int64_t graph, Stream), graph_destroy(int64_t graph)
//     Status host_register(int64_t address, int64_t bytes), host_unregister(int64_t address)
//     Status counter(const std::string& key, int64_t* value)
//     Status set(const std::string& key, int64_t value)
//     void count_gemm(Stream)            for the callers of BLAS
//
// Nothing but alloc, free, open, capture_end and *_create allocates; nothing but free and
// *synchronize waits. While a stream captures, its calls are recorded (host/captures.h).
// A zero-sized grid, copy or fill does nothing and is a success. `name` is for messages and must
// be a literal. `kind` is an frnn_copy_kind.
//
// Errors of a launch itself (a bad configuration) come at once. What a kernel did wrong comes from
// the next call that waits, and from every call after it: the device is then of no more use and
// must be opened anew (emulated) or the process restarted (CUDA).

#ifndef FUSEDRNN_SRC_MACHINE_HOST_H_
#define FUSEDRNN_SRC_MACHINE_HOST_H_

#include <cstdint>
#include <string>

#include "host/status.h"
#include "machine/properties.h"
#include "machine/qualifiers.h"

namespace frnn::machine {

using Stream = int64_t;  // a cudaStream_t; 0 is the device's default stream
using Event = int64_t;   // a cudaEvent_t

struct Grid {
  int64_t blocks = 0;
  int threads = 0;           // in a block, 1 to 1024
  int shared_bytes = 0;      // dynamic shared memory, in addition to FRNN_SHARED variables
  bool cooperative = false;  // all blocks are alive at once; sync_grid is allowed
  int cluster = 1;           // blocks in a cluster; `blocks` is a multiple of it. More than 8, and
                             // shapes that need much, may not be there: ask resident_clusters
};

}  // namespace frnn::machine

#if defined(FRNN_EMULATED)
#include "machine/emulated_host.h"
#else
#include "machine/cuda_host.h"
#endif

#endif  // FUSEDRNN_SRC_MACHINE_HOST_H_
