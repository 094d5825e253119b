package dev.fusedrnn.internal;

import java.nio.ByteBuffer;

/** Plain Java in double precision: the oracle. */
final class ReferenceEngine implements Engine {
  @Override
  public String lastError() {
    throw new UnsupportedOperationException();
  }

  @Override
  public String describe() {
    throw new UnsupportedOperationException();
  }

  @Override
  public int close() {
    throw new UnsupportedOperationException();
  }

  @Override
  public int set(String key, long value) {
    throw new UnsupportedOperationException();
  }

  @Override
  public int counter(String key, long[] value) {
    throw new UnsupportedOperationException();
  }

  @Override
  public int synchronize() {
    throw new UnsupportedOperationException();
  }

  @Override
  public int allocate(long bytes, long[] address) {
    throw new UnsupportedOperationException();
  }

  @Override
  public int free(long address) {
    throw new UnsupportedOperationException();
  }

  @Override
  public int copyIn(long address, ByteBuffer source) {
    throw new UnsupportedOperationException();
  }

  @Override
  public int copyOut(ByteBuffer destination, long address) {
    throw new UnsupportedOperationException();
  }

  @Override
  public int copy(long destination, long source, long bytes, long stream) {
    throw new UnsupportedOperationException();
  }

  @Override
  public int fill(long address, int byteValue, long bytes, long stream) {
    throw new UnsupportedOperationException();
  }

  @Override
  public int streamCreate(long[] stream) {
    throw new UnsupportedOperationException();
  }

  @Override
  public int streamDestroy(long stream) {
    throw new UnsupportedOperationException();
  }

  @Override
  public int streamSynchronize(long stream) {
    throw new UnsupportedOperationException();
  }

  @Override
  public int streamWait(long stream, long event) {
    throw new UnsupportedOperationException();
  }

  @Override
  public int eventCreate(long[] event) {
    throw new UnsupportedOperationException();
  }

  @Override
  public int eventDestroy(long event) {
    throw new UnsupportedOperationException();
  }

  @Override
  public int eventRecord(long event, long stream) {
    throw new UnsupportedOperationException();
  }

  @Override
  public int eventSynchronize(long event) {
    throw new UnsupportedOperationException();
  }

  @Override
  public int eventDone(long event, long[] done) {
    throw new UnsupportedOperationException();
  }

  @Override
  public int eventElapsed(long start, long end, double[] micros) {
    throw new UnsupportedOperationException();
  }

  @Override
  public int rnnBytes(Struct<Fields.Rnn> rnn, Struct<Fields.RnnSizes> sizes) {
    throw new UnsupportedOperationException();
  }

  @Override
  public int rnnForward(Struct<Fields.Rnn> rnn) {
    throw new UnsupportedOperationException();
  }

  @Override
  public int rnnBackward(Struct<Fields.Rnn> rnn) {
    throw new UnsupportedOperationException();
  }

  @Override
  public int tableBytes(TensorTable tensors, long[] answer) {
    throw new UnsupportedOperationException();
  }

  @Override
  public int tableWrite(TensorTable tensors, long table, long tableBytes, long stream) {
    throw new UnsupportedOperationException();
  }

  @Override
  public int clip(Struct<Fields.Clip> clip) {
    throw new UnsupportedOperationException();
  }

  @Override
  public int optimizerStep(Struct<Fields.Optimizer> optimizer) {
    throw new UnsupportedOperationException();
  }

  @Override
  public int linearBytes(Struct<Fields.Linear> linear, long[] bytes) {
    throw new UnsupportedOperationException();
  }

  @Override
  public int linearForward(Struct<Fields.Linear> linear) {
    throw new UnsupportedOperationException();
  }

  @Override
  public int linearBackward(Struct<Fields.Linear> linear) {
    throw new UnsupportedOperationException();
  }

  @Override
  public int embeddingForward(Struct<Fields.Embedding> embedding) {
    throw new UnsupportedOperationException();
  }

  @Override
  public int embeddingBackward(Struct<Fields.Embedding> embedding) {
    throw new UnsupportedOperationException();
  }

  @Override
  public int softmaxXent(Struct<Fields.SoftmaxXent> xent) {
    throw new UnsupportedOperationException();
  }
}
