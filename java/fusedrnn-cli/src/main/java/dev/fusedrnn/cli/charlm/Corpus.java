package dev.fusedrnn.cli.charlm;

import dev.fusedrnn.cli.UserException;
import dev.fusedrnn.cli.text.Vocabulary;
import java.nio.ByteBuffer;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Arrays;
import java.util.HexFormat;

/**
 * A text as numbers, cut into a part to learn from and a contiguous tail to validate on.
 *
 * @param vocabulary of the whole text
 * @param train the first part
 * @param valid the tail; empty where none was asked for
 */
record Corpus(Vocabulary vocabulary, int[] train, int[] valid) {

  /**
   * @param text the text
   * @param name what to call it in an error
   * @param validFraction part of the text to validate on, in [0, 1)
   * @param seqLen characters of one training sequence
   * @throws UserException where the text is shorter than one sequence
   */
  static Corpus of(String text, String name, double validFraction, int seqLen) {
    Vocabulary vocabulary = Vocabulary.of(text);
    int[] ids = vocabulary.encode(text, name);
    int cut = ids.length - (int) (ids.length * validFraction);
    if (cut < seqLen + 1) {
      throw new UserException(
          String.format(
              "%s: has %d characters, %d of them to learn from; one sequence needs %d (--seq-len %d"
                  + " and the character after it): give a longer text or a smaller --seq-len",
              name, ids.length, cut, seqLen + 1, seqLen));
    }
    return new Corpus(
        vocabulary, Arrays.copyOf(ids, cut), Arrays.copyOfRange(ids, cut, ids.length));
  }

  /** A checksum of characters, order and cut. */
  String sha256() {
    try {
      MessageDigest digest = MessageDigest.getInstance("SHA-256");
      for (int[] part : new int[][] {vocabulary.codePoints(), train, valid}) {
        ByteBuffer bytes = ByteBuffer.allocate(4 + 4 * part.length).putInt(part.length);
        bytes.asIntBuffer().put(part);
        digest.update(bytes.array());
      }
      return HexFormat.of().formatHex(digest.digest());
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException("every JDK has SHA-256", e);
    }
  }
}
