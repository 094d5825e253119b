package dev.fusedrnn.internal;

import java.nio.ByteBuffer;
import org.jspecify.annotations.Nullable;

/**
 * One opened device. Calls answer an {@code frnn_status}; {@link #lastError()} has the sentence for
 * the last failure of this thread. Results come back through a one-word {@code long[]} or struct.
 */
public interface Engine {
  /** The sentence for this thread's last failure. */
  String lastError();

  /** One JSON object about the device. */
  String describe();

  /** Closes the device. */
  int close();

  /** Changes a setting. */
  int set(String key, long value);

  /** Reads a counter. */
  int counter(String key, long[] value);

  /** Waits for all work. */
  int synchronize();

  /** Allocates device memory. */
  int allocate(long bytes, long[] address);

  /** Frees device memory. */
  int free(long address);

  /** Copies from a direct buffer, position to limit, and waits. */
  int copyIn(long address, ByteBuffer source);

  /** Copies into a direct buffer, position to limit, and waits. */
  int copyOut(ByteBuffer destination, long address);

  /** Where a direct buffer's memory begins, for the backend that computes there. */
  long hostAddress(ByteBuffer direct);

  /** Copies on the device. */
  int copy(long destination, long source, long bytes, long stream);

  /** Fills with a byte. */
  int fill(long address, int byteValue, long bytes, long stream);

  /** Makes a stream. */
  int streamCreate(long[] stream);

  /** Ends a stream. */
  int streamDestroy(long stream);

  /** Waits for a stream. */
  int streamSynchronize(long stream);

  /** Lets a stream wait for an event. */
  int streamWait(long stream, long event);

  /** Makes an event. */
  int eventCreate(long[] event);

  /** Ends an event. */
  int eventDestroy(long event);

  /** Records an event. */
  int eventRecord(long event, long stream);

  /** Waits for an event. */
  int eventSynchronize(long event);

  /** Asks whether an event has happened: 1 or 0. */
  int eventDone(long event, long[] done);

  /** Microseconds between two events. */
  int eventElapsed(long start, long end, double[] micros);

  /** Copies from page-locked memory, enqueued. */
  int copyFromHost(long destination, HostMemory source, long offset, long bytes, long stream);

  /** Copies to page-locked memory, enqueued. */
  int copyToHost(HostMemory destination, long offset, long source, long bytes, long stream);

  /** Page-locks memory. */
  int hostRegister(HostMemory memory);

  /** Ends that, after waiting for the device. */
  int hostUnregister(HostMemory memory);

  /** Whether calls can be captured. */
  boolean servesGraphs();

  /** Begins to record what a stream is given. */
  int captureBegin(long stream);

  /** Ends it; null drops what was recorded. */
  int captureEnd(long stream, long @Nullable [] graph);

  /** Enqueues what was recorded. */
  int graphLaunch(long graph, long stream);

  /** Ends a graph. */
  int graphDestroy(long graph);

  /** Memory needs of a call of a network. */
  int netBytes(NetArguments net, Struct<Fields.RnnSizes> sizes);

  /**
   * What the planner decides for a network, as one JSON object; where {@code status[0]} is not 0,
   * empty.
   */
  String explain(NetArguments net, long[] status);

  /** A network forward. */
  int netForward(NetArguments net);

  /** A network backward. */
  int netBackward(NetArguments net);

  /** Bytes of a network's packed weights; 0 where this backend packs none. */
  int netPackedBytes(NetArguments net, long[] bytes);

  /** Packs a network's weights. */
  int netPack(NetArguments net);

  /** Writes a word in the order of a stream; the call carries it. */
  int writeWord(long address, long word, long stream);

  /** Bytes, chunks and layout of a table of tensors. */
  int tableBytes(TensorTable tensors, Struct<Fields.TableSizes> sizes);

  /** Writes a table of tensors. */
  int tableWrite(TensorTable tensors, long table, long tableBytes, long stream);

  /** Measures, and perhaps scales, by the global norm. */
  int clip(Struct<Fields.Clip> clip);

  /** One optimiser step. */
  int optimizerStep(Struct<Fields.Optimizer> optimizer);

  /** Workspace of a linear layer. */
  int linearBytes(Struct<Fields.Linear> linear, long[] bytes);

  /** A linear layer forward. */
  int linearForward(Struct<Fields.Linear> linear);

  /** A linear layer backward. */
  int linearBackward(Struct<Fields.Linear> linear);

  /** Workspace of an embedding's backward pass. */
  int embeddingBytes(Struct<Fields.Embedding> embedding, long[] bytes);

  /** An embedding forward. */
  int embeddingForward(Struct<Fields.Embedding> embedding);

  /** An embedding backward. */
  int embeddingBackward(Struct<Fields.Embedding> embedding);

  /** Softmax cross-entropy with its gradient. */
  int softmaxXent(Struct<Fields.SoftmaxXent> xent);

  /** Mean squared error with its gradient. */
  int mse(Struct<Fields.Mse> mse);

  /** Draws classes from logits. */
  int sample(Struct<Fields.Sample> sample);
}
