package dev.fusedrnn.bench;

import static jcuda.driver.JCudaDriver.cuCtxSetCurrent;
import static jcuda.driver.JCudaDriver.cuDeviceGet;
import static jcuda.driver.JCudaDriver.cuDevicePrimaryCtxRelease;
import static jcuda.driver.JCudaDriver.cuDevicePrimaryCtxRetain;
import static jcuda.driver.JCudaDriver.cuInit;
import static jcuda.driver.JCudaDriver.cuLaunchKernel;
import static jcuda.driver.JCudaDriver.cuMemAlloc;
import static jcuda.driver.JCudaDriver.cuMemcpyDtoH;
import static jcuda.driver.JCudaDriver.cuMemcpyHtoD;
import static jcuda.driver.JCudaDriver.cuModuleGetFunction;
import static jcuda.driver.JCudaDriver.cuModuleLoad;
import static jcuda.driver.JCudaDriver.cuModuleLoadData;
import static jcuda.driver.JCudaDriver.cuModuleUnload;
import static jcuda.driver.JCudaDriver.cuStreamCreate;
import static jcuda.driver.JCudaDriver.cuStreamDestroy;
import static jcuda.driver.JCudaDriver.cuStreamSynchronize;
import static jcuda.jcublas.cublasOperation.CUBLAS_OP_N;
import static jcuda.jcublas.cublasOperation.CUBLAS_OP_T;

import dev.fusedrnn.Backend;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import jcuda.CudaException;
import jcuda.Pointer;
import jcuda.driver.CUcontext;
import jcuda.driver.CUdevice;
import jcuda.driver.CUdeviceptr;
import jcuda.driver.CUfunction;
import jcuda.driver.CUmodule;
import jcuda.driver.CUstream;
import jcuda.driver.CUstream_flags;
import jcuda.driver.JCudaDriver;
import jcuda.jcublas.JCublas2;
import jcuda.jcublas.cublasHandle;
import jcuda.jcublas.cublasMath;
import jcuda.runtime.cudaStream_t;

/**
 * The unfused loop as a program on JCuda has it: products by JCublas2, element-wise operations as
 * kernels of {@code unfused.cu}, launched through the driver API. Parameters of launches are made
 * once, so that a launch costs no more than JCuda's own crossing.
 */
final class JCudaOperators extends Operators {
  /** The file of the kernels for the emulated machine; tests set it. */
  static final String EMULATED_MODULE = "fusedrnn.bench.module";

  private static final String PTX = "unfused.ptx";
  private static final int THREADS = 256;

  private final String who;
  private final CUdevice device = new CUdevice();
  private final CUmodule module = new CUmodule();
  private final CUstream stream = new CUstream();
  private final cublasHandle handle = new cublasHandle();
  private final Map<String, CUfunction> kernels = new HashMap<>();
  private final List<CUdeviceptr> memory = new ArrayList<>();
  private final Pointer zero = Pointer.to(new float[] {0});
  private final Pointer one = Pointer.to(new float[] {1});

  private JCudaOperators(Backend backend, Precision precision) {
    who = "the unfused loop of JCublas2 on " + backend.label();
    cuInit(0);
    cuDeviceGet(device, 0);
    CUcontext context = new CUcontext();
    cuDevicePrimaryCtxRetain(context, device);
    cuCtxSetCurrent(context);
    loadModule(backend);
    cuStreamCreate(stream, CUstream_flags.CU_STREAM_DEFAULT);
    JCublas2.cublasCreate(handle);
    JCublas2.cublasSetStream(handle, new cudaStream_t(stream));
    JCublas2.cublasSetMathMode(
        handle,
        precision.tf32() ? cublasMath.CUBLAS_TF32_TENSOR_OP_MATH : cublasMath.CUBLAS_DEFAULT_MATH);
  }

  /**
   * Opens device 0.
   *
   * @param backend cuda, or emulated over the stand-ins of CUDA's libraries
   * @param precision F32 or TF32
   * @return to be closed
   * @throws NoBaselineException where something that it needs is not there; says what
   */
  static JCudaOperators open(Backend backend, Precision precision) {
    try {
      JCudaDriver.setExceptionsEnabled(true);
      JCublas2.setExceptionsEnabled(true);
      return new JCudaOperators(backend, precision);
    } catch (UnsatisfiedLinkError | NoClassDefFoundError | ExceptionInInitializerError e) {
      String reason =
          String.valueOf(e.getMessage())
              .lines()
              .filter(line -> line.contains(".so"))
              .findFirst()
              .orElse(e.toString());
      throw new NoBaselineException(
          "JCuda or JCublas cannot be loaded; they need the NVIDIA driver and libcublas.so.12 of"
              + " CUDA 12 (install libcublas-12-6, or add its folder to LD_LIBRARY_PATH): "
              + reason.strip());
    } catch (CudaException e) {
      throw new NoBaselineException("JCuda answered " + e.getMessage());
    }
  }

  private void loadModule(Backend backend) {
    if (backend == Backend.EMULATED) {
      String file = System.getProperty(EMULATED_MODULE);
      if (file == null) {
        throw new NoBaselineException(
            "the kernels of the emulated machine are for tests: set -D" + EMULATED_MODULE);
      }
      cuModuleLoad(module, file);
      return;
    }
    try (InputStream ptx = JCudaOperators.class.getResourceAsStream(PTX)) {
      if (ptx == null) {
        throw new NoBaselineException(
            "this build has no PTX of the unfused loop's kernels: put nvcc (CUDA 12 or 13) on the"
                + " PATH and build again");
      }
      cuModuleLoadData(module, new String(ptx.readAllBytes(), StandardCharsets.US_ASCII));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private record DeviceTensor(CUdeviceptr pointer) implements Tensor {}

  @Override
  Tensor tensor(int floats) {
    CUdeviceptr pointer = new CUdeviceptr();
    cuMemAlloc(pointer, 4L * floats);
    memory.add(pointer);
    return new DeviceTensor(pointer);
  }

  private static CUdeviceptr at(Tensor tensor, int offset) {
    return ((DeviceTensor) tensor).pointer().withByteOffset(4L * offset);
  }

  private static CUdeviceptr at(Block block) {
    return at(block.tensor(), block.offset());
  }

  @Override
  void write(Tensor tensor, int offset, float[] values) {
    cuMemcpyHtoD(at(tensor, offset), Pointer.to(values), 4L * values.length);
  }

  @Override
  float[] read(Tensor tensor, int offset, int count) {
    float[] values = new float[count];
    cuMemcpyDtoH(Pointer.to(values), at(tensor, offset), 4L * count);
    return values;
  }

  // ---- Element-wise kernels

  private static Pointer number(int value) {
    return Pointer.to(new int[] {value});
  }

  private static Pointer address(Block block) {
    return Pointer.to(at(block));
  }

  private Runnable launch(String name, Block out, Pointer... parameters) {
    CUfunction kernel =
        kernels.computeIfAbsent(
            "unfused_" + name.toLowerCase(Locale.ROOT),
            symbol -> {
              CUfunction function = new CUfunction();
              cuModuleGetFunction(function, module, symbol);
              return function;
            });
    int blocks = (out.rows() * out.columns() + THREADS - 1) / THREADS;
    Pointer packed = Pointer.to(parameters);
    return () -> cuLaunchKernel(kernel, blocks, 1, 1, THREADS, 1, 1, 0, stream, packed, null);
  }

  @Override
  Runnable apply(Unary operation, Block out, Block a) {
    return launch(
        operation == Unary.COPY ? "copy" : "apply_" + operation.name(),
        out,
        address(out),
        number(out.stride()),
        address(a),
        number(a.stride()),
        number(out.rows()),
        number(out.columns()));
  }

  @Override
  Runnable apply(Binary operation, Block out, Block a, Block b) {
    return launch(
        operation.name(),
        out,
        address(out),
        number(out.stride()),
        address(a),
        number(a.stride()),
        address(b),
        number(b.stride()),
        number(out.rows()),
        number(out.columns()));
  }

  @Override
  Runnable addBias(Block x, Block bias) {
    return launch(
        "add_bias",
        x,
        address(x),
        number(x.stride()),
        address(bias),
        number(x.rows()),
        number(x.columns()));
  }

  // ---- Products. cuBLAS is column-major: a row-major c = a b is, by columns, c' = b' a'.

  private Runnable multiply(Block out, int opA, Block a, int opB, Block b, int inner, boolean add) {
    CUdeviceptr to = at(out);
    CUdeviceptr left = at(b);
    CUdeviceptr right = at(a);
    Pointer beta = add ? one : zero;
    return () ->
        JCublas2.cublasSgemm(
            handle,
            opB,
            opA,
            out.columns(),
            out.rows(),
            inner,
            one,
            left,
            b.stride(),
            right,
            a.stride(),
            beta,
            to,
            out.stride());
  }

  @Override
  Runnable product(Block out, Block a, Block w, boolean add) {
    return multiply(out, CUBLAS_OP_N, a, CUBLAS_OP_T, w, a.columns(), add);
  }

  @Override
  Runnable inputGradient(Block dx, Block dy, Block w, boolean add) {
    return multiply(dx, CUBLAS_OP_N, dy, CUBLAS_OP_N, w, dy.columns(), add);
  }

  @Override
  Runnable weightGradient(Block dw, Block dy, Block x) {
    return multiply(dw, CUBLAS_OP_T, dy, CUBLAS_OP_N, x, dy.rows(), false);
  }

  /** As programs without a reduction kernel do it: a product with ones. */
  @Override
  Runnable columnSums(Block out, Block dy) {
    Block ones = matrix(1, dy.rows());
    float[] values = new float[dy.rows()];
    Arrays.fill(values, 1f);
    write(ones.tensor(), 0, values);
    return multiply(out, CUBLAS_OP_N, ones, CUBLAS_OP_N, dy, dy.rows(), false);
  }

  @Override
  void synchronize() {
    cuStreamSynchronize(stream);
  }

  @Override
  String who() {
    return who;
  }

  @Override
  public void close() {
    memory.forEach(JCudaDriver::cuMemFree);
    JCublas2.cublasDestroy(handle);
    cuStreamDestroy(stream);
    cuModuleUnload(module);
    cuDevicePrimaryCtxRelease(device);
  }
}
