#!/usr/bin/env python3
"""Times cuDNN and PyTorch on the cells of `fusedrnn bench grid`: the baseline beside our rows.

    cudnn_grid.py --cells FILE --out FILE [--budget SECONDS]

`--cells` holds a name a line, as `fusedrnn bench grid --list` prints them:
lstm-train-bf16-H512-B16-T512-L1-D1. For each cell cuDNN runs by its C interface with every algorithm
(standard, persistent static, persistent dynamic, persistent static for small H), on a stream and as
a CUDA graph, and PyTorch's nn.LSTM or nn.GRU runs beside it; each gets a line of JSON in `--out`,
without a time and with the reason where the algorithm refuses the cell. Cells that the file has are
passed over. The work is that of our rows: the input product and every gradient are counted, f32
means no TF32 and tf32 allows it. Needs PyTorch with CUDA and the cuDNN 9 that comes with it.
"""

import argparse
import ctypes
import glob
import json
import os
import re
import statistics
import sys
import time

ALGORITHMS = {"standard": 0, "persist_static": 1, "persist_dynamic": 2, "persist_static_small_h": 3}
MODES = {"lstm": 2, "gru": 3}
# cudnnDataType_t, and cudnnMathType_t as PyTorch chooses it
TYPES = {"f32": (0, 3), "tf32": (0, 0), "f16": (2, 1), "bf16": (9, 1)}
DOUBLE_BIAS, UNIDIRECTIONAL, BIDIRECTIONAL, LINEAR_INPUT = 2, 0, 1, 0
SEQ_MAJOR_UNPACKED, PADDED_IO = 0, 1
INFERENCE, TRAINING, SET_GRADIENTS = 0, 1, 1
REPEATS, ENOUGH_MS = 30, 200.0
UNFINISHED = 75  # the exit code that says so, as sysexits.h has it


class Refused(Exception):
    """cuDNN answered with an error: the algorithm does not serve the cell."""


class Cell:
    """The sizes that a cell's name says."""

    PATTERN = re.compile(
        r"(lstm|gru)-(forward|train)-(f32|tf32|bf16|f16)-H(\d+)-B(\d+)-T(\d+)-L(\d+)-D([12])$")

    def __init__(self, key):
        match = self.PATTERN.match(key)
        if not match:
            raise ValueError(f"{key}: expected a name like lstm-train-bf16-H512-B16-T512-L1-D1")
        self.key = key
        self.cell, self.pass_, self.precision = match.group(1, 2, 3)
        self.H, self.B, self.T, self.L, self.D = (int(n) for n in match.group(4, 5, 6, 7, 8))
        self.training = self.pass_ == "train"

    def flop(self):
        """As GridCell.flop(): 2 T B G H (I + H) a layer and direction, three times in training."""
        gates = 4 if self.cell == "lstm" else 3
        rows = 2.0 * self.T * self.B * gates * self.H
        first = rows * 2 * self.H * self.D
        later = rows * (self.D * self.H + self.H) * self.D
        return (3 if self.training else 1) * (first + (self.L - 1) * later)


def load_cudnn():
    """Opens the cuDNN that PyTorch uses, or one on the library path."""
    import torch  # its own libraries come first

    folders = [os.path.join(os.path.dirname(torch.__file__), "lib")]
    folders += glob.glob(os.path.join(os.path.dirname(torch.__file__), "..", "nvidia", "*", "lib"))
    tried = [path for folder in folders for path in glob.glob(os.path.join(folder, "libcudnn.so.*"))]
    for path in tried + ["libcudnn.so.9", "libcudnn.so"]:
        try:
            library = ctypes.CDLL(path, mode=ctypes.RTLD_GLOBAL)
        except OSError:
            continue
        library.cudnnGetErrorString.restype = ctypes.c_char_p
        library.cudnnGetVersion.restype = ctypes.c_size_t
        return library
    raise SystemExit("cudnn_grid: no libcudnn.so.9 was found: install PyTorch with CUDA, or put "
                     "cuDNN's folder on LD_LIBRARY_PATH")


class Cudnn:
    """One handle, and calls that raise."""

    def __init__(self):
        self.library = load_cudnn()
        self.handle = ctypes.c_void_p()
        self.call("cudnnCreate", ctypes.byref(self.handle))

    def call(self, name, *arguments):
        status = getattr(self.library, name)(*arguments)
        if status != 0:
            raise Refused(f"{name}: {self.library.cudnnGetErrorString(status).decode()}")

    def made(self, kind):
        descriptor = ctypes.c_void_p()
        self.call(f"cudnnCreate{kind}", ctypes.byref(descriptor))
        return descriptor


def pointer(tensor):
    return ctypes.c_void_p(tensor.data_ptr() if tensor is not None and tensor.numel() else 0)


class CudnnRun:
    """A cell in cuDNN with one algorithm: memory, descriptors and the calls that are timed."""

    def __init__(self, cudnn, torch, cell, algorithm):
        self.cudnn, self.cell, self.torch = cudnn, cell, torch
        self.dropout = cudnn.made("DropoutDescriptor")
        self.rnn = cudnn.made("RNNDescriptor")
        self.sequence_in = cudnn.made("RNNDataDescriptor")
        self.sequence_out = cudnn.made("RNNDataDescriptor")
        self.state = cudnn.made("TensorDescriptor")
        self.describe(algorithm)
        self.allocate()

    def describe(self, algorithm):
        c, cudnn = self.cell, self.cudnn
        type_, math = TYPES[c.precision]
        cudnn.call("cudnnSetDropoutDescriptor", self.dropout, cudnn.handle, ctypes.c_float(0), None,
                   ctypes.c_size_t(0), ctypes.c_ulonglong(0))
        cudnn.call("cudnnSetRNNDescriptor_v8", self.rnn, ALGORITHMS[algorithm], MODES[c.cell],
                   DOUBLE_BIAS, BIDIRECTIONAL if c.D == 2 else UNIDIRECTIONAL, LINEAR_INPUT, type_, 0,
                   math, c.H, c.H, c.H, c.L, self.dropout, ctypes.c_uint32(PADDED_IO))
        if algorithm == "persist_dynamic":
            cudnn.call("cudnnBuildRNNDynamic", cudnn.handle, self.rnn, c.B)
        lengths = (ctypes.c_int * c.B)(*([c.T] * c.B))
        padding = ctypes.c_double(0)
        for descriptor, width in ((self.sequence_in, c.H), (self.sequence_out, c.D * c.H)):
            cudnn.call("cudnnSetRNNDataDescriptor", descriptor, type_, SEQ_MAJOR_UNPACKED, c.T, c.B,
                       width, lengths, ctypes.byref(padding))
        sizes, strides = [c.L * c.D, c.B, c.H], [c.B * c.H, c.H, 1]
        cudnn.call("cudnnSetTensorNdDescriptor", self.state, type_, 3, (ctypes.c_int * 3)(*sizes),
                   (ctypes.c_int * 3)(*strides))

    def allocate(self):
        c, cudnn, torch = self.cell, self.cudnn, self.torch
        dtype = {"f16": torch.float16, "bf16": torch.bfloat16}.get(c.precision, torch.float32)

        def numbers(*shape, scale=1.0):
            return (torch.rand(*shape, device="cuda") * 2 - 1).mul_(scale).to(dtype)

        weights, work, reserve = ctypes.c_size_t(), ctypes.c_size_t(), ctypes.c_size_t()
        cudnn.call("cudnnGetRNNWeightSpaceSize", cudnn.handle, self.rnn, ctypes.byref(weights))
        cudnn.call("cudnnGetRNNTempSpaceSizes", cudnn.handle, self.rnn,
                   TRAINING if c.training else INFERENCE, self.sequence_in, ctypes.byref(work),
                   ctypes.byref(reserve))
        self.weights = numbers(weights.value // dtype.itemsize, scale=c.H ** -0.5)
        self.work = torch.empty(work.value, dtype=torch.uint8, device="cuda")
        self.reserve = torch.empty(reserve.value, dtype=torch.uint8, device="cuda")
        self.x, self.y = numbers(c.T, c.B, c.H), numbers(c.T, c.B, c.D * c.H)
        self.h0 = torch.zeros(c.L * c.D, c.B, c.H, dtype=dtype, device="cuda")
        self.c0 = torch.zeros_like(self.h0) if c.cell == "lstm" else None
        self.hT, self.cT = torch.empty_like(self.h0), torch.empty_like(self.h0)
        self.lengths = torch.full((c.B,), c.T, dtype=torch.int32, device="cuda")
        if c.training:
            self.dy, self.dx = numbers(c.T, c.B, c.D * c.H), torch.empty_like(self.x)
            self.dh0, self.dc0 = torch.empty_like(self.h0), torch.empty_like(self.h0)
            self.gradients = torch.empty_like(self.weights)

    def space(self, tensor):
        return ctypes.c_size_t(tensor.numel() * tensor.element_size()), pointer(tensor)

    def run(self):
        c, cudnn = self.cell, self.cudnn
        stream = self.torch.cuda.current_stream().cuda_stream
        cudnn.call("cudnnSetStream", cudnn.handle, ctypes.c_void_p(stream))
        lstm = c.cell == "lstm"
        cT, lengths = pointer(self.cT if lstm else None), pointer(self.lengths)
        cudnn.call("cudnnRNNForward", cudnn.handle, self.rnn, TRAINING if c.training else INFERENCE,
                   lengths, self.sequence_in, pointer(self.x), self.sequence_out, pointer(self.y),
                   self.state, pointer(self.h0), pointer(self.hT), self.state, pointer(self.c0), cT,
                   *self.space(self.weights), *self.space(self.work), *self.space(self.reserve))
        if not c.training:
            return
        dc0 = pointer(self.dc0 if lstm else None)
        cudnn.call("cudnnRNNBackwardData_v8", cudnn.handle, self.rnn, lengths, self.sequence_out,
                   pointer(self.y), pointer(self.dy), self.sequence_in, pointer(self.dx), self.state,
                   pointer(self.h0), None, pointer(self.dh0), self.state, pointer(self.c0), None, dc0,
                   *self.space(self.weights), *self.space(self.work), *self.space(self.reserve))
        # cuDNN 9 has SET in its header and may serve ADD alone: then the zeroing is part of the work.
        self.gradients.zero_()
        cudnn.call("cudnnRNNBackwardWeights_v8", cudnn.handle, self.rnn, 0, lengths, self.sequence_in,
                   pointer(self.x), self.state, pointer(self.h0), self.sequence_out, pointer(self.y),
                   *self.space(self.gradients), *self.space(self.work), *self.space(self.reserve))

    def check(self):
        """What was computed is finite and not the memory's old content."""
        before = self.y.clone()
        self.run()
        self.torch.cuda.synchronize()
        results = [self.y] + ([self.dx, self.gradients] if self.cell.training else [])
        if not all(bool(self.torch.isfinite(r).all()) for r in results):
            raise Refused("a result is not finite")
        if bool((self.y == before).all()):
            raise Refused("y was not written")

    def close(self):
        for kind, descriptor in (("RNNDataDescriptor", self.sequence_in),
                                 ("RNNDataDescriptor", self.sequence_out),
                                 ("TensorDescriptor", self.state), ("RNNDescriptor", self.rnn),
                                 ("DropoutDescriptor", self.dropout)):
            getattr(self.cudnn.library, f"cudnnDestroy{kind}")(descriptor)


class TorchRun:
    """The same cell as PyTorch's layer."""

    def __init__(self, torch, cell):
        self.torch, self.cell = torch, cell
        allow = cell.precision != "f32"
        torch.backends.cudnn.allow_tf32 = allow
        torch.backends.cuda.matmul.allow_tf32 = allow
        dtype = {"f16": torch.float16, "bf16": torch.bfloat16}.get(cell.precision, torch.float32)
        layer = torch.nn.LSTM if cell.cell == "lstm" else torch.nn.GRU
        self.layer = layer(cell.H, cell.H, num_layers=cell.L, bidirectional=cell.D == 2,
                           device="cuda", dtype=dtype)
        self.x = torch.rand(cell.T, cell.B, cell.H, device="cuda").mul_(2).sub_(1).to(dtype)
        self.dy = torch.rand(cell.T, cell.B, cell.D * cell.H, device="cuda").to(dtype)
        self.x.requires_grad_(cell.training)

    def run(self):
        if not self.cell.training:
            with self.torch.no_grad():
                self.layer(self.x)
            return
        y, _ = self.layer(self.x)
        self.torch.autograd.grad(y, [self.x, *self.layer.parameters()], self.dy)


def timed(torch, work):
    """Median, fastest and slowest microseconds of `work` by CUDA events."""
    for _ in range(3):
        work()
    torch.cuda.synchronize()
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    times = []
    while len(times) < REPEATS and (len(times) < 3 or sum(times) < ENOUGH_MS):
        start.record()
        work()
        end.record()
        end.synchronize()
        times.append(start.elapsed_time(end))
    return [1000 * t for t in (statistics.median(times), min(times), max(times))]


def as_graph(torch, work):
    """`work` captured once; the answer launches it."""
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        work()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        work()
    return graph.replay


class Rows:
    """The file of rows: appended and forced to the disk line by line."""

    def __init__(self, path):
        self.path = path
        self.done = set()
        if os.path.exists(path):
            with open(path, encoding="utf-8") as file:
                for line in file:
                    try:
                        row = json.loads(line)
                    except ValueError:
                        continue  # what a kill left of a line
                    if row["engine"] == "torch":  # the last of its cell
                        self.done.add(row["key"])

    def add(self, cell, engine, how, times=None, reason=None):
        row = {"key": cell.key, "engine": engine, "how": how}
        if times:
            row.update(us_median=times[0], us_min=times[1], us_max=times[2],
                       gflop_per_s=cell.flop() / times[0] / 1e3)
        if reason:
            row["refused"] = reason
        with open(self.path, "a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
            file.flush()
            os.fsync(file.fileno())


def measure_cudnn(cudnn, torch, cell, rows):
    for algorithm in ALGORITHMS:
        run = None
        try:
            run = CudnnRun(cudnn, torch, cell, algorithm)
            run.check()
            rows.add(cell, "cudnn", algorithm, timed(torch, run.run))
            try:
                rows.add(cell, "cudnn", algorithm + ", graph", timed(torch, as_graph(torch, run.run)))
            except RuntimeError as error:  # a capture that cuDNN's launches do not allow
                rows.add(cell, "cudnn", algorithm + ", graph", reason=str(error).split("\n")[0])
        except (Refused, torch.cuda.OutOfMemoryError) as error:
            rows.add(cell, "cudnn", algorithm, reason=str(error).split("\n")[0])
        finally:
            if run is not None:
                run.close()
            del run
            torch.cuda.empty_cache()


def measure_torch(torch, cell, rows):
    name = f"nn.{cell.cell.upper()}"
    try:
        rows.add(cell, "torch", name, timed(torch, TorchRun(torch, cell).run))
    except (RuntimeError, torch.cuda.OutOfMemoryError) as error:
        rows.add(cell, "torch", name, reason=str(error).split("\n")[0])
    torch.cuda.empty_cache()


def main():
    parser = argparse.ArgumentParser(description="Times cuDNN and PyTorch on the grid's cells.")
    parser.add_argument("--cells", required=True, help="a name a line, from `bench grid --list`")
    parser.add_argument("--out", required=True, help="lines of JSON are added to it")
    parser.add_argument("--budget", type=float, default=86400, help="seconds")
    parser.add_argument("--check-cells", action="store_true", help="only reads --cells; needs no GPU")
    options = parser.parse_args()
    end = time.monotonic() + options.budget
    with open(options.cells, encoding="utf-8") as file:
        cells = [Cell(line.strip()) for line in file if line.strip()]
    if options.check_cells:
        print(f"{len(cells)} cells, {sum(cell.flop() for cell in cells) / 1e12:.1f} TFLOP")
        return 0
    try:
        import torch
    except ImportError:
        print("cudnn_grid: PyTorch is not installed for this Python: there is no baseline",
              file=sys.stderr)
        return 2
    if not torch.cuda.is_available():
        print("cudnn_grid: PyTorch sees no CUDA device: there is no baseline", file=sys.stderr)
        return 2
    cudnn = Cudnn()
    print(f"cuDNN {cudnn.library.cudnnGetVersion()}, PyTorch {torch.__version__}, "
          f"{torch.cuda.get_device_name()}")
    rows = Rows(options.out)
    for cell in cells:
        if cell.key in rows.done:
            continue
        if time.monotonic() > end:
            print("the time is up; the next run goes on from here")
            return UNFINISHED
        measure_cudnn(cudnn, torch, cell, rows)
        measure_torch(torch, cell, rows)
        print(cell.key, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
