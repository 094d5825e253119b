package dev.fusedrnn.jcuda;

import dev.fusedrnn.Backend;
import dev.fusedrnn.DType;
import dev.fusedrnn.Device;
import dev.fusedrnn.DeviceBuffer;
import dev.fusedrnn.RnnCall;
import dev.fusedrnn.Stream;
import java.util.Arrays;
import java.util.function.Supplier;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import jcuda.Pointer;
import jcuda.driver.CUcontext;
import jcuda.driver.CUdevice;
import jcuda.driver.CUdeviceptr;
import jcuda.driver.CUstream;
import jcuda.jcublas.cublasHandle;
import jcuda.runtime.cudaStream_t;
import org.jspecify.annotations.Nullable;

/**
 * A {@link Device} in the context that JCuda made current, and what of JCuda's goes into its calls.
 * Memory, streams and handles stay JCuda's: nothing here frees or destroys them, and they have to
 * live until the work that uses them is done.
 *
 * <p>The context has to be the device's primary one, which JCuda's runtime API uses anyway: this
 * library, JCuda's runtime and cuBLAS can share no other. Calls of this library make it current on
 * the thread that calls them.
 *
 * <p>Threads: as {@link Device}.
 */
public final class JCudaDevice implements AutoCloseable {
  /** The default stream (0) and CUDA's two names for it (1 and 2) belong to the current context. */
  private static final long LAST_DEFAULT_STREAM = 2;

  private static final Pattern BLAS_VERSION =
      Pattern.compile("\"blas\": *\\{[^}]*\"version\": *\"([^\"]*)\"");

  private final Device device;
  private final CUdevice ordinal;
  private final CUcontext primary;
  private boolean closed;

  private JCudaDevice(Device device, CUdevice ordinal, CUcontext primary) {
    this.device = device;
    this.ordinal = ordinal;
    this.primary = primary;
  }

  /**
   * Opens the device of the calling thread's context, on the backend {@code cuda}.
   *
   * @return to be closed
   * @throws IllegalStateException where no context is current on this thread
   * @throws IllegalArgumentException where the context is not the device's primary one
   * @throws dev.fusedrnn.FusedRnnException where JCuda or the backend cannot be loaded
   */
  public static JCudaDevice open() {
    return open(Backend.CUDA);
  }

  /**
   * Opens the device of the calling thread's context. JCublas is loaded first, where it can be, so
   * that both use the same cuBLAS.
   *
   * @param backend {@link Backend#CUDA}, or {@link Backend#EMULATED} over stand-ins of CUDA's
   *     libraries, for tests
   * @return to be closed
   * @throws IllegalStateException where no context is current on this thread
   * @throws IllegalArgumentException where the context is not the device's primary one, or the
   *     backend has none
   * @throws dev.fusedrnn.FusedRnnException where JCuda or the backend cannot be loaded
   */
  public static JCudaDevice open(Backend backend) {
    if (backend != Backend.CUDA && backend != Backend.EMULATED) {
      throw new IllegalArgumentException(
          "backend: expected cuda, or emulated for tests, got "
              + backend.label()
              + ", which cannot use JCuda's memory");
    }
    Driver.load();
    CUcontext current = Driver.current();
    if (Address.of(current) == 0) {
      throw new IllegalStateException(
          "context: none is current on this thread; call cuInit(0),"
              + " cuDevicePrimaryCtxRetain(context, device) and cuCtxSetCurrent(context) first, or"
              + " anything of JCuda's runtime API, such as cudaFree(new Pointer())");
    }
    CUdevice ordinal = Driver.currentDevice();
    CUcontext primary = Driver.retainPrimary(ordinal);
    try {
      if (!primary.equals(current)) {
        throw new IllegalArgumentException(
            "context: expected the primary context of device "
                + Address.of(ordinal)
                + ", got another; make the primary one current with"
                + " cuDevicePrimaryCtxRetain(context, device) and cuCtxSetCurrent(context) instead"
                + " of cuCtxCreate, and allocate in it");
      }
      Cublas.present();
      Device device = Device.open(backend, Math.toIntExact(Address.of(ordinal)));
      return new JCudaDevice(device, ordinal, primary);
    } catch (RuntimeException | Error e) {
      Driver.releasePrimary(ordinal);
      throw e;
    }
  }

  /**
   * The device, for layers, calls and buffers of this library's own.
   *
   * @return open until {@link #close()}
   */
  public Device device() {
    return device;
  }

  /**
   * Uses memory that JCuda allocated, by {@code cuMemAlloc} or {@code cudaMalloc}. It is compared
   * with the allocation that the driver knows at this address. Memory that is mapped in pieces
   * ({@code cuMemMap}) goes unchecked through {@link Device#wrap} with {@link #address}.
   *
   * @param dtype element type
   * @param pointer a {@link Pointer} or {@link CUdeviceptr}, with or without a byte offset
   * @param shape sizes, each at least 0; a single size makes a flat buffer that fits any shape of
   *     as many elements
   * @return a view; closing it frees nothing. The memory must outlive it
   * @throws IllegalArgumentException where the pointer is null, points into the Java heap, was
   *     freed, belongs to another context, or the tensor does not fit into the allocation behind it
   */
  public DeviceBuffer wrap(DType dtype, Pointer pointer, long... shape) {
    requireOpen();
    long address = address(pointer);
    if (Address.base(pointer) == 0 && !(pointer instanceof CUdeviceptr && address != 0)) {
      address = 0;
    }
    long elements = 1;
    for (long size : shape) {
      elements = Math.multiplyExact(elements, size);
    }
    if (elements > 0) {
      if (address == 0) {
        throw new IllegalArgumentException(
            "pointer: expected device memory, got a null pointer or an array of Java; allocate with"
                + " cuMemAlloc or cudaMalloc, and copy the array there");
      }
      checkRange(address, Math.multiplyExact(elements, dtype.bytes()), dtype, shape);
    }
    return device.wrap(dtype, address, shape);
  }

  private void checkRange(long address, long bytes, DType dtype, long[] shape) {
    Driver.Range range = inPrimary(() -> Driver.range(address));
    long owner = range.bytes() == 0 ? 0 : Driver.contextOf(address);
    if (range.bytes() == 0 || owner != 0 && owner != Address.of(primary)) {
      throw new IllegalArgumentException(
          String.format(
              "pointer: 0x%x is no live allocation of the primary context: it was freed, belongs to"
                  + " another context, or is host memory; expected what cuMemAlloc or cudaMalloc"
                  + " gave while the primary context was current",
              address));
    }
    long offset = address - range.base();
    if (bytes > range.bytes() - offset) {
      throw new IllegalArgumentException(
          String.format(
              "pointer: expected %d bytes for %s%s at byte offset %d, got an allocation of %d bytes"
                  + " with %d behind the offset; allocate more or lower the offset",
              bytes,
              dtype.label(),
              Arrays.toString(shape),
              offset,
              range.bytes(),
              Math.max(0, range.bytes() - offset)));
    }
  }

  /**
   * Uses a stream of JCuda's driver API.
   *
   * @param stream a stream of the primary context, or one with a null pointer: the default stream
   * @return the stream; closing it destroys nothing. JCuda's must outlive it
   * @throws IllegalArgumentException where the stream was destroyed or belongs to another context
   */
  public Stream wrap(CUstream stream) {
    requireOpen();
    long handle = Address.of(required("stream", stream));
    if (handle < 0 || handle > LAST_DEFAULT_STREAM) {
      checkContext("stream", inPrimary(() -> Driver.contextOf(stream)));
    }
    return device.wrapStream(handle);
  }

  /**
   * Uses a stream of JCuda's runtime API.
   *
   * @param stream a stream of this device, or one with a null pointer: the default stream
   * @return the stream; closing it destroys nothing. JCuda's must outlive it
   * @throws IllegalArgumentException where the stream was destroyed or belongs to another context
   */
  public Stream wrap(cudaStream_t stream) {
    return wrap(new CUstream(required("stream", stream)));
  }

  /**
   * Uses a handle of JCublas2 for the matrix products of a call, as in {@code
   * call.blas(jcuda.blas(handle))}. During the call the handle has the call's stream, host pointers
   * and the math mode of the call; stream, pointer mode and math mode are put back before the call
   * returns. cuBLAS does not say which workspace a handle has: where the handle's stream is that of
   * the call, its workspace is left alone; where it is not, the handle is left with cuBLAS's
   * default pool, and {@code cublasSetWorkspace} has to be called again by whoever had set one. No
   * other thread may use the handle during a call.
   *
   * @param handle from {@code cublasCreate} in the primary context
   * @return for {@link RnnCall#blas(long)} and {@link dev.fusedrnn.Linear#blas(long)}
   * @throws IllegalArgumentException where the handle is null or destroyed, its stream belongs to
   *     another context, or it comes from another cuBLAS than the device uses. Of a handle on the
   *     default stream cuBLAS does not say which context it is of: that is the caller's to know
   * @throws dev.fusedrnn.FusedRnnException where JCublas cannot be loaded; says what to install
   */
  public long blas(cublasHandle handle) {
    requireOpen();
    Cublas.require();
    if (Address.of(required("handle", handle)) == 0) {
      throw new IllegalArgumentException(
          "handle: expected a handle, got a null pointer; call cublasCreate(handle) first");
    }
    CUstream stream =
        inPrimary(
            () -> {
              checkSameLibrary(device.describe(), Cublas.version(handle));
              return Cublas.stream(handle);
            });
    if (Address.of(stream) < 0 || Address.of(stream) > LAST_DEFAULT_STREAM) {
      checkContext("handle's stream", inPrimary(() -> Driver.contextOf(stream)));
    }
    return Address.of(handle);
  }

  /**
   * Makes a handle of JCublas2 in the primary context.
   *
   * @return to be destroyed with {@code cublasDestroy}
   * @throws dev.fusedrnn.FusedRnnException where JCublas cannot be loaded; says what to install
   */
  public cublasHandle newBlasHandle() {
    requireOpen();
    Cublas.require();
    return inPrimary(Cublas::create);
  }

  /** Refuses a handle of one cuBLAS in the functions of another: their insides differ. */
  static void checkSameLibrary(String description, String handleVersion) {
    Matcher own = BLAS_VERSION.matcher(description);
    String ownVersion = own.find() ? own.group(1) : "none";
    if (!ownVersion.equals(handleVersion)) {
      throw new IllegalArgumentException(
          "handle: expected one of cuBLAS "
              + ownVersion
              + ", which the device uses, got one of cuBLAS "
              + handleVersion
              + ": two are loaded in this process. Open the JCudaDevice before anything else loads"
              + " a cuBLAS, or name JCublas's own before a device is opened:"
              + " Device.setOption(\"cublas\", \"libcublas.so.12\")");
    }
  }

  /**
   * The device address behind a pointer.
   *
   * @param pointer of JCuda
   * @return its address and byte offset together; 0 for a null pointer
   */
  public static long address(Pointer pointer) {
    return Address.of(required("pointer", pointer));
  }

  /**
   * A pointer to a buffer of this library, for JCuda's copies and kernels.
   *
   * @param buffer of a cuda or emulated device; must outlive the pointer
   * @return a pointer; not to be freed
   * @throws IllegalStateException where the buffer is closed
   */
  public static CUdeviceptr pointer(DeviceBuffer buffer) {
    return Address.pointer(buffer.address());
  }

  private static <T> T required(String name, @Nullable T argument) {
    if (argument == null) {
      throw new IllegalArgumentException(name + ": expected an object of JCuda's, got null");
    }
    return argument;
  }

  private void checkContext(String name, long context) {
    if (context != Address.of(primary)) {
      throw new IllegalArgumentException(
          name
              + ": "
              + (context == 0 ? "it is no live stream" : "it belongs to another context")
              + "; expected one that cuStreamCreate or cudaStreamCreate made while the primary"
              + " context of "
              + device
              + " was current, and that is not destroyed");
    }
  }

  private <T> T inPrimary(Supplier<T> question) {
    Driver.push(primary);
    try {
      return question.get();
    } finally {
      Driver.pop();
    }
  }

  private void requireOpen() {
    if (closed) {
      throw new IllegalStateException("JCudaDevice of " + device + " is closed");
    }
  }

  /** Closes the device and gives the primary context back; idempotent. JCuda's objects stay. */
  @Override
  public void close() {
    if (closed) {
      return;
    }
    closed = true;
    try {
      device.close();
    } finally {
      Driver.releasePrimary(ordinal);
    }
  }

  @Override
  public String toString() {
    return "JCudaDevice of " + device;
  }
}
