package dev.fusedrnn.jcuda;

import static jcuda.driver.JCudaDriver.cuMemcpyHtoD;
import static jcuda.driver.JCudaDriver.cuStreamCreate;
import static jcuda.driver.JCudaDriver.cuStreamDestroy;
import static jcuda.driver.JCudaDriver.cuStreamSynchronize;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.fusedrnn.Backend;
import dev.fusedrnn.Cell;
import dev.fusedrnn.DType;
import dev.fusedrnn.Device;
import dev.fusedrnn.DeviceBuffer;
import dev.fusedrnn.Parameter;
import dev.fusedrnn.Rnn;
import dev.fusedrnn.RnnCall;
import dev.fusedrnn.RnnConfig;
import dev.fusedrnn.Stream;
import dev.fusedrnn.testkit.Comparison;
import dev.fusedrnn.testkit.NetCase;
import dev.fusedrnn.testkit.NetCheck;
import dev.fusedrnn.testkit.RnnCase;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import jcuda.Pointer;
import jcuda.driver.CUdeviceptr;
import jcuda.driver.CUstream;
import jcuda.jcublas.JCublas2;
import jcuda.jcublas.cublasHandle;
import jcuda.jcublas.cublasMath;
import jcuda.jcublas.cublasPointerMode;
import jcuda.runtime.cudaStream_t;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * Goal: every cell computes on memory, a stream and a cuBLAS handle that JCuda owns what the oracle
 * computes, and JCuda reads it back. Method: the unmodified JCuda jars over the stand-ins of the
 * emulated machine, or on a GPU where one is asked for; all tensors lie at odd offsets in one
 * allocation of JCuda's; outputs start as NaN. Only JCuda waits and copies.
 */
class CellsOnJCudaTest {
  private static final long SEED = 20261121;

  /** Elements between tensors: so many that no two share an alignment of 16 bytes by chance. */
  private static final int GAP = 5;

  private JCudaFixture program;
  private JCudaDevice jcuda;
  private final CUstream stream = new CUstream();

  @BeforeEach
  void open() {
    program = new JCudaFixture();
    jcuda = JCudaDevice.open(JCudaFixture.BACKEND);
    cuStreamCreate(stream, 0);
  }

  @AfterEach
  void close() {
    cuStreamDestroy(stream);
    jcuda.close();
    program.close();
  }

  /** One allocation of JCuda's with a tensor after another in it. */
  private final class Arena {
    private final CUdeviceptr memory;
    private final Map<String, CUdeviceptr> at = new LinkedHashMap<>();
    private long used = GAP;

    Arena(long elements) {
      memory = program.output(Math.toIntExact(elements));
    }

    DeviceBuffer tensor(String name, int... shape) {
      long[] sizes = Arrays.stream(shape).asLongStream().toArray();
      CUdeviceptr pointer = memory.withByteOffset(4 * used);
      at.put(name, pointer);
      used += Arrays.stream(sizes).reduce(1, (a, b) -> a * b) + GAP;
      return jcuda.wrap(DType.F32, pointer, sizes);
    }

    DeviceBuffer input(String name, float[] values, int... shape) {
      DeviceBuffer tensor = tensor(name, shape);
      cuMemcpyHtoD(at.get(name), Pointer.to(values), 4L * values.length);
      return tensor;
    }

    double[] read(String name, int count) {
      float[] values = JCudaFixture.download(at.get(name), count);
      double[] wide = new double[count];
      for (int k = 0; k < count; k++) {
        wide[k] = values[k];
      }
      return wide;
    }
  }

  private static int count(int[] shape) {
    return Arrays.stream(shape).reduce(1, (a, b) -> a * b);
  }

  private static NetCase sizes(Cell cell) {
    return new NetCase(
        cell + " of JCuda's", cell, 5, 3, 7, 11, s -> s, List.of(), RnnCase.ALL, SEED);
  }

  /** Runs a case on JCuda's memory; {@code blas} 0 for the device's own handle. */
  private Map<String, double[]> run(NetCase sizes, Stream on, long blas) {
    RnnConfig config = sizes.config(DType.F32);
    Rnn rnn = Rnn.create(jcuda.device(), config);
    RnnCall call = rnn.newCall(sizes.steps(), sizes.batch(), true).seed(SEED, 7).blas(blas);
    Arena arena = new Arena(60_000);
    Map<String, float[]> data = sizes.data();
    List<String> results = new ArrayList<>(List.of("y", "hT", "dx", "dh0"));
    call.x(arena.input("x", data.get("x"), sizes.shape("x")));
    call.h0(arena.input("h0", data.get("h0"), sizes.shape("h0")));
    call.dy(arena.input("dy", data.get("dy"), sizes.shape("dy")));
    call.dhT(arena.input("dhT", data.get("dhT"), sizes.shape("dhT")));
    call.y(arena.tensor("y", sizes.shape("y"))).hT(arena.tensor("hT", sizes.shape("hT")));
    call.dx(arena.tensor("dx", sizes.shape("dx"))).dh0(arena.tensor("dh0", sizes.shape("dh0")));
    if (sizes.cell().hasCellState()) {
      call.c0(arena.input("c0", data.get("c0"), sizes.shape("c0")));
      call.dcT(arena.input("dcT", data.get("dcT"), sizes.shape("dcT")));
      call.cT(arena.tensor("cT", sizes.shape("cT"))).dc0(arena.tensor("dc0", sizes.shape("dc0")));
      results.addAll(List.of("cT", "dc0"));
    }
    for (Parameter parameter : config.parameters()) {
      String name = parameter.torchName(0, 0);
      int[] shape = sizes.shape(name);
      call.parameter(parameter, 0, 0, arena.input(name, data.get(name), shape));
      call.gradient(parameter, 0, 0, arena.tensor("d" + name, shape));
      results.add("d" + name);
    }
    call.reserve(scratch(call.sizes().reserveBytes()));
    call.workspace(scratch(call.sizes().workspaceBytes()));
    rnn.forward(call, on);
    rnn.backward(call, on);
    cuStreamSynchronize(new CUstream(new cudaStream_t(stream)));
    Map<String, double[]> got = new LinkedHashMap<>();
    results.forEach(name -> got.put(name, arena.read(name, count(sizes.shape(name)))));
    return got;
  }

  private DeviceBuffer scratch(long bytes) {
    return jcuda.wrap(DType.F32, program.allocate(bytes + 4), (bytes + 3) / 4);
  }

  private static void agrees(NetCase sizes, Map<String, double[]> got) {
    try (Device oracle = Device.open(Backend.REFERENCE)) {
      for (Comparison c : NetCheck.compare(oracle, sizes, DType.F32, sizes.data(), got)) {
        assertTrue(
            c.pass(),
            sizes.name() + " seed " + SEED + ": " + c.error() + " of " + c.allowed() + "; " + c);
      }
    }
  }

  @ParameterizedTest
  @EnumSource(Cell.class)
  void everyCellAgreesWithTheOracle(Cell cell) {
    NetCase sizes = sizes(cell);
    agrees(sizes, run(sizes, jcuda.wrap(stream), 0));
  }

  @ParameterizedTest
  @EnumSource(Cell.class)
  void everyCellAgreesWithAHandleOfJCublas(Cell cell) {
    NetCase sizes = sizes(cell);
    cublasHandle handle = jcuda.newBlasHandle();
    agrees(sizes, run(sizes, jcuda.wrap(new cudaStream_t(stream)), jcuda.blas(handle)));
    JCublas2.cublasDestroy(handle);
  }

  @Test
  void aHandleIsLeftAsItWas() {
    cublasHandle handle = new cublasHandle();
    JCublas2.cublasCreate(handle);
    CUstream own = new CUstream();
    cuStreamCreate(own, 0);
    JCublas2.cublasSetStream(handle, new cudaStream_t(own));
    JCublas2.cublasSetMathMode(handle, cublasMath.CUBLAS_TF32_TENSOR_OP_MATH);
    JCublas2.cublasSetPointerMode(handle, cublasPointerMode.CUBLAS_POINTER_MODE_DEVICE);
    NetCase sizes = sizes(Cell.LSTM);
    agrees(sizes, run(sizes, jcuda.wrap(stream), jcuda.blas(handle)));
    cudaStream_t after = new cudaStream_t();
    int[] mode = new int[1];
    JCublas2.cublasGetStream(handle, after);
    assertEquals(Address.of(own), Address.of(after));
    JCublas2.cublasGetMathMode(handle, mode);
    assertEquals(cublasMath.CUBLAS_TF32_TENSOR_OP_MATH, mode[0]);
    JCublas2.cublasGetPointerMode(handle, mode);
    assertEquals(cublasPointerMode.CUBLAS_POINTER_MODE_DEVICE, mode[0]);
    JCublas2.cublasDestroy(handle);
    cuStreamDestroy(own);
  }

  @Test
  void aWrongResultIsSeen() {
    NetCase sizes = sizes(Cell.GRU);
    Map<String, double[]> got = run(sizes, jcuda.wrap(stream), 0);
    got.get("dh0")[3] += 1e-3;
    try (Device oracle = Device.open(Backend.REFERENCE)) {
      assertTrue(
          NetCheck.compare(oracle, sizes, DType.F32, sizes.data(), got).stream()
              .anyMatch(c -> !c.pass()));
    }
  }
}
