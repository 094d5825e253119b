package dev.fusedrnn.testkit;

/**
 * Which elements dropout and zoneout choose, written from the text of {@code fusedrnn.h}: word e %
 * 4 of Philox4x32-10 (Salmon et al. 2011) with key {seed low, seed high} and counter {e / 4, offset
 * low, offset high, mask stream * 4 + kind}, below floor(p 2^32).
 *
 * @param seed of the masks
 * @param offset of the masks
 * @param stream the mask stream
 * @param kind 0 dropout between layers, 1 recurrent dropout, 2 zoneout of h, 3 zoneout of c
 * @param probability in [0, 1)
 */
record PlainMask(long seed, long offset, int stream, int kind, double probability) {
  private static final long WORD = 0xFFFFFFFFL;

  /** Whether an element is dropped, or keeps its old value. */
  boolean chooses(int element) {
    return probability > 0 && word(element) < (long) Math.floor(probability * 0x1p32);
  }

  /** What an element is multiplied with where the others make up for the dropped ones. */
  float factor(int element) {
    return probability == 0 ? 1 : chooses(element) ? 0 : (float) (1 / (1 - probability));
  }

  private long word(int element) {
    long[] c = {element >>> 2, offset & WORD, offset >>> 32, (stream * 4L + kind) & WORD};
    long key0 = seed & WORD;
    long key1 = seed >>> 32;
    for (int round = 0; round < 10; round++) {
      long product0 = 0xD2511F53L * c[0];
      long product1 = 0xCD9E8D57L * c[2];
      c =
          new long[] {
            (product1 >>> 32) ^ c[1] ^ key0,
            product1 & WORD,
            (product0 >>> 32) ^ c[3] ^ key1,
            product0 & WORD
          };
      key0 = (key0 + 0x9E3779B9L) & WORD;
      key1 = (key1 + 0xBB67AE85L) & WORD;
    }
    return c[element & 3];
  }
}
