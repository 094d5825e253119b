// fusedrnn: LSTM, GRU and plain recurrent cells, forward and backward through whole sequences.
//
// This header is the only door to the native libraries. It is plain C and needs no CUDA header.
//
// Dimensions: T steps, B batch rows, I input features, H hidden units, G gates of the cell
// (LSTM 4, GRU 3, RNN 1), N rows of a matrix, O output features, V classes or vocabulary,
// E features of an embedding. Every tensor is dense and row-major; sizes and counts are elements
// unless a name ends in _bytes.
//
// Gate blocks and names follow torch.nn: LSTM i f g o, GRU r z n, RNN one block; w_ih [G*H, I],
// w_hh [G*H, H], b_ih [G*H], b_hh [G*H].
//
// Rules that hold for every call:
// - It returns an frnn_status. On anything but FRNN_OK, frnn_last_error() has a sentence that says
//   what was expected, what came and how to mend it, and nothing was launched or written.
// - Compute calls allocate nothing and never synchronise: they enqueue on `stream`. Errors that
//   only the device can see are reported by the next synchronising call on that device.
// - Every field of an argument struct is 8 bytes wide, so that a caller without a C compiler can
//   fill it as an array of 64-bit words. `struct_bytes` comes first and is sizeof the struct; a
//   smaller size (an older caller) reads as zero in the fields that are missing.
// - Addresses are 64-bit integers. "Device" addresses belong to the memory of the device that the
//   call names (host memory on the `cpu` backend). 0 means "absent" where a field says optional.
// - `=` overwrites, `+=` adds to what is there.
// - Same inputs, same device, same options: the same bits.
//
// Threads: a device handle may be used by several threads as long as no two of them use the same
// stream, workspace or output at once. Handles are checked: a closed or foreign one is an error.

#ifndef FUSEDRNN_H_
#define FUSEDRNN_H_

#include <stdint.h>

#if defined(__GNUC__)
#define FRNN_API __attribute__((visibility("default")))
#else
#define FRNN_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

typedef enum frnn_status {
  FRNN_OK = 0,
  FRNN_INVALID_ARGUMENT = 1,     // a size, shape, flag, address or handle is wrong
  FRNN_UNSUPPORTED = 2,          // a legal request that this backend does not serve
  FRNN_WORKSPACE_TOO_SMALL = 3,  // workspace_bytes or reserve_bytes below what the call needs
  FRNN_UNAVAILABLE = 4,          // the backend, device or a library it needs is not there
  FRNN_OUT_OF_MEMORY = 5,
  FRNN_DEVICE_ERROR = 6,  // the device or its driver failed
  FRNN_BLAS_ERROR = 7,
  FRNN_INTERNAL = 8  // a fault of this library
} frnn_status;

typedef enum frnn_cell {
  FRNN_LSTM = 0,              // Hochreiter and Schmidhuber 1997 with the forget gate of Gers 2000
  FRNN_GRU = 1,               // reset after the recurrent product (cuDNN, torch.nn)
  FRNN_GRU_RESET_BEFORE = 2,  // reset before the recurrent product (Cho 2014, v3)
  FRNN_RNN_TANH = 3,          // Elman 1990
  FRNN_RNN_RELU = 4,
  // Jozefowicz, Zaremba and Sutskever 2015; gate blocks r z n, h' = z n + (1 - z) h. The paper's
  // bare x in MUT1's candidate and MUT2's reset gate is the learnt W x here, so that I need not be
  // H. MUT1's update gate has no recurrent part: its w_hh is [2H, H] and b_hh [2H], blocks r n.
  FRNN_MUT1 = 5,  // z = s(W_z x), r = s(W_r x + U_r h), n = tanh(U_n (r h) + tanh(W_n x))
  FRNN_MUT2 = 6,  // z = s(W_z x + U_z h), r = s(W_r x + U_r h), n = tanh(U_n (r h) + W_n x)
  FRNN_MUT3 = 7   // z = s(W_z x + U_z tanh(h)), r and n as MUT2; all with their biases
} frnn_cell;

// Bits that change an LSTM. Gate blocks that a variant lacks are left out of every parameter, the
// others keep their order; so coupled and no-input-gate have f g o, no-forget-gate i g o,
// no-output-gate i f g. Two bits that set the same gate exclude each other.
typedef enum frnn_variant {
  FRNN_PEEPHOLE = 1,  // i, f see c of the step before, o sees c of this step (Gers et al. 2002)
  FRNN_COUPLED = 2,   // i = 1 - f (Greff et al. 2017)
  FRNN_NO_INPUT_GATE = 4,   // i = 1 (the ablations of Jozefowicz et al. 2015)
  FRNN_NO_FORGET_GATE = 8,  // f = 1
  FRNN_NO_OUTPUT_GATE = 16  // o = 1
} frnn_variant;

typedef enum frnn_dtype {
  FRNN_F64 = 0,
  FRNN_F32 = 1,
  FRNN_BF16 = 2,
  FRNN_F16 = 3,
  FRNN_I32 = 4
} frnn_dtype;

typedef enum frnn_flag {
  FRNN_TRAINING = 1,        // forward fills `reserve` for a backward pass
  FRNN_ACCUMULATE = 2,      // weight gradients are `+=` instead of `=`
  FRNN_ALLOW_TF32 = 4,      // products may be rounded to TF32 (cuda only)
  FRNN_REVERSE = 16,        // each row runs from its own last step to its first
  FRNN_BATCH_FIRST = 32,    // x, y, dx, dy are [B, T, .] instead of [T, B, .]
  FRNN_ACCUMULATE_DX = 64,  // dx is `+=` instead of `=`
  FRNN_MEAN = 128           // the gradient of a loss is that of its mean over rows
} frnn_flag;

typedef enum frnn_norm {
  FRNN_NO_NORM = 0,
  // Ba, Kiros and Hinton 2016, LSTM alone (no variant, no projection): a = LN(W x; norm_ih) + b_ih
  // + LN(R h; norm_hh) + b_hh over all 4H together, h = o tanh(LN(c; norm_c) + norm_c_bias)
  FRNN_LAYER_NORM = 1,
  // Laurent et al. 2016, every cell: each of the G*H columns of W x is normalised over the live
  // rows of the whole sequence, times norm_ih; b_ih follows. Without training running statistics
  // serve
  FRNN_BATCH_NORM = 2
} frnn_norm;

// Which kernels run the loop over time on a gpu; the cpu backend has one way and serves
// FRNN_KERNEL_AUTO alone.
typedef enum frnn_kernel {
  FRNN_KERNEL_AUTO = 0,    // what the planner expects to be fastest
  FRNN_KERNEL_STEP = 1,    // K0: a matrix product and a fused kernel per step; serves everything
  FRNN_KERNEL_SM = 2,      // K1: w_hh stays in one multiprocessor
  FRNN_KERNEL_CLUSTER = 3  // K2: w_hh stays in a thread-block cluster
} frnn_kernel;

typedef enum frnn_copy_kind {
  FRNN_HOST_TO_DEVICE = 0,
  FRNN_DEVICE_TO_HOST = 1,
  FRNN_DEVICE_TO_DEVICE = 2
} frnn_copy_kind;

// ---- About the library ------------------------------------------------------------------------

FRNN_API const char* frnn_version(void);
// One JSON object: version, compiler, flags, instruction sets, CUDA version and architectures.
FRNN_API const char* frnn_build_info(void);
// Why the last call of this thread that failed did so. Valid until this thread's next call.
FRNN_API const char* frnn_last_error(void);
// Process-wide settings, to be made before a device is opened. Keys: "cublas" (path of the cuBLAS
// library to open instead of searching), "cpu.isa" (avx512 | avx2 | portable, to force a path).
FRNN_API int frnn_set_option(const char* key, const char* value);

// ---- Devices ----------------------------------------------------------------------------------

// `backend` is "cpu", "cuda" or "emulated".
FRNN_API int frnn_device_count(const char* backend, int64_t* count);
FRNN_API int frnn_device_open(const char* backend, int64_t ordinal, int64_t* device);
// Frees nothing that the caller allocated; those calls must come first. Idempotent is the caller's
// business: closing a closed handle is an error.
FRNN_API int frnn_device_close(int64_t device);
// One JSON object: backend, name, ordinal, memory, properties, BLAS in use. NULL on error. Valid
// until this thread's next call.
FRNN_API const char* frnn_device_describe(int64_t device);
// Keys: cpu "threads" (>= 1); emulated "seed" (order of warps and blocks); cuda and emulated
// "cluster" (blocks that K2 has to take: 2, 4, 8 or 16; 0: as the planner chooses).
FRNN_API int frnn_device_set(int64_t device, const char* key, int64_t value);
// Counters since the device was opened: "allocations", "synchronizations", "launches", "gemms",
// "graph_launches". A graph's kernels and products count at each of its launches, not when
// recorded.
FRNN_API int frnn_device_counter(int64_t device, const char* key, int64_t* value);
// Waits for all work on the device and reports what it found.
FRNN_API int frnn_device_synchronize(int64_t device);

// ---- Memory, streams, events (conveniences; a caller may bring its own) ------------------------

// Addresses are aligned to 256 bytes. bytes = 0 answers address 0. Fresh memory is not cleared
// (the emulated device fills it with NaN).
FRNN_API int frnn_alloc(int64_t device, int64_t bytes, int64_t* address);
FRNN_API int frnn_free(int64_t device, int64_t address);
// Enqueued on `stream`; host memory must stay valid until the stream is synchronised.
FRNN_API int frnn_copy(int64_t device, int64_t destination, int64_t source, int64_t bytes,
                       int64_t kind, int64_t stream);
FRNN_API int frnn_fill(int64_t device, int64_t address, int64_t byte_value, int64_t bytes,
                       int64_t stream);
// Stream 0 is the device's default stream.
FRNN_API int frnn_stream_create(int64_t device, int64_t* stream);
FRNN_API int frnn_stream_destroy(int64_t device, int64_t stream);
FRNN_API int frnn_stream_synchronize(int64_t device, int64_t stream);
FRNN_API int frnn_stream_wait(int64_t device, int64_t stream, int64_t event);
FRNN_API int frnn_event_create(int64_t device, int64_t* event);
FRNN_API int frnn_event_destroy(int64_t device, int64_t event);
FRNN_API int frnn_event_record(int64_t device, int64_t event, int64_t stream);
FRNN_API int frnn_event_synchronize(int64_t device, int64_t event);
FRNN_API int frnn_event_done(int64_t device, int64_t event, int64_t* done);  // 1 or 0
// Microseconds from `start` to `end`; both must be done.
FRNN_API int frnn_event_elapsed_us(int64_t device, int64_t start, int64_t end, double* us);

// Page-locks memory of the caller's, so that a copy reaches it without a stop on the way and
// without the host. Unregistering waits for the device; the memory must stay until then. `cpu` only
// keeps the account.
FRNN_API int frnn_host_register(int64_t device, int64_t address, int64_t bytes);
FRNN_API int frnn_host_unregister(int64_t device, int64_t address);

// ---- Captured work -----------------------------------------------------------------------------

// Between begin and end, calls on `stream` are recorded and not run; then frnn_graph_launch
// enqueues all of them at once, as often as wanted. What is recorded is addresses and numbers: a
// launch sees what the memory behind the addresses holds by then (data, page-locked host memory,
// the words that arguments such as `offset_address` point to).
//
// Another stream takes part from when it waits for an event that was recorded in the capture, and
// the first stream must wait for an event behind its last work before the capture ends. An event
// that was recorded in a capture orders its streams and nothing else, until it is recorded again.
//
// While a stream captures these are refused, and the capture goes on: waiting for one of its
// streams or events, or for the device; waiting in it for an event from outside; copies between it
// and host memory that is not page-locked; destroying one of its streams; launching a graph into
// it; and to the thread that began it, allocating and freeing. The default stream cannot capture.
// The thread that began a capture ends it. A caller's BLAS handle should have a workspace of its
// own (cublasSetWorkspace) before it is used in one.
FRNN_API int frnn_capture_begin(int64_t device, int64_t stream);
// `graph` null drops what was recorded: the way out after an error. Whatever it returns, the
// streams then are as they were before, unless the call was refused because of its stream or
// thread.
FRNN_API int frnn_capture_end(int64_t device, int64_t stream, int64_t* graph);
// Enqueued; launches of one graph run one after another, also on different streams.
FRNN_API int frnn_graph_launch(int64_t device, int64_t graph, int64_t stream);
// Launches that are on their way still run.
FRNN_API int frnn_graph_destroy(int64_t device, int64_t graph);

// ---- Recurrent sequences ----------------------------------------------------------------------

// One layer in one direction over a whole sequence. Forward and backward read the same struct;
// backward must see x, h0, c0, y, the parameters and `reserve` as forward saw or left them.
// T = 0 or B = 0 are legal: outputs are empty, hT = h0, cT = c0, gradients of weights are zero
// (or unchanged with FRNN_ACCUMULATE), dh0 = dhT, dc0 = dcT.
typedef struct frnn_rnn {
  int64_t struct_bytes;
  int64_t cell;   // frnn_cell
  int64_t dtype;  // frnn_dtype of every tensor below; with bf16 and f16 sums are fp32, and c0, cT,
                  // dc0, dcT and running statistics are float32
  int64_t flags;  // FRNN_TRAINING | FRNN_ACCUMULATE | FRNN_ALLOW_TF32 | FRNN_REVERSE |
                  // FRNN_BATCH_FIRST | FRNN_ACCUMULATE_DX
  int64_t T;
  int64_t B;
  int64_t I;
  int64_t H;
  // parameters, read
  int64_t w_ih;  // [G*H, I]
  int64_t w_hh;  // [G*H, H]
  int64_t b_ih;  // [G*H], optional: zero
  int64_t b_hh;  // [G*H], optional: zero
  // data, read
  int64_t x;   // [T, B, I]
  int64_t h0;  // [B, H], optional: zero
  int64_t c0;  // [B, H], optional: zero; LSTM only
  // results of forward, read again by backward
  int64_t y;   // [T, B, H] = h of every step
  int64_t hT;  // [B, H] =, optional; may be the memory of h0 in a forward call without training
  int64_t cT;  // [B, H] =, optional; LSTM only; may be the memory of c0 likewise
  int64_t reserve;  // written by forward with FRNN_TRAINING, read by backward
  int64_t reserve_bytes;
  int64_t workspace;  // scratch of one call
  int64_t workspace_bytes;
  // upstream gradients, read by backward
  int64_t dy;   // [T, B, H], optional: zero
  int64_t dhT;  // [B, H], optional: zero
  int64_t dcT;  // [B, H], optional: zero; LSTM only
  // gradients, written by backward, each optional: not computed where 0
  int64_t dx;     // [T, B, I] =
  int64_t dh0;    // [B, H] =
  int64_t dc0;    // [B, H] =; LSTM only
  int64_t dw_ih;  // [G*H, I] = or += (FRNN_ACCUMULATE)
  int64_t dw_hh;  // [G*H, H] = or +=
  int64_t db_ih;  // [G*H] = or +=
  int64_t db_hh;  // [G*H] = or +=
  int64_t stream;
  int64_t blas;  // a cublasHandle_t of the caller's, optional: the device's own (cuda only)
  // the rest of the family; all zero is the plain cell, dense tensors, every row T steps long
  int64_t variant;  // frnn_variant bits; LSTM only
  int64_t P;        // width of h after a projection (Sak et al. 2014), 1 to H - 1; 0: none, P = H.
                    // LSTM only. y, h0, hT, dy, dhT, dh0 and the columns of w_hh then are P wide
  int64_t w_hr;     // [P, H]: h = w_hr (o * tanh(c)); with P
  int64_t w_peephole;   // [K, H], a row for each of i, f, o there is; with FRNN_PEEPHOLE
  int64_t dw_hr;        // [P, H] = or +=, optional
  int64_t dw_peephole;  // [K, H] = or +=, optional
  int64_t lengths;   // int32 [B], device, optional: T. Clamped to [0, T]. Beyond its length a row
                     // holds its state, y and dx are zero and dy is not read
  int64_t x_ld;      // elements from one row of x and dx to the next, at least I; 0: I
  int64_t y_ld;      // likewise of y and dy, at least P or H; 0: dense
  double cell_clip;  // c is clamped to [-cell_clip, cell_clip] and passes no gradient where it
                     // was; LSTM only; 0: none
  double recurrent_dropout;  // in [0, 1): h is masked where it enters the recurrent product, one
                             // mask for the sequence (Gal and Ghahramani 2016); training only
  double zoneout_h;  // in [0, 1): a unit keeps its h of the step before (Krueger et al. 2017); at
  double zoneout_c;  // random in training, in expectation otherwise. zoneout_c: LSTM only
  int64_t seed;      // of the masks
  int64_t offset;    // of the masks; a new one for each training step
  int64_t mask_stream;   // sets apart the masks of layers and directions under one seed and offset
  int64_t norm;          // frnn_norm
  int64_t norm_ih;       // [G*H] gain; with a norm
  int64_t norm_hh;       // [4H] gain; layer norm
  int64_t norm_c;        // [H] gain; layer norm
  int64_t norm_c_bias;   // [H]; layer norm
  int64_t running_mean;  // [G*H]; batch norm: read without training; with it the moving average
  int64_t running_var;   // [G*H]  (1 - momentum) old + momentum new, of the unbiased variance
  int64_t dnorm_ih;      // gradients, = or +=, each optional
  int64_t dnorm_hh;
  int64_t dnorm_c;
  int64_t dnorm_c_bias;
  double norm_epsilon;   // above 0 with a norm: added to the variance
  double norm_momentum;  // in [0, 1]; batch norm
  int64_t kernel;        // frnn_kernel; one that cannot serve this call is refused with the reason
  int64_t offset_address;  // device int64, added to `offset` as masks are drawn; optional: 0
  int64_t packed;          // weights as frnn_rnn_pack left them; optional: forward reads the
  int64_t packed_bytes;    // parameters. Aligned to 64 bytes
  int64_t packed_dtype;    // FRNN_F32: the weights as they are; FRNN_BF16: rounded to bf16, to
                           // nearest even, all else as before. Read with `packed` and by packing
} frnn_rnn;

// Masks. Element e (row-major in the mask's dense shape) of mask kind k is dropped where word e % 4
// of Philox4x32-10 (Salmon et al. 2011) with key {seed low, seed high} and counter {e / 4 low,
// offset low, offset high, mask_stream * 4 + k} is below floor(p * 2^32). Kinds: 0 dropout between
// layers [T, B, features] in time-first order whatever the layout, 1 recurrent dropout [B, P or H],
// 2 zoneout of h [T, B, H], 3 zoneout of c [T, B, H]; t is the time of the data, also in reverse.
// Kept elements are multiplied by 1 / (1 - p) in kinds 0 and 1.

typedef struct frnn_rnn_sizes {
  int64_t reserve_bytes;  // with FRNN_TRAINING; 0 without
  int64_t forward_workspace_bytes;
  int64_t backward_workspace_bytes;
} frnn_rnn_sizes;

// Needs no device: `backend` is a name as in frnn_device_open. Reads all sizes and settings, and
// whether `lengths` and `packed` are 0; with `packed` a forward call may need less.
FRNN_API int frnn_rnn_bytes(const char* backend, const frnn_rnn* rnn, frnn_rnn_sizes* sizes);
FRNN_API int frnn_rnn_forward(int64_t device, const frnn_rnn* rnn);
FRNN_API int frnn_rnn_backward(int64_t device, const frnn_rnn* rnn);

// Weights packed once, for forward calls that see the same ones often: forward then reads w_ih,
// w_hh, b_ih and b_hh from `packed`, in the layout of the backend's kernels, and not from the
// parameters (which stay required). `packed` is what frnn_rnn_pack wrote on the same device for the
// same cell, I, H, dtype, packed_dtype and settings. With FRNN_F32 the results are, bit for bit,
// those of the call without it. Weights that change are not seen until they are packed again.
// Backward always reads the parameters; so FRNN_BF16 excludes FRNN_TRAINING.
//
// Bytes of `packed`; needs no device, and reads neither T and B nor an address but whether
// `lengths` is 0. 0 where packing gains nothing: on a gpu, and on the cpu for all but the plain
// cells over time-first rows of one length. There `packed` is ignored with FRNN_F32, and
// FRNN_BF16 is refused as FRNN_UNSUPPORTED.
FRNN_API int frnn_rnn_packed_bytes(const char* backend, const frnn_rnn* rnn, int64_t* bytes);
// Writes `packed` = from w_ih, w_hh, b_ih and b_hh. Reads no other tensor, nor T and B.
FRNN_API int frnn_rnn_pack(int64_t device, const frnn_rnn* rnn);

// ---- Whole networks ----------------------------------------------------------------------------

// One layer and direction's parameters or their gradients, device addresses as in frnn_rnn.
typedef struct frnn_weights {
  int64_t w_ih;
  int64_t w_hh;
  int64_t b_ih;
  int64_t b_hh;
  int64_t w_hr;
  int64_t w_peephole;
  int64_t norm_ih;
  int64_t norm_hh;
  int64_t norm_c;
  int64_t norm_c_bias;
  int64_t running_mean;  // batch norm; not in a list of gradients
  int64_t running_var;
} frnn_weights;

// L stacked layers in D directions. Layer k > 0 reads the output of layer k - 1, both directions
// side by side: its I is D * (P or H). Fields mean what they mean in frnn_rnn; W stands for P or H.
typedef struct frnn_net {
  int64_t struct_bytes;
  int64_t cell;
  int64_t dtype;
  int64_t flags;  // as frnn_rnn, without FRNN_REVERSE
  int64_t variant;
  int64_t T;
  int64_t B;
  int64_t I;
  int64_t H;
  int64_t P;
  int64_t L;          // layers, at least 1
  int64_t D;          // directions, 1 or 2; 2: outputs are [.., 2 * W], forward first
  int64_t residual;   // 1: each layer after the first adds its input to its output
  int64_t weights;    // host address of frnn_weights[L * D]: layer 0 forward, layer 0 reverse, ...
  int64_t gradients;  // host address of frnn_weights[L * D], backward; all of it optional
  int64_t x;          // [T, B, I]
  int64_t lengths;    // int32 [B], optional
  int64_t h0;         // [L * D, B, W], optional: zero
  int64_t c0;         // [L * D, B, H], optional: zero
  int64_t y;          // [T, B, D * W] =
  int64_t hT;         // [L * D, B, W] =, optional
  int64_t cT;         // [L * D, B, H] =, optional
  int64_t reserve;
  int64_t reserve_bytes;
  int64_t workspace;
  int64_t workspace_bytes;
  int64_t dy;   // [T, B, D * W], optional: zero
  int64_t dhT;  // [L * D, B, W], optional: zero
  int64_t dcT;  // [L * D, B, H], optional: zero
  int64_t dx;   // [T, B, I] =, optional
  int64_t dh0;  // [L * D, B, W] =, optional
  int64_t dc0;  // [L * D, B, H] =, optional
  double cell_clip;
  double dropout;  // in [0, 1): on the output of each layer but the last, in training
  double recurrent_dropout;
  double zoneout_h;
  double zoneout_c;
  int64_t seed;
  int64_t offset;
  int64_t stream;
  int64_t blas;
  int64_t norm;  // frnn_norm, of every layer
  double norm_epsilon;
  double norm_momentum;
  int64_t kernel;
  int64_t offset_address;
  int64_t packed;  // as frnn_net_pack left it, of all layers and directions
  int64_t packed_bytes;
  int64_t packed_dtype;
} frnn_net;

// Layer k in direction d draws its masks with mask_stream k * 2 + d; dropout on the output of layer
// k with mask_stream k * 2.
FRNN_API int frnn_net_bytes(const char* backend, const frnn_net* net, frnn_rnn_sizes* sizes);
// One JSON object: for each layer and pass the kernel that the planner takes, how the recurrent
// weights lie in it, the predicted times and why every other kernel was passed over. `device` is an
// open handle of a gpu, or 0 for one of a catalogue (h200, a100, l4, rtx4090, tiny) that `model`
// names. Reads sizes and settings and whether `lengths` is 0. NULL on error. Valid until this
// thread's next call.
FRNN_API const char* frnn_explain(int64_t device, const char* model, const frnn_net* net);
FRNN_API int frnn_net_forward(int64_t device, const frnn_net* net);
FRNN_API int frnn_net_backward(int64_t device, const frnn_net* net);
// As frnn_rnn_packed_bytes and frnn_rnn_pack, of every entry of `weights`.
FRNN_API int frnn_net_packed_bytes(const char* backend, const frnn_net* net, int64_t* bytes);
FRNN_API int frnn_net_pack(int64_t device, const frnn_net* net);

#ifdef __cplusplus
}
#endif

#include "fusedrnn_training.h"

#endif  // FUSEDRNN_H_
