package dev.fusedrnn.internal;

/**
 * A mask of dropout or zoneout, drawn from Philox4x32-10 (Salmon et al. 2011); {@code fusedrnn.h},
 * "Masks", says which key and counter belong to an element.
 *
 * @param probability of dropping an element, in [0, 1)
 * @param seed the key
 * @param offset the middle of the counter
 * @param stream the end of the counter: mask_stream * 4 + kind
 */
record Mask(double probability, long seed, long offset, int stream) {
  static final int DROPOUT = 0;
  static final int RECURRENT_DROPOUT = 1;
  static final int ZONEOUT_H = 2;
  static final int ZONEOUT_C = 3;

  /** Whether an element, counted row-major in the mask's shape, is dropped. */
  boolean drops(long element) {
    if (probability == 0) {
      return false;
    }
    int[] words =
        philox(
            new int[] {(int) (element / 4), (int) offset, (int) (offset >>> 32), stream},
            (int) seed,
            (int) (seed >>> 32));
    long word = Integer.toUnsignedLong(words[(int) (element % 4)]);
    return word < (long) Math.floor(probability * 0x1p32);
  }

  /** Zero where an element is dropped, else the value divided by 1 - p. */
  double apply(double value, long element) {
    return drops(element) ? 0 : value / (1 - probability);
  }

  /** Ten rounds over a counter of four words with a key of two. */
  static int[] philox(int[] counter, int key0, int key1) {
    int[] c = counter.clone();
    for (int round = 0; round < 10; round++) {
      long even = 0xD2511F53L * Integer.toUnsignedLong(c[0]);
      long odd = 0xCD9E8D57L * Integer.toUnsignedLong(c[2]);
      c =
          new int[] {
            (int) (odd >>> 32) ^ c[1] ^ (key0 + round * 0x9E3779B9),
            (int) odd,
            (int) (even >>> 32) ^ c[3] ^ (key1 + round * 0xBB67AE85),
            (int) even
          };
    }
    return c;
  }
}
