package dev.fusedrnn.jcuda;

import static jcuda.driver.JCudaDriver.cuCtxSetCurrent;
import static jcuda.driver.JCudaDriver.cuDeviceGet;
import static jcuda.driver.JCudaDriver.cuDevicePrimaryCtxRelease;
import static jcuda.driver.JCudaDriver.cuDevicePrimaryCtxRetain;
import static jcuda.driver.JCudaDriver.cuInit;
import static jcuda.driver.JCudaDriver.cuMemAlloc;
import static jcuda.driver.JCudaDriver.cuMemFree;
import static jcuda.driver.JCudaDriver.cuMemcpyDtoH;
import static jcuda.driver.JCudaDriver.cuMemcpyHtoD;

import dev.fusedrnn.Backend;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import jcuda.Pointer;
import jcuda.driver.CUcontext;
import jcuda.driver.CUdevice;
import jcuda.driver.CUdeviceptr;
import jcuda.driver.JCudaDriver;
import jcuda.jcublas.JCublas2;

/** What a JCuda program has before it meets this library: a primary context, and memory in it. */
final class JCudaFixture implements AutoCloseable {
  /** Where the tests run: emulated, over the stand-ins, unless a GPU is asked for. */
  static final Backend BACKEND =
      Backend.fromName(System.getProperty("fusedrnn.jcuda.backend", "emulated"));

  final CUdevice device = new CUdevice();
  final CUcontext context = new CUcontext();
  private final List<CUdeviceptr> allocated = new ArrayList<>();

  JCudaFixture() {
    JCudaDriver.setExceptionsEnabled(true);
    JCublas2.setExceptionsEnabled(true);
    cuInit(0);
    cuDeviceGet(device, 0);
    cuDevicePrimaryCtxRetain(context, device);
    cuCtxSetCurrent(context);
  }

  CUdeviceptr allocate(long bytes) {
    CUdeviceptr pointer = new CUdeviceptr();
    cuMemAlloc(pointer, bytes);
    allocated.add(pointer);
    return pointer;
  }

  CUdeviceptr upload(float... values) {
    CUdeviceptr pointer = allocate(4L * values.length);
    cuMemcpyHtoD(pointer, Pointer.to(values), 4L * values.length);
    return pointer;
  }

  /** Memory whose content must be overwritten: NaN. */
  CUdeviceptr output(int count) {
    float[] nan = new float[count];
    Arrays.fill(nan, Float.NaN);
    return upload(nan);
  }

  static float[] download(CUdeviceptr pointer, int count) {
    float[] values = new float[count];
    cuMemcpyDtoH(Pointer.to(values), pointer, 4L * count);
    return values;
  }

  @Override
  public void close() {
    allocated.forEach(JCudaDriver::cuMemFree);
    cuCtxSetCurrent(new CUcontext());
    cuDevicePrimaryCtxRelease(device);
  }

  /** Frees early; the pointer is left as JCuda leaves it. */
  void free(CUdeviceptr pointer) {
    allocated.remove(pointer);
    cuMemFree(pointer);
  }
}
