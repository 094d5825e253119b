package dev.fusedrnn.bench.peers;

import ai.onnxruntime.OnnxTensor;
import ai.onnxruntime.OrtEnvironment;
import ai.onnxruntime.OrtException;
import ai.onnxruntime.OrtSession;
import dev.fusedrnn.bench.CheckedSequence;
import dev.fusedrnn.bench.Precision;
import dev.fusedrnn.testkit.NetCase;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** A session of one node, whose inputs and outputs are the same direct buffers in every run. */
final class OnnxRuntimeSequence extends CheckedSequence {
  private static final List<String> INPUTS = List.of("x", "h0", "c0");

  private final OrtSession session;
  private final Map<String, FloatBuffer> buffers = new LinkedHashMap<>();
  private final Map<String, OnnxTensor> inputs = new LinkedHashMap<>();
  private final Map<String, OnnxTensor> outputs = new LinkedHashMap<>();

  OnnxRuntimeSequence(OrtEnvironment environment, NetCase sizes, int threads) throws OrtException {
    super(sizes, Precision.F32, false);
    try (OrtSession.SessionOptions options = new OrtSession.SessionOptions()) {
      options.setIntraOpNumThreads(threads);
      options.setInterOpNumThreads(1);
      session = environment.createSession(OnnxModel.of(sizes, data), options);
    }
    for (String name : session.getInputNames()) {
      inputs.put(name, tensor(environment, name));
    }
    for (String name : session.getOutputNames()) {
      outputs.put(name, tensor(environment, name));
    }
    INPUTS.stream().filter(inputs::containsKey).forEach(name -> put(name, values(name)));
  }

  private float[] values(String name) {
    return data.getOrDefault(name, new float[0]);
  }

  private OnnxTensor tensor(OrtEnvironment environment, String name) throws OrtException {
    long[] shape = OnnxModel.shape(sizes, name);
    long count = 1;
    for (long size : shape) {
      count *= size;
    }
    FloatBuffer buffer =
        ByteBuffer.allocateDirect(Math.toIntExact(count * Float.BYTES))
            .order(ByteOrder.nativeOrder())
            .asFloatBuffer();
    buffers.put(name, buffer);
    return OnnxTensor.createTensor(environment, buffer, shape);
  }

  private FloatBuffer buffer(String name) {
    FloatBuffer buffer = buffers.get(name);
    if (buffer == null) {
      throw new IllegalArgumentException("no tensor of the name " + name);
    }
    return buffer.duplicate();
  }

  @Override
  public void put(String name, float[] values) {
    buffer(name).put(values);
  }

  @Override
  public double[] get(String name) {
    FloatBuffer buffer = buffer(name);
    double[] values = new double[buffer.capacity()];
    for (int k = 0; k < values.length; k++) {
      values[k] = buffer.get(k);
    }
    return values;
  }

  @Override
  public void forward() {
    try {
      session.run(inputs, outputs).close(); // pinned outputs stay open
    } catch (OrtException e) {
      throw new IllegalStateException(e);
    }
  }

  @Override
  public void train() {
    throw new UnsupportedOperationException("ONNX Runtime does not train");
  }

  @Override
  public String who() {
    return "ONNX Runtime";
  }

  @Override
  public void close() {
    inputs.values().forEach(OnnxTensor::close);
    outputs.values().forEach(OnnxTensor::close);
    try {
      session.close();
    } catch (OrtException e) {
      throw new IllegalStateException(e);
    }
  }
}
