package dev.fusedrnn;

import dev.fusedrnn.internal.Engine;
import dev.fusedrnn.internal.Engines;
import dev.fusedrnn.internal.HostMemory;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Objects;
import java.util.Set;

/**
 * An opened device of one backend: memory, streams and events come from it.
 *
 * <p>Threads: a device may be used by several threads as long as no two of them use the same
 * stream, call object or output at once. {@link #close()} must not race with other calls. Closing a
 * device does not free buffers, streams and events; close them first.
 */
public final class Device implements AutoCloseable {
  private final Backend backend;
  private final int ordinal;
  private final Engine engine;
  private final Stream defaultStream;
  private final Staging staging = new Staging();
  private final Set<HostMemory> pageLocked = new HashSet<>();
  private final LeakWatch.Ticket leak;
  private volatile boolean closed;

  private Device(Backend backend, int ordinal, Engine engine) {
    this.backend = backend;
    this.ordinal = ordinal;
    this.engine = engine;
    this.defaultStream = new Stream(this, 0);
    this.leak = LeakWatch.watch(this, "Device " + backend.label() + ":" + ordinal);
  }

  /**
   * Opens a device by name.
   *
   * @param name {@code auto} (cuda if it is there, else cpu; {@link #backend()} says which), {@code
   *     cuda}, {@code cpu}, {@code emulated} or {@code reference}
   * @return the device; to be closed
   * @throws BackendUnavailableException where the backend cannot run here
   * @throws IllegalArgumentException for another name
   */
  public static Device open(String name) {
    if (!name.toLowerCase(Locale.ROOT).equals("auto")) {
      return open(Backend.fromName(name));
    }
    try {
      return open(Backend.CUDA);
    } catch (BackendUnavailableException noCuda) {
      try {
        return open(Backend.CPU);
      } catch (BackendUnavailableException noCpu) {
        noCpu.addSuppressed(noCuda);
        throw noCpu;
      }
    }
  }

  /**
   * Opens the first device of a backend.
   *
   * @param backend the backend
   * @return the device; to be closed
   * @throws BackendUnavailableException where the backend cannot run here
   */
  public static Device open(Backend backend) {
    return open(backend, 0);
  }

  /**
   * Opens a device of a backend.
   *
   * @param backend the backend
   * @param ordinal which device, from 0
   * @return the device; to be closed
   * @throws BackendUnavailableException where the backend cannot run here
   */
  public static Device open(Backend backend, int ordinal) {
    Objects.requireNonNull(backend, "backend");
    Failures.atLeast(0, "ordinal", ordinal);
    return new Device(backend, ordinal, Engines.open(backend, ordinal));
  }

  /**
   * Finds out which backends work here, by opening each.
   *
   * @return one entry a backend, in the order in which {@code auto} prefers them
   */
  public static List<BackendStatus> probe() {
    List<BackendStatus> found = new ArrayList<>();
    for (Backend backend :
        List.of(Backend.CUDA, Backend.CPU, Backend.EMULATED, Backend.REFERENCE)) {
      try (Device device = open(backend)) {
        found.add(new BackendStatus(backend, true, "", device.describe()));
      } catch (FusedRnnException e) {
        found.add(new BackendStatus(backend, false, String.valueOf(e.getMessage()), ""));
      }
    }
    return found;
  }

  /**
   * What the native library says of its own build.
   *
   * @return one JSON object
   * @throws BackendUnavailableException where there is no native library
   */
  public static String nativeBuildInfo() {
    return Engines.nativeBuildInfo();
  }

  /**
   * Where the native library was loaded from.
   *
   * @return a path, or the name given to the system loader
   * @throws BackendUnavailableException where there is no native library
   */
  public static String nativeLibrary() {
    return Engines.nativeLibrary();
  }

  /**
   * Changes a process-wide setting of the native library, before a device is opened. The system
   * property {@code fusedrnn.cpu.isa} sets {@code cpu.isa} without a change to the program.
   *
   * @param key {@code cublas} (path of the cuBLAS to open) or {@code cpu.isa} (avx512, avx2,
   *     portable)
   * @param value the value
   * @throws BackendUnavailableException where there is no native library
   * @throws IllegalArgumentException for an unknown key or value
   */
  public static void setOption(String key, String value) {
    Engines.setOption(key, value);
  }

  /**
   * Who computes.
   *
   * @return the backend
   */
  public Backend backend() {
    return backend;
  }

  /**
   * Which device of the backend.
   *
   * @return from 0
   */
  public int ordinal() {
    return ordinal;
  }

  /**
   * Describes the device: backend, name, memory, properties, BLAS in use.
   *
   * @return one JSON object
   */
  public String describe() {
    return engine().describe();
  }

  /**
   * Changes a setting of this device.
   *
   * @param key cpu {@code threads}; emulated {@code seed}
   * @param value the value
   * @return this
   * @throws FusedRnnException for an unknown key or value
   */
  public Device set(String key, long value) {
    check(engine().set(key, value), "Device.set(" + key + ", " + value + ")");
    return this;
  }

  /**
   * Reads a counter since the device was opened.
   *
   * @param key {@code allocations}, {@code synchronizations}, {@code launches}, {@code gemms} or
   *     {@code graph_launches}
   * @return the count
   * @throws FusedRnnException for an unknown key
   */
  public long counter(String key) {
    long[] value = new long[1];
    check(engine().counter(key, value), "Device.counter(" + key + ")");
    return value[0];
  }

  /**
   * Waits for all work on the device.
   *
   * @throws FusedRnnException for what the device found
   */
  public void synchronize() {
    int status = engine().synchronize();
    if (status != 0) {
      throw Failures.of(status, this, "Device.synchronize");
    }
  }

  /**
   * Allocates device memory. Fresh memory is not cleared.
   *
   * @param dtype element type
   * @param shape sizes, each at least 0; a single size makes a flat buffer that fits any shape of
   *     as many elements
   * @return the buffer; to be closed
   * @throws FusedRnnException where memory is used up
   */
  public DeviceBuffer allocate(DType dtype, long... shape) {
    return DeviceBuffer.allocate(this, dtype, shape);
  }

  /**
   * Uses memory that somebody else allocated on this device; closing the buffer does not free it.
   * The memory must stay allocated until all work that was enqueued on it is done.
   *
   * @param dtype element type
   * @param address device address; 0 only where the shape has no elements
   * @param shape sizes, each at least 0
   * @return a view
   */
  public DeviceBuffer wrap(DType dtype, long address, long... shape) {
    return DeviceBuffer.wrap(this, dtype, address, shape);
  }

  /**
   * Uses memory of a direct buffer of Java's, in native order, from its position; on the backend
   * cpu alone, which computes there without a copy. The view keeps the memory from being collected.
   *
   * @param dtype element type
   * @param memory a direct buffer with at least so many bytes from its position to its limit
   * @param shape sizes, each at least 0
   * @return a view; closing it frees nothing
   * @throws IllegalArgumentException for another backend, a buffer on the heap or one too small
   */
  public DeviceBuffer wrap(DType dtype, ByteBuffer memory, long... shape) {
    return DeviceBuffer.wrap(this, dtype, memory, shape);
  }

  /**
   * Makes a stream.
   *
   * @return the stream; to be closed
   */
  public Stream newStream() {
    long[] handle = new long[1];
    check(engine().streamCreate(handle), "Device.newStream");
    return new Stream(this, handle[0]);
  }

  /**
   * Uses a stream that somebody else made (a {@code CUstream} of the device's primary context). It
   * must not be destroyed before the last call on it.
   *
   * @param handle the stream's address
   * @return the stream; closing it does not destroy the handle
   */
  public Stream wrapStream(long handle) {
    return Stream.wrap(this, handle);
  }

  /**
   * Whether work can be captured into a {@link Graph} here.
   *
   * @return false on the reference backend alone
   */
  public boolean servesGraphs() {
    return engine().servesGraphs();
  }

  /**
   * Makes page-locked memory of the host, zeroed.
   *
   * @param bytes at least 1
   * @return the memory; to be closed
   */
  public HostBuffer newHostBuffer(int bytes) {
    return new HostBuffer(this, bytes);
  }

  /**
   * The device's default stream.
   *
   * @return stream 0; closing it does nothing
   */
  public Stream defaultStream() {
    return defaultStream;
  }

  /**
   * Makes an event.
   *
   * @return the event; to be closed
   */
  public Event newEvent() {
    long[] handle = new long[1];
    check(engine().eventCreate(handle), "Device.newEvent");
    return new Event(this, handle[0]);
  }

  /**
   * Whether {@link #close()} was called.
   *
   * @return true once closed
   */
  public boolean isClosed() {
    return closed;
  }

  /** Closes the device; idempotent. */
  @Override
  public void close() {
    if (closed) {
      return;
    }
    closed = true;
    leak.closed();
    int status = engine.close();
    if (status != 0) {
      throw Failures.of(status, this, "Device.close");
    }
  }

  /** The engine, where open. */
  Engine engine() {
    if (closed) {
      throw new IllegalStateException("Device " + this + " is closed");
    }
    return engine;
  }

  /** The engine even of a closed device, to ask for the last error. */
  Engine engineOrClosed() {
    return engine;
  }

  /** Keeps memory from the collector while the device may write to it. */
  void keep(HostMemory memory) {
    synchronized (pageLocked) {
      pageLocked.add(memory);
    }
  }

  /** Ends that. */
  void release(HostMemory memory) {
    synchronized (pageLocked) {
      pageLocked.remove(memory);
    }
  }

  /** Host memory for copies. */
  Staging staging() {
    return staging;
  }

  /** Throws where a status is not 0. */
  void check(int status, String operation) {
    if (status != 0) {
      throw Failures.of(status, this, operation);
    }
  }

  @Override
  public String toString() {
    return backend.label() + ":" + ordinal;
  }
}
