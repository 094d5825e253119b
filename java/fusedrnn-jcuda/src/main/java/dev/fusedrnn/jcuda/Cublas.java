package dev.fusedrnn.jcuda;

import dev.fusedrnn.FusedRnnException;
import dev.fusedrnn.Status;
import java.util.function.IntSupplier;
import jcuda.CudaException;
import jcuda.driver.CUstream;
import jcuda.jcublas.JCublas2;
import jcuda.jcublas.cublasHandle;
import jcuda.jcublas.cublasStatus;
import jcuda.runtime.cudaStream_t;
import org.jspecify.annotations.Nullable;

/** The calls of JCublas that the adapter makes, where JCublas can be loaded at all. */
final class Cublas {
  private static final @Nullable String ABSENT = load();

  private static final String SUCCESS = cublasStatus.stringFor(cublasStatus.CUBLAS_STATUS_SUCCESS);

  private Cublas() {}

  /** Loads JCublas, and with it its cuBLAS; answers why that cannot be. */
  private static @Nullable String load() {
    try {
      JCublas2.initialize();
      return null;
    } catch (UnsatisfiedLinkError | NoClassDefFoundError | ExceptionInInitializerError e) {
      return Driver.reason(e);
    }
  }

  /** Whether JCublas is there. Asking loads it. */
  static boolean present() {
    return ABSENT == null;
  }

  /** Refuses where JCublas is not there, and says why and what to install. */
  static void require() {
    if (ABSENT != null) {
      throw new FusedRnnException(
          Status.UNAVAILABLE,
          "handle: JCublas could not be loaded, so there can be no cublasHandle. JCublas 12 needs"
              + " libcublas.so.12: install cuBLAS of CUDA 12 (Debian, Ubuntu: apt-get install"
              + " libcublas-12-6 from NVIDIA's repository) or add its folder to LD_LIBRARY_PATH; a"
              + " cuBLAS of CUDA 13 does not serve JCublas. Everything else works without a handle:"
              + " leave blas(..) out and the device's own cuBLAS computes the products. Reason: "
              + ABSENT);
    }
  }

  private static void must(String name, IntSupplier call) {
    String answer;
    try {
      answer = cublasStatus.stringFor(call.getAsInt());
    } catch (CudaException e) { // where the program asked JCublas for exceptions
      answer = String.valueOf(e.getMessage());
    }
    if (!answer.equals(SUCCESS)) {
      throw new IllegalArgumentException(
          "handle: "
              + name
              + " answered "
              + answer
              + "; expected a handle that cublasCreate gave in the primary context and that is not"
              + " destroyed");
    }
  }

  static cublasHandle create() {
    cublasHandle handle = new cublasHandle();
    must("cublasCreate", () -> JCublas2.cublasCreate(handle));
    return handle;
  }

  /** The library's version, such as {@code 12.6.0}. */
  static String version(cublasHandle handle) {
    int[] version = new int[1];
    must("cublasGetVersion", () -> JCublas2.cublasGetVersion(handle, version));
    return version[0] / 10000 + "." + version[0] / 100 % 100 + "." + version[0] % 100;
  }

  /** The stream that a handle has. */
  static CUstream stream(cublasHandle handle) {
    cudaStream_t stream = new cudaStream_t();
    must("cublasGetStream", () -> JCublas2.cublasGetStream(handle, stream));
    return new CUstream(stream);
  }
}
