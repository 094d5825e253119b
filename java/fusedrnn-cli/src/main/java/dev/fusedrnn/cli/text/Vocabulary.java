package dev.fusedrnn.cli.text;

import dev.fusedrnn.cli.UserException;
import java.util.Arrays;

/**
 * The characters of a text, numbered. A character is a Unicode code point; numbers run from 0 in
 * the order of code points, so that the same text gives the same numbers everywhere. Immutable.
 */
public final class Vocabulary {
  private final int[] codePoints;

  private Vocabulary(int[] codePoints) {
    this.codePoints = codePoints;
  }

  /**
   * The distinct characters of a text.
   *
   * @param text any text
   * @return its vocabulary, empty where the text is
   */
  public static Vocabulary of(String text) {
    return new Vocabulary(text.codePoints().sorted().distinct().toArray());
  }

  /**
   * A vocabulary as it was saved.
   *
   * @param codePoints ascending, without repetition
   * @return the vocabulary
   * @throws IllegalArgumentException where that does not hold or a number is no code point
   */
  public static Vocabulary ofCodePoints(int[] codePoints) {
    for (int k = 0; k < codePoints.length; k++) {
      if (!Character.isValidCodePoint(codePoints[k])
          || (k > 0 && codePoints[k] <= codePoints[k - 1])) {
        throw new IllegalArgumentException(
            "vocabulary: entry " + k + " (" + codePoints[k] + ") is no code point or out of order");
      }
    }
    return new Vocabulary(codePoints.clone());
  }

  /**
   * @return how many characters there are
   */
  public int size() {
    return codePoints.length;
  }

  /**
   * @return the characters in the order of their numbers
   */
  public int[] codePoints() {
    return codePoints.clone();
  }

  /**
   * @param id a number in [0, size)
   * @return its code point
   */
  public int codePoint(int id) {
    return codePoints[id];
  }

  /**
   * @param codePoint a character
   * @return its number, negative where the vocabulary does not have it
   */
  public int id(int codePoint) {
    return Arrays.binarySearch(codePoints, codePoint);
  }

  /**
   * Numbers for a whole text.
   *
   * @param text the text
   * @param name what to call it in an error
   * @return one number a code point
   * @throws UserException naming the first character that the vocabulary does not have
   */
  public int[] encode(String text, String name) {
    int[] points = text.codePoints().toArray();
    for (int k = 0; k < points.length; k++) {
      int id = id(points[k]);
      if (id < 0) {
        throw new UserException(
            String.format(
                "%s: character %d is %s, which the model has never seen (it knows %d characters)",
                name, k, describe(points[k]), codePoints.length));
      }
      points[k] = id;
    }
    return points;
  }

  private static String describe(int codePoint) {
    String code = String.format("U+%04X", codePoint);
    return Character.isISOControl(codePoint)
        ? code
        : "'" + Character.toString(codePoint) + "' (" + code + ")";
  }
}
