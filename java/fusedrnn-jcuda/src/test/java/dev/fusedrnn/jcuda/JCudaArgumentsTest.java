package dev.fusedrnn.jcuda;

import static jcuda.driver.JCudaDriver.cuCtxCreate;
import static jcuda.driver.JCudaDriver.cuCtxDestroy;
import static jcuda.driver.JCudaDriver.cuCtxGetCurrent;
import static jcuda.driver.JCudaDriver.cuCtxSetCurrent;
import static jcuda.driver.JCudaDriver.cuStreamCreate;
import static jcuda.driver.JCudaDriver.cuStreamDestroy;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.fusedrnn.Backend;
import dev.fusedrnn.DType;
import dev.fusedrnn.Device;
import dev.fusedrnn.DeviceBuffer;
import dev.fusedrnn.FusedRnnException;
import dev.fusedrnn.Linear;
import dev.fusedrnn.Stream;
import jcuda.Pointer;
import jcuda.driver.CUcontext;
import jcuda.driver.CUdeviceptr;
import jcuda.driver.CUstream;
import jcuda.driver.JCudaDriver;
import jcuda.jcublas.JCublas2;
import jcuda.jcublas.cublasHandle;
import jcuda.runtime.cudaStream_t;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;
import org.junit.jupiter.api.function.Executable;

/**
 * Goal: what goes in and out is JCuda's own memory and streams, and what cannot go in is refused by
 * a sentence that names the argument and the cure. Method: one wrong thing at a time, over the
 * stand-ins of the emulated machine; the JVM is still there at the end. Not on a GPU, whose driver
 * may do anything with what was destroyed.
 */
@EnabledIfSystemProperty(named = "fusedrnn.jcuda.backend", matches = "emulated")
class JCudaArgumentsTest {
  private JCudaFixture program;
  private JCudaDevice jcuda;

  @BeforeEach
  void open() {
    program = new JCudaFixture();
    jcuda = JCudaDevice.open(Backend.EMULATED);
  }

  @AfterEach
  void close() {
    jcuda.close();
    program.close();
  }

  private static String refused(Executable call) {
    return assertThrows(IllegalArgumentException.class, call).getMessage();
  }

  private static void says(String message, String... parts) {
    for (String part : parts) {
      assertTrue(message.contains(part), message);
    }
  }

  // ---- What goes through

  @Test
  void offsetsOfPointersCount() {
    CUdeviceptr memory = program.upload(1, 2, 3, 4, 5, 6);
    DeviceBuffer tail = jcuda.wrap(DType.F32, memory.withByteOffset(4).withByteOffset(4), 4);
    assertArrayEquals(new float[] {3, 4, 5, 6}, tail.readFloats());
    Pointer untyped = memory;
    assertArrayEquals(
        new float[] {2, 3}, jcuda.wrap(DType.F32, untyped.withByteOffset(4), 2).readFloats());
    tail.slice(1, 2).zero(jcuda.device().defaultStream());
    assertArrayEquals(new float[] {1, 2, 3, 0, 0, 6}, JCudaFixture.download(memory, 6));
  }

  @Test
  void aPointerToOurBufferServesJCuda() {
    try (DeviceBuffer buffer = jcuda.device().allocate(DType.F32, 3)) {
      buffer.write(new float[] {7, 8, 9});
      CUdeviceptr pointer = JCudaDevice.pointer(buffer);
      assertEquals(buffer.address(), JCudaDevice.address(pointer));
      assertArrayEquals(new float[] {7, 8, 9}, JCudaFixture.download(pointer, 3));
      assertArrayEquals(
          new float[] {9}, jcuda.wrap(DType.F32, pointer.withByteOffset(8), 1).readFloats());
    }
  }

  @Test
  void emptyTensorsNeedNoMemory() {
    assertEquals(0, jcuda.wrap(DType.F32, new CUdeviceptr(), 0, 5).length());
  }

  @Test
  void closingAViewFreesNothing() {
    CUdeviceptr memory = program.upload(1, 2);
    jcuda.wrap(DType.F32, memory, 2).close();
    assertArrayEquals(new float[] {1, 2}, JCudaFixture.download(memory, 2));
    CUstream stream = new CUstream();
    cuStreamCreate(stream, 0);
    jcuda.wrap(stream).close();
    assertEquals(0, JCudaDriver.cuStreamSynchronize(stream));
    cuStreamDestroy(stream);
  }

  @Test
  void defaultStreamsAreTheDevicesOwn() {
    assertEquals(0, jcuda.wrap(new CUstream()).handle());
    assertEquals(0, jcuda.wrap(new cudaStream_t()).handle());
  }

  @Test
  void aLinearLayerTakesTheHandle() {
    cublasHandle handle = jcuda.newBlasHandle();
    try (Linear linear = Linear.create(jcuda.device(), DType.F32, 1, 2, 1)) {
      CUdeviceptr y = program.output(1);
      linear.x(jcuda.wrap(DType.F32, program.upload(1, 2), 1, 2));
      linear.w(jcuda.wrap(DType.F32, program.upload(3, 4), 1, 2));
      linear.y(jcuda.wrap(DType.F32, y, 1, 1)).blas(jcuda.blas(handle));
      linear.forward(jcuda.device().defaultStream());
      assertArrayEquals(new float[] {11}, JCudaFixture.download(y, 1));
      JCublas2.cublasDestroy(handle);
      String late =
          assertThrows(RuntimeException.class, () -> linear.forward(jcuda.device().defaultStream()))
              .getMessage();
      says(late, "Linear.forward", "cuBLAS answered");
    }
  }

  // ---- Pointers

  @Test
  void nullPointersAreRefused() {
    says(refused(() -> jcuda.wrap(DType.F32, null, 3)), "pointer: expected", "got null");
    says(refused(() -> jcuda.wrap(DType.F32, new CUdeviceptr(), 3)), "pointer:", "null pointer");
    says(refused(() -> jcuda.wrap(DType.F32, new Pointer().withByteOffset(8), 3)), "null pointer");
    says(
        refused(() -> jcuda.wrap(DType.F32, Pointer.to(new float[3]), 3)),
        "pointer:",
        "array of Java",
        "cuMemAlloc");
  }

  @Test
  void freedMemoryIsRefused() {
    CUdeviceptr memory = program.upload(1, 2, 3);
    program.free(memory);
    says(refused(() -> jcuda.wrap(DType.F32, memory, 3)), "pointer: 0x", "freed", "cuMemAlloc");
  }

  @Test
  void whatDoesNotFitTheAllocationIsRefused() {
    CUdeviceptr memory = program.upload(new float[10]);
    assertEquals(
        "pointer: expected 16 bytes for f32[2, 2] at byte offset 28, got an allocation of 40 bytes"
            + " with 12 behind the offset; allocate more or lower the offset",
        refused(() -> jcuda.wrap(DType.F32, memory.withByteOffset(28), 2, 2)));
    says(refused(() -> jcuda.wrap(DType.F64, memory, 6)), "expected 48 bytes", "of 40 bytes");
    says(refused(() -> jcuda.wrap(DType.F32, memory.withByteOffset(1 << 20), 1)), "pointer: 0x");
  }

  @Test
  void memoryOfAnotherContextIsRefused() {
    CUcontext other = new CUcontext();
    cuCtxCreate(other, 0, program.device);
    CUdeviceptr memory = new CUdeviceptr();
    JCudaDriver.cuMemAlloc(memory, 16);
    says(refused(() -> jcuda.wrap(DType.F32, memory, 4)), "pointer: 0x", "primary context");
    CUcontext now = new CUcontext();
    cuCtxGetCurrent(now);
    assertEquals(other, now, "a check leaves the program's context current");
    cuCtxDestroy(other);
  }

  // ---- Streams

  @Test
  void foreignAndDeadStreamsAreRefused() {
    says(refused(() -> jcuda.wrap((CUstream) null)), "stream: expected", "got null");
    says(refused(() -> jcuda.wrap((cudaStream_t) null)), "stream: expected", "got null");
    CUstream dead = new CUstream();
    cuStreamCreate(dead, 0);
    cuStreamDestroy(dead);
    says(refused(() -> jcuda.wrap(dead)), "stream: it is no live stream", "cuStreamCreate");
    CUcontext other = new CUcontext();
    cuCtxCreate(other, 0, program.device);
    CUstream foreign = new CUstream();
    cuStreamCreate(foreign, 0);
    says(
        refused(() -> jcuda.wrap(new cudaStream_t(foreign))),
        "stream: it belongs to another context",
        "primary context");
    cuCtxDestroy(other);
  }

  // ---- Handles

  @Test
  void nullAndDestroyedHandlesAreRefused() {
    says(refused(() -> jcuda.blas(null)), "handle: expected", "got null");
    says(refused(() -> jcuda.blas(new cublasHandle())), "handle:", "cublasCreate");
    cublasHandle handle = jcuda.newBlasHandle();
    JCublas2.cublasDestroy(handle);
    says(refused(() -> jcuda.blas(handle)), "handle: cublasGetStream", "not destroyed");
  }

  @Test
  void aHandleOfAnotherContextIsRefused() {
    CUcontext other = new CUcontext();
    cuCtxCreate(other, 0, program.device);
    cublasHandle handle = new cublasHandle();
    JCublas2.cublasCreate(handle);
    CUstream stream = new CUstream();
    cuStreamCreate(stream, 0);
    JCublas2.cublasSetStream(handle, new cudaStream_t(stream));
    says(refused(() -> jcuda.blas(handle)), "handle's stream: it belongs to another context");
    JCublas2.cublasDestroy(handle);
    cuCtxDestroy(other);
  }

  @Test
  void aHandleOfAnotherContextFailsInItsCall() {
    CUcontext other = new CUcontext();
    cuCtxCreate(other, 0, program.device);
    cublasHandle handle = new cublasHandle();
    JCublas2.cublasCreate(handle); // on the default stream, which tells no context
    cuCtxSetCurrent(program.context);
    CUstream stream = new CUstream();
    cuStreamCreate(stream, 0);
    try (Linear linear = Linear.create(jcuda.device(), DType.F32, 1, 2, 1)) {
      linear.x(jcuda.wrap(DType.F32, program.upload(1, 2), 1, 2));
      linear.w(jcuda.wrap(DType.F32, program.upload(3, 4), 1, 2));
      linear.y(jcuda.wrap(DType.F32, program.output(1), 1, 1)).blas(jcuda.blas(handle));
      Stream on = jcuda.wrap(stream);
      says(
          assertThrows(FusedRnnException.class, () -> linear.forward(on)).getMessage(),
          "Linear.forward",
          "cublasSetStream: cuBLAS answered");
    }
    JCublas2.cublasDestroy(handle);
    cuStreamDestroy(stream);
    cuCtxDestroy(other);
  }

  @Test
  void twoVersionsOfCublasAreRefused() {
    String description = "{\"blas\": {\"path\": \"libcublas.so.13\", \"version\": \"13.0.2\"}}";
    JCudaDevice.checkSameLibrary(description, "13.0.2");
    says(
        refused(() -> JCudaDevice.checkSameLibrary(description, "12.6.4")),
        "handle: expected one of cuBLAS 13.0.2",
        "got one of cuBLAS 12.6.4",
        "Device.setOption(\"cublas\"");
    says(jcuda.device().describe(), "\"blas\": {");
  }

  // ---- Contexts and the device

  @Test
  void otherContextsThanThePrimaryAreRefused() {
    CUcontext other = new CUcontext();
    cuCtxCreate(other, 0, program.device);
    says(
        refused(() -> JCudaDevice.open(Backend.EMULATED)),
        "context: expected the primary context of device 0",
        "cuDevicePrimaryCtxRetain");
    cuCtxDestroy(other);
    cuCtxSetCurrent(new CUcontext());
    says(
        assertThrows(IllegalStateException.class, () -> JCudaDevice.open(Backend.EMULATED))
            .getMessage(),
        "context: none is current on this thread",
        "cuCtxSetCurrent");
    cuCtxSetCurrent(program.context);
  }

  @Test
  void backendsWithoutAContextAreRefused() {
    for (Backend backend : new Backend[] {Backend.CPU, Backend.REFERENCE}) {
      says(refused(() -> JCudaDevice.open(backend)), "backend: expected cuda", backend.label());
    }
  }

  @Test
  void buffersOfTwoDevicesDoNotMix() {
    try (Device cpu = Device.open(Backend.CPU);
        DeviceBuffer there = cpu.allocate(DType.F32, 3)) {
      DeviceBuffer here = jcuda.wrap(DType.F32, program.upload(1, 2, 3), 3);
      says(
          refused(() -> here.copyFrom(there, jcuda.device().defaultStream())),
          "source: expected a buffer of device emulated:0");
    }
  }

  @Test
  void aClosedDeviceSaysSo() {
    CUdeviceptr memory = program.upload(1);
    JCudaDevice second = JCudaDevice.open(Backend.EMULATED);
    second.close();
    second.close();
    says(
        assertThrows(IllegalStateException.class, () -> second.wrap(DType.F32, memory, 1))
            .getMessage(),
        "is closed");
    assertArrayEquals(new float[] {1}, JCudaFixture.download(memory, 1));
  }
}
