package dev.fusedrnn.cli.charlm;

import dev.fusedrnn.DType;
import dev.fusedrnn.Device;
import dev.fusedrnn.DeviceBuffer;
import dev.fusedrnn.cli.text.Vocabulary;
import java.util.SplittableRandom;

/** Writes text one character at a time: each is drawn from what the model says of the next. */
final class Sampler implements AutoCloseable {
  private final CharParameters parameters;
  private final CharNet net;
  private final DeviceBuffer id;
  private final float[] scores;
  private final double[] weights;

  Sampler(Device device, CharParameters parameters) {
    this.parameters = parameters;
    this.net = new CharNet(device, parameters, null, 1, 1);
    this.id = device.allocate(DType.I32, 1);
    this.scores = new float[parameters.shape().vocabulary().size()];
    this.weights = new double[scores.length];
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
   * @param temperature what scores are divided by; 0 takes the best character always
   * @param seed the same seed gives the same text
   * @return the characters written, without the beginning
   */
  String sample(int[] prime, int length, double temperature, long seed) {
    SplittableRandom random = new SplittableRandom(seed);
    StringBuilder text = new StringBuilder();
    net.zeroState();
    for (int k = 0; k < prime.length; k++) {
      read(prime[k]);
    }
    for (int k = 0; k < length; k++) {
      net.logits().view(scores.length).readInto(scores);
      int next = draw(temperature, random);
      text.appendCodePoint(parameters.shape().vocabulary().codePoint(next));
      read(next);
    }
    return text.toString();
  }

  private void read(int character) {
    id.write(new int[] {character});
    net.forward(id);
    net.carryState();
  }

  private int draw(double temperature, SplittableRandom random) {
    int best = 0;
    for (int k = 1; k < scores.length; k++) {
      best = scores[k] > scores[best] ? k : best;
    }
    if (temperature == 0) {
      return best;
    }
    double sum = 0;
    for (int k = 0; k < scores.length; k++) {
      weights[k] = Math.exp((scores[k] - scores[best]) / temperature);
      sum += weights[k];
    }
    double rest = random.nextDouble() * sum;
    for (int k = 0; k < scores.length; k++) {
      rest -= weights[k];
      if (rest < 0) {
        return k;
      }
    }
    return best;
  }

  @Override
  public void close() {
    net.close();
    id.close();
  }
}
