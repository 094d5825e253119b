package dev.fusedrnn.internal;

import dev.fusedrnn.Backend;
import dev.fusedrnn.BackendUnavailableException;
import dev.fusedrnn.FusedRnnException;
import dev.fusedrnn.Status;

/** Opens engines and answers questions about the native library. */
public final class Engines {
  /** The system property that forces an instruction set of the cpu backend. */
  private static final String ISA = "fusedrnn.cpu.isa";

  private static String isa = ""; // the property's value that was set last

  private Engines() {}

  /**
   * Opens a device.
   *
   * @throws BackendUnavailableException where it is not there
   */
  public static Engine open(Backend backend, int ordinal) {
    if (backend == Backend.REFERENCE) {
      if (ordinal != 0) {
        throw new BackendUnavailableException(
            backend, "reference: expected ordinal 0, got " + ordinal);
      }
      return new ReferenceEngine();
    }
    load(backend);
    if (backend == Backend.CPU) {
      forceIsa();
    }
    long[] device = new long[1];
    int status = Natives.frnn_device_open(backend.label(), ordinal, device);
    if (status != 0) {
      Status why = Status.of(status);
      String message =
          "Device.open(" + backend.label() + ", " + ordinal + "): " + Natives.frnn_last_error();
      throw why == Status.UNAVAILABLE
          ? new BackendUnavailableException(backend, message)
          : new FusedRnnException(why, message);
    }
    return new NativeEngine(backend.label(), device[0]);
  }

  private static synchronized void forceIsa() {
    String wanted = System.getProperty(ISA, "");
    if (wanted.equals(isa)) {
      return;
    }
    if (Natives.frnn_set_option("cpu.isa", wanted) != 0) {
      throw new BackendUnavailableException(
          Backend.CPU, "cpu: property " + ISA + ": " + Natives.frnn_last_error());
    }
    isa = wanted;
  }

  /** The native library's own account of its build. */
  public static String nativeBuildInfo() {
    load(Backend.CPU);
    return Natives.frnn_build_info();
  }

  /** Where the native library came from. */
  public static String nativeLibrary() {
    return load(Backend.CPU);
  }

  /**
   * What the planner decides for a network on a device that need not be here.
   *
   * @throws FusedRnnException where it refuses
   */
  public static String explain(String model, NetArguments net, String question) {
    load(Backend.CPU);
    String json = Natives.frnn_explain(0, model, net.address());
    if (json == null) {
      throw new FusedRnnException(
          Status.UNSUPPORTED,
          "explain " + question + " for " + model + ": " + Natives.frnn_last_error());
    }
    return json;
  }

  /** Changes a process-wide setting. */
  public static void setOption(String key, String value) {
    load(Backend.CPU);
    if (Natives.frnn_set_option(key, value) != 0) {
      throw new IllegalArgumentException(
          "setOption(" + key + ", " + value + "): " + Natives.frnn_last_error());
    }
  }

  private static String load(Backend wanted) {
    try {
      return NativeLoader.load();
    } catch (UnsatisfiedLinkError e) {
      BackendUnavailableException unavailable =
          new BackendUnavailableException(wanted, wanted.label() + ": " + e.getMessage());
      unavailable.initCause(e);
      throw unavailable;
    }
  }
}
