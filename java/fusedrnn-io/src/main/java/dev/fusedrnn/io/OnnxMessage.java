package dev.fusedrnn.io;

import com.google.protobuf.CodedOutputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;

/** Writes one protobuf message field by field; the numbers are those of {@code onnx.proto}. */
final class OnnxMessage {
  private final ByteArrayOutputStream bytes = new ByteArrayOutputStream();
  private final CodedOutputStream out = CodedOutputStream.newInstance(bytes);

  /** Writes a field's value. */
  @FunctionalInterface
  private interface Write {
    void to(CodedOutputStream out) throws IOException;
  }

  private OnnxMessage put(Write write) {
    try {
      write.to(out);
    } catch (IOException e) {
      throw new UncheckedIOException("memory cannot fail", e);
    }
    return this;
  }

  OnnxMessage field(int number, long value) {
    return put(stream -> stream.writeInt64(number, value));
  }

  OnnxMessage field(int number, float value) {
    return put(stream -> stream.writeFloat(number, value));
  }

  OnnxMessage field(int number, String value) {
    return field(number, value.getBytes(StandardCharsets.UTF_8));
  }

  OnnxMessage field(int number, byte[] value) {
    return put(stream -> stream.writeByteArray(number, value));
  }

  OnnxMessage field(int number, OnnxMessage value) {
    return field(number, value.toByteArray());
  }

  byte[] toByteArray() {
    put(CodedOutputStream::flush);
    return bytes.toByteArray();
  }
}
