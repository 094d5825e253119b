package dev.fusedrnn.jcuda;

import dev.fusedrnn.FusedRnnException;
import dev.fusedrnn.Status;
import java.util.function.IntSupplier;
import jcuda.CudaException;
import jcuda.Pointer;
import jcuda.driver.CUcontext;
import jcuda.driver.CUdevice;
import jcuda.driver.CUdeviceptr;
import jcuda.driver.CUpointer_attribute;
import jcuda.driver.CUresult;
import jcuda.driver.CUstream;
import jcuda.driver.JCudaDriver;

/**
 * The calls of JCuda's driver API that the adapter makes. They answer in results whether or not the
 * program has asked JCuda for exceptions.
 */
final class Driver {
  /** Where JCuda threw, and so did not say which result it was. */
  private static final int THROWN = CUresult.CUDA_ERROR_UNKNOWN;

  private static final String SUCCESS = CUresult.stringFor(CUresult.CUDA_SUCCESS);

  private Driver() {}

  /** An allocation. */
  record Range(long base, long bytes) {}

  /** Loads JCuda's driver binding, or says what is missing. */
  static void load() {
    try {
      JCudaDriver.cuDriverGetVersion(new int[1]); // its class loads the binding
    } catch (UnsatisfiedLinkError | NoClassDefFoundError | ExceptionInInitializerError e) {
      FusedRnnException absent =
          new FusedRnnException(
              Status.UNAVAILABLE,
              "JCudaDevice.open: JCuda's driver binding could not be loaded. It needs libcuda.so.1:"
                  + " install the NVIDIA driver, so that nvidia-smi lists a GPU. JCuda's reason: "
                  + reason(e));
      absent.initCause(e);
      throw absent;
    }
  }

  /** The line of JCuda's long message that holds the reason. */
  static String reason(Throwable error) {
    return String.valueOf(error.getMessage())
        .lines()
        .filter(line -> line.contains(".so") && line.contains(": "))
        .findFirst()
        .orElse(String.valueOf(error))
        .strip();
  }

  private static int result(IntSupplier call) {
    try {
      return call.getAsInt();
    } catch (CudaException e) {
      return THROWN;
    }
  }

  private static void must(String name, IntSupplier call) {
    String answer;
    try {
      answer = CUresult.stringFor(call.getAsInt());
    } catch (CudaException e) { // where the program asked JCuda for exceptions
      answer = String.valueOf(e.getMessage());
    }
    if (!answer.equals(SUCCESS)) {
      throw new FusedRnnException(
          Status.DEVICE_ERROR,
          name
              + ": the driver answered "
              + answer
              + "; is cuInit(0) called, and does nvidia-smi list the GPU?");
    }
  }

  /** The calling thread's context; null where it has none. */
  static CUcontext current() {
    CUcontext context = new CUcontext();
    must("cuCtxGetCurrent", () -> JCudaDriver.cuCtxGetCurrent(context));
    return context;
  }

  /** The device of the calling thread's context. */
  static CUdevice currentDevice() {
    CUdevice device = new CUdevice();
    must("cuCtxGetDevice", () -> JCudaDriver.cuCtxGetDevice(device));
    return device;
  }

  static CUcontext retainPrimary(CUdevice device) {
    CUcontext context = new CUcontext();
    must("cuDevicePrimaryCtxRetain", () -> JCudaDriver.cuDevicePrimaryCtxRetain(context, device));
    return context;
  }

  static void releasePrimary(CUdevice device) {
    must("cuDevicePrimaryCtxRelease", () -> JCudaDriver.cuDevicePrimaryCtxRelease(device));
  }

  /** Makes a context current; to be undone by {@link #pop()}. */
  static void push(CUcontext context) {
    must("cuCtxPushCurrent", () -> JCudaDriver.cuCtxPushCurrent(context));
  }

  static void pop() {
    must("cuCtxPopCurrent", () -> JCudaDriver.cuCtxPopCurrent(new CUcontext()));
  }

  /** The allocation that holds an address; bytes 0 where there is none. */
  static Range range(long address) {
    CUdeviceptr base = new CUdeviceptr();
    long[] bytes = new long[1];
    int result =
        result(() -> JCudaDriver.cuMemGetAddressRange(base, bytes, Address.pointer(address)));
    return result == CUresult.CUDA_SUCCESS
        ? new Range(Address.of(base), bytes[0])
        : new Range(address, 0);
  }

  /** The context of an address; 0 where the driver does not say. */
  static long contextOf(long address) {
    long[] context = new long[1];
    int result =
        result(
            () ->
                JCudaDriver.cuPointerGetAttribute(
                    Pointer.to(context),
                    CUpointer_attribute.CU_POINTER_ATTRIBUTE_CONTEXT,
                    Address.pointer(address)));
    return result == CUresult.CUDA_SUCCESS ? context[0] : 0;
  }

  /** The context of a stream; 0 where it is no stream. */
  static long contextOf(CUstream stream) {
    CUcontext context = new CUcontext();
    int result = result(() -> JCudaDriver.cuStreamGetCtx(stream, context));
    return result == CUresult.CUDA_SUCCESS ? Address.of(context) : 0;
  }
}
