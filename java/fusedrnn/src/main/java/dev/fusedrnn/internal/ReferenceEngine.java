package dev.fusedrnn.internal;

import dev.fusedrnn.DType;
import dev.fusedrnn.Status;
import java.nio.ByteBuffer;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicLong;
import org.jspecify.annotations.Nullable;

/**
 * Plain Java in double precision: the oracle. Needs no native library. Every call is done when it
 * returns, so that streams order nothing and events only take the time.
 */
final class ReferenceEngine implements Engine {
  private final ReferenceMemory memory = new ReferenceMemory();
  private final ReferenceOps ops = new ReferenceOps(memory);
  private final ReferenceClip clips = new ReferenceClip(memory);
  private final ReferenceOptimizer optimizers = new ReferenceOptimizer(memory);
  private final ReferenceRows rows = new ReferenceRows(memory);
  private final ThreadLocal<String> lastError = ThreadLocal.withInitial(() -> "");
  private final AtomicLong handles = new AtomicLong(1);
  private final Map<Long, Long> eventNanos = new ConcurrentHashMap<>();
  private final AtomicLong allocations = new AtomicLong();
  private final AtomicLong synchronizations = new AtomicLong();
  private final AtomicLong launches = new AtomicLong();

  private int run(Runnable call) {
    try {
      call.run();
      return 0;
    } catch (Refusal e) {
      return refuse(e.status(), String.valueOf(e.getMessage()));
    } catch (ArithmeticException | NegativeArraySizeException e) {
      return refuse(
          Status.UNSUPPORTED, "a tensor of the reference backend has at most 2^31 elements");
    } catch (OutOfMemoryError e) {
      return refuse(Status.OUT_OF_MEMORY, "the Java heap is used up; raise -Xmx");
    }
  }

  private int launch(Runnable call) {
    launches.incrementAndGet();
    return run(call);
  }

  private int refuse(Status status, String text) {
    lastError.set(text);
    return status.ordinal();
  }

  @Override
  public String lastError() {
    return lastError.get();
  }

  @Override
  public String describe() {
    return "{\"backend\": \"reference\", \"name\": \"plain Java in double precision\", \"ordinal\": 0, "
        + "\"java\": \""
        + Runtime.version()
        + "\", \"max_memory_bytes\": "
        + Runtime.getRuntime().maxMemory()
        + "}";
  }

  @Override
  public int close() {
    return 0;
  }

  @Override
  public int set(String key, long value) {
    return refuse(
        Status.INVALID_ARGUMENT, "setting: expected none for this backend, got '" + key + "'");
  }

  @Override
  public int counter(String key, long[] value) {
    switch (key) {
      case "allocations" -> value[0] = allocations.get();
      case "synchronizations" -> value[0] = synchronizations.get();
      case "launches" -> value[0] = launches.get();
      case "gemms", "graph_launches" -> value[0] = 0;
      default -> {
        return refuse(
            Status.INVALID_ARGUMENT,
            "counter: expected allocations, synchronizations, launches, gemms or graph_launches,"
                + " got '"
                + key
                + "'");
      }
    }
    return 0;
  }

  @Override
  public int synchronize() {
    synchronizations.incrementAndGet();
    return 0;
  }

  @Override
  public int allocate(long bytes, long[] address) {
    allocations.incrementAndGet();
    return run(() -> address[0] = memory.allocate(bytes));
  }

  @Override
  public int free(long address) {
    return run(() -> memory.free(address));
  }

  @Override
  public int copyIn(long address, ByteBuffer source) {
    return run(() -> memory.at(address, source.remaining()).put(source.duplicate()));
  }

  @Override
  public int copyOut(ByteBuffer destination, long address) {
    return run(() -> destination.duplicate().put(memory.at(address, destination.remaining())));
  }

  @Override
  public long hostAddress(ByteBuffer direct) {
    throw new IllegalStateException("the reference backend has memory of its own");
  }

  @Override
  public int copy(long destination, long source, long bytes, long stream) {
    return run(() -> memory.at(destination, bytes).put(memory.at(source, bytes)));
  }

  @Override
  public int fill(long address, int byteValue, long bytes, long stream) {
    return run(
        () -> {
          ByteBuffer target = memory.at(address, bytes);
          while (target.hasRemaining()) {
            target.put((byte) byteValue);
          }
        });
  }

  @Override
  public int streamCreate(long[] stream) {
    stream[0] = handles.getAndIncrement();
    return 0;
  }

  @Override
  public int streamDestroy(long stream) {
    return 0;
  }

  @Override
  public int streamSynchronize(long stream) {
    return synchronize();
  }

  @Override
  public int streamWait(long stream, long event) {
    return 0;
  }

  @Override
  public int eventCreate(long[] event) {
    event[0] = handles.getAndIncrement();
    return 0;
  }

  @Override
  public int eventDestroy(long event) {
    eventNanos.remove(event);
    return 0;
  }

  @Override
  public int eventRecord(long event, long stream) {
    eventNanos.put(event, System.nanoTime());
    return 0;
  }

  @Override
  public int eventSynchronize(long event) {
    return synchronize();
  }

  @Override
  public int eventDone(long event, long[] done) {
    done[0] = 1;
    return 0;
  }

  @Override
  public int eventElapsed(long start, long end, double[] micros) {
    Long from = eventNanos.get(start);
    Long to = eventNanos.get(end);
    if (from == null || to == null) {
      return refuse(Status.INVALID_ARGUMENT, "event: expected two recorded events");
    }
    micros[0] = (to - from) / 1e3;
    return 0;
  }

  @Override
  public int copyFromHost(
      long destination, HostMemory source, long offset, long bytes, long stream) {
    return run(() -> memory.at(destination, bytes).put(part(source, offset, bytes)));
  }

  @Override
  public int copyToHost(HostMemory destination, long offset, long source, long bytes, long stream) {
    return run(() -> part(destination, offset, bytes).put(memory.at(source, bytes)));
  }

  private static ByteBuffer part(HostMemory host, long offset, long bytes) {
    return host.bytes().slice((int) offset, (int) bytes);
  }

  @Override
  public int hostRegister(HostMemory host) {
    return 0;
  }

  @Override
  public int hostUnregister(HostMemory host) {
    return 0;
  }

  @Override
  public boolean servesGraphs() {
    return false;
  }

  @Override
  public int captureBegin(long stream) {
    return refuse(
        Status.UNSUPPORTED,
        "the reference backend does each call at once and records none: run the calls themselves,"
            + " or use cpu, emulated or cuda");
  }

  @Override
  public int captureEnd(long stream, long @Nullable [] graph) {
    return captureBegin(stream);
  }

  @Override
  public int graphLaunch(long graph, long stream) {
    return captureBegin(stream);
  }

  @Override
  public int graphDestroy(long graph) {
    return captureBegin(graph);
  }

  @Override
  public int netBytes(NetArguments net, Struct<Fields.RnnSizes> sizes) {
    return run(
        () -> {
          ReferenceOps.real(net.struct().get(Fields.Net.DTYPE));
          sizes.set(Fields.RnnSizes.RESERVE_BYTES, 0);
          sizes.set(Fields.RnnSizes.FORWARD_WORKSPACE_BYTES, 0);
          sizes.set(Fields.RnnSizes.BACKWARD_WORKSPACE_BYTES, 0);
        });
  }

  @Override
  public String explain(NetArguments net, long[] status) {
    status[0] = refuse(Status.UNSUPPORTED, "the reference backend has one way to run a sequence");
    return "";
  }

  @Override
  public int netForward(NetArguments net) {
    return launch(() -> ops.netForward(net));
  }

  @Override
  public int netBackward(NetArguments net) {
    return launch(() -> ops.netBackward(net));
  }

  @Override
  public int netPackedBytes(NetArguments net, long[] bytes) {
    bytes[0] = 0;
    if (net.struct().get(Fields.Net.PACKED_DTYPE) != DType.BF16.ordinal()) {
      return 0;
    }
    return refuse(
        Status.UNSUPPORTED,
        "packed_dtype: the reference backend reads the parameters as they are and packs none: use"
            + " f32, which changes no result");
  }

  @Override
  public int netPack(NetArguments net) {
    return 0;
  }

  @Override
  public int writeWord(long address, long word, long stream) {
    return launch(() -> memory.at(address, 8).putLong(word));
  }

  @Override
  public int tableBytes(TensorTable tensors, Struct<Fields.TableSizes> sizes) {
    sizes.set(Fields.TableSizes.BYTES, ReferenceTable.bytes(tensors));
    sizes.set(Fields.TableSizes.CHUNKS, tensors.count());
    sizes.set(Fields.TableSizes.LAYOUT, ReferenceTable.layout(tensors));
    return 0;
  }

  @Override
  public int tableWrite(TensorTable tensors, long table, long tableBytes, long stream) {
    return run(() -> ReferenceTable.write(memory, tensors, table, tableBytes));
  }

  @Override
  public int clip(Struct<Fields.Clip> clip) {
    return launch(() -> clips.run(clip));
  }

  @Override
  public int optimizerStep(Struct<Fields.Optimizer> optimizer) {
    return launch(() -> optimizers.step(optimizer));
  }

  @Override
  public int linearBytes(Struct<Fields.Linear> linear, long[] bytes) {
    bytes[0] = 0;
    return run(() -> ReferenceOps.real(linear.get(Fields.Linear.DTYPE)));
  }

  @Override
  public int linearForward(Struct<Fields.Linear> linear) {
    return launch(() -> rows.linearForward(linear));
  }

  @Override
  public int linearBackward(Struct<Fields.Linear> linear) {
    return launch(() -> rows.linearBackward(linear));
  }

  @Override
  public int embeddingBytes(Struct<Fields.Embedding> embedding, long[] bytes) {
    bytes[0] = 0;
    return run(() -> ReferenceOps.real(embedding.get(Fields.Embedding.DTYPE)));
  }

  @Override
  public int embeddingForward(Struct<Fields.Embedding> embedding) {
    return launch(() -> rows.embeddingForward(embedding));
  }

  @Override
  public int embeddingBackward(Struct<Fields.Embedding> embedding) {
    return launch(() -> rows.embeddingBackward(embedding));
  }

  @Override
  public int softmaxXent(Struct<Fields.SoftmaxXent> xent) {
    return launch(() -> rows.softmaxXent(xent));
  }

  @Override
  public int mse(Struct<Fields.Mse> mse) {
    return launch(() -> rows.mse(mse));
  }

  @Override
  public int sample(Struct<Fields.Sample> sample) {
    return launch(() -> ReferenceSample.run(memory, sample));
  }
}
