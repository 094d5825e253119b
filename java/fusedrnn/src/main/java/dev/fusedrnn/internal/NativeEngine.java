package dev.fusedrnn.internal;

import dev.fusedrnn.Status;
import java.nio.ByteBuffer;
import org.jspecify.annotations.Nullable;

/** The C door: the cpu, cuda and emulated backends. */
final class NativeEngine implements Engine {
  private static final int HOST_TO_DEVICE = 0;
  private static final int DEVICE_TO_HOST = 1;
  private static final int DEVICE_TO_DEVICE = 2;

  private final String backend;
  private final long device;

  NativeEngine(String backend, long device) {
    this.backend = backend;
    this.device = device;
  }

  @Override
  public String lastError() {
    String text = Natives.frnn_last_error();
    return text == null ? "" : text;
  }

  @Override
  public String describe() {
    String text = Natives.frnn_device_describe(device);
    if (text == null) {
      throw new IllegalStateException("Device.describe failed: " + lastError());
    }
    return text;
  }

  @Override
  public int close() {
    return Natives.frnn_device_close(device);
  }

  @Override
  public int set(String key, long value) {
    return Natives.frnn_device_set(device, key, value);
  }

  @Override
  public int counter(String key, long[] value) {
    return Natives.frnn_device_counter(device, key, value);
  }

  @Override
  public int synchronize() {
    return Natives.frnn_device_synchronize(device);
  }

  @Override
  public int allocate(long bytes, long[] address) {
    return Natives.frnn_alloc(device, bytes, address);
  }

  @Override
  public int free(long address) {
    return Natives.frnn_free(device, address);
  }

  @Override
  public int copyIn(long address, ByteBuffer source) {
    long host = Natives.addressOf(source) + source.position();
    int status = Natives.frnn_copy(device, address, host, source.remaining(), HOST_TO_DEVICE, 0);
    return status != 0 ? status : Natives.frnn_stream_synchronize(device, 0);
  }

  @Override
  public int copyOut(ByteBuffer destination, long address) {
    long host = Natives.addressOf(destination) + destination.position();
    int status =
        Natives.frnn_copy(device, host, address, destination.remaining(), DEVICE_TO_HOST, 0);
    return status != 0 ? status : Natives.frnn_stream_synchronize(device, 0);
  }

  @Override
  public long hostAddress(ByteBuffer direct) {
    return Natives.addressOf(direct);
  }

  @Override
  public int copy(long destination, long source, long bytes, long stream) {
    return Natives.frnn_copy(device, destination, source, bytes, DEVICE_TO_DEVICE, stream);
  }

  @Override
  public int fill(long address, int byteValue, long bytes, long stream) {
    return Natives.frnn_fill(device, address, byteValue, bytes, stream);
  }

  @Override
  public int streamCreate(long[] stream) {
    return Natives.frnn_stream_create(device, stream);
  }

  @Override
  public int streamDestroy(long stream) {
    return Natives.frnn_stream_destroy(device, stream);
  }

  @Override
  public int streamSynchronize(long stream) {
    return Natives.frnn_stream_synchronize(device, stream);
  }

  @Override
  public int streamWait(long stream, long event) {
    return Natives.frnn_stream_wait(device, stream, event);
  }

  @Override
  public int eventCreate(long[] event) {
    return Natives.frnn_event_create(device, event);
  }

  @Override
  public int eventDestroy(long event) {
    return Natives.frnn_event_destroy(device, event);
  }

  @Override
  public int eventRecord(long event, long stream) {
    return Natives.frnn_event_record(device, event, stream);
  }

  @Override
  public int eventSynchronize(long event) {
    return Natives.frnn_event_synchronize(device, event);
  }

  @Override
  public int eventDone(long event, long[] done) {
    return Natives.frnn_event_done(device, event, done);
  }

  @Override
  public int eventElapsed(long start, long end, double[] micros) {
    return Natives.frnn_event_elapsed_us(device, start, end, micros);
  }

  @Override
  public int copyFromHost(
      long destination, HostMemory source, long offset, long bytes, long stream) {
    long host = source.address() + offset;
    return Natives.frnn_copy(device, destination, host, bytes, HOST_TO_DEVICE, stream);
  }

  @Override
  public int copyToHost(HostMemory destination, long offset, long source, long bytes, long stream) {
    long host = destination.address() + offset;
    return Natives.frnn_copy(device, host, source, bytes, DEVICE_TO_HOST, stream);
  }

  @Override
  public int hostRegister(HostMemory memory) {
    return Natives.frnn_host_register(device, memory.address(), memory.bytes().capacity());
  }

  @Override
  public int hostUnregister(HostMemory memory) {
    return Natives.frnn_host_unregister(device, memory.address());
  }

  @Override
  public boolean servesGraphs() {
    return true;
  }

  @Override
  public int captureBegin(long stream) {
    return Natives.frnn_capture_begin(device, stream);
  }

  @Override
  public int captureEnd(long stream, long @Nullable [] graph) {
    return Natives.frnn_capture_end(device, stream, graph);
  }

  @Override
  public int graphLaunch(long graph, long stream) {
    return Natives.frnn_graph_launch(device, graph, stream);
  }

  @Override
  public int graphDestroy(long graph) {
    return Natives.frnn_graph_destroy(device, graph);
  }

  @Override
  public int netBytes(NetArguments net, Struct<Fields.RnnSizes> sizes) {
    return Natives.frnn_net_bytes(backend, net.address(), sizes.address());
  }

  @Override
  public String explain(NetArguments net, long[] status) {
    String json = Natives.frnn_explain(device, null, net.address());
    status[0] = json == null ? Status.UNSUPPORTED.ordinal() : 0;
    return json == null ? "" : json;
  }

  @Override
  public int netForward(NetArguments net) {
    return Natives.frnn_net_forward(device, net.address());
  }

  @Override
  public int netBackward(NetArguments net) {
    return Natives.frnn_net_backward(device, net.address());
  }

  @Override
  public int netPackedBytes(NetArguments net, long[] bytes) {
    return Natives.frnn_net_packed_bytes(backend, net.address(), bytes);
  }

  @Override
  public int netPack(NetArguments net) {
    return Natives.frnn_net_pack(device, net.address());
  }

  @Override
  public int writeWord(long address, long word, long stream) {
    return Natives.frnn_write_word(device, address, word, stream);
  }

  @Override
  public int tableBytes(TensorTable tensors, Struct<Fields.TableSizes> sizes) {
    return Natives.frnn_table_bytes(tensors.structAddress(), sizes.address());
  }

  @Override
  public int tableWrite(TensorTable tensors, long table, long tableBytes, long stream) {
    return Natives.frnn_table_write(device, tensors.structAddress(), table, tableBytes, stream);
  }

  @Override
  public int clip(Struct<Fields.Clip> clip) {
    return Natives.frnn_clip_by_global_norm(device, clip.address());
  }

  @Override
  public int optimizerStep(Struct<Fields.Optimizer> optimizer) {
    return Natives.frnn_optimizer_step(device, optimizer.address());
  }

  @Override
  public int linearBytes(Struct<Fields.Linear> linear, long[] bytes) {
    return Natives.frnn_linear_bytes(backend, linear.address(), bytes);
  }

  @Override
  public int linearForward(Struct<Fields.Linear> linear) {
    return Natives.frnn_linear_forward(device, linear.address());
  }

  @Override
  public int linearBackward(Struct<Fields.Linear> linear) {
    return Natives.frnn_linear_backward(device, linear.address());
  }

  @Override
  public int embeddingBytes(Struct<Fields.Embedding> embedding, long[] bytes) {
    return Natives.frnn_embedding_bytes(backend, embedding.address(), bytes);
  }

  @Override
  public int embeddingForward(Struct<Fields.Embedding> embedding) {
    return Natives.frnn_embedding_forward(device, embedding.address());
  }

  @Override
  public int embeddingBackward(Struct<Fields.Embedding> embedding) {
    return Natives.frnn_embedding_backward(device, embedding.address());
  }

  @Override
  public int softmaxXent(Struct<Fields.SoftmaxXent> xent) {
    return Natives.frnn_softmax_xent_forward_backward(device, xent.address());
  }

  @Override
  public int mse(Struct<Fields.Mse> mse) {
    return Natives.frnn_mse_forward_backward(device, mse.address());
  }

  @Override
  public int sample(Struct<Fields.Sample> sample) {
    return Natives.frnn_sample_rows(device, sample.address());
  }
}
