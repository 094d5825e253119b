package dev.fusedrnn.cli.charlm;

import dev.fusedrnn.DType;
import dev.fusedrnn.Device;
import dev.fusedrnn.DeviceBuffer;
import dev.fusedrnn.Sampler;
import dev.fusedrnn.cli.UserException;
import dev.fusedrnn.cli.text.Vocabulary;

/**
 * Writes text one character at a time: each is drawn, on the device, from what the model says of
 * the next. The device is waited for once, at the end.
 */
final class TextWriter implements AutoCloseable {
  /**
   * How characters are drawn.
   *
   * @param temperature what scores are divided by; 0 takes the best character always
   * @param topK how many of the best characters are drawn from; 0 for all
   * @param topP the share of the probability that is drawn from, the best characters first; 1 for
   *     all
   * @param seed the same seed gives the same text
   */
  record Draw(double temperature, int topK, double topP, long seed) {
    Draw(double temperature, long seed) {
      this(temperature, 0, 1, seed);
    }
  }

  private final Device device;
  private final CharParameters parameters;
  private final CharNet net;
  private final Sampler sampler;

  TextWriter(Device device, CharParameters parameters) {
    this.device = device;
    this.parameters = parameters;
    this.net = new CharNet(device, parameters, 1, 1);
    this.sampler =
        Sampler.create(device, DType.F32, 1, parameters.shape().vocabulary().size())
            .logits(net.logits());
  }

  /**
   * What to read first where nobody says: a line end, for what follows one may begin a text.
   *
   * @return one id
   */
  static int[] beginning(Vocabulary vocabulary) {
    return new int[] {Math.max(0, vocabulary.id('\n'))};
  }

  /**
   * Writes text after a beginning.
   *
   * @param prime ids to read first, at least one
   * @param length characters to write
   * @param draw how they are drawn
   * @return the characters written, without the beginning
   */
  String write(int[] prime, int length, Draw draw) {
    sampler.temperature(draw.temperature()).topK(draw.topK()).topP(draw.topP());
    int count = Math.addExact(prime.length, length);
    int[] ids = new int[count];
    System.arraycopy(prime, 0, ids, 0, prime.length);
    try (DeviceBuffer text = device.allocate(DType.I32, count)) {
      text.write(ids);
      net.zeroState();
      for (int k = 1; k < count; k++) {
        net.forward(text.slice(k - 1, 1));
        net.carryState();
        if (k >= prime.length) {
          sampler.ids(text.slice(k, 1)).seed(draw.seed(), k).run(device.defaultStream());
        }
      }
      text.readInto(ids);
    }
    StringBuilder written = new StringBuilder();
    for (int k = prime.length; k < count; k++) {
      if (ids[k] < 0) {
        throw new UserException("the model's scores are not numbers, so it cannot write");
      }
      written.appendCodePoint(parameters.shape().vocabulary().codePoint(ids[k]));
    }
    return written.toString();
  }

  @Override
  public void close() {
    net.close();
  }
}
