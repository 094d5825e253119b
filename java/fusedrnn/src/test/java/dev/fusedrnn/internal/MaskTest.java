package dev.fusedrnn.internal;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;

import org.junit.jupiter.api.Test;

/**
 * Goal: masks are those that the header lays down. Method: Philox4x32-10 against the known answers
 * that its authors publish with it (Random123, kat_vectors); counters and words of single elements;
 * how many of many are dropped.
 */
class MaskTest {
  @Test
  void knownAnswers() {
    assertArrayEquals(
        new int[] {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}, Mask.philox(new int[4], 0, 0));
    assertArrayEquals(
        new int[] {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd},
        Mask.philox(new int[] {-1, -1, -1, -1}, -1, -1));
    assertArrayEquals(
        new int[] {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1},
        Mask.philox(
            new int[] {0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, 0xa4093822, 0x299f31d0));
  }

  @Test
  void anElementReadsItsOwnWord() {
    long seed = 0x0123456789abcdefL;
    long offset = 0x7766554433221100L;
    int stream = 13;
    int[] words =
        Mask.philox(new int[] {2, 0x33221100, 0x77665544, stream}, 0x89abcdef, 0x01234567);
    for (int word = 0; word < 4; word++) {
      double at = Integer.toUnsignedLong(words[word]) / 0x1p32;
      long element = 8 + word;
      assertFalse(new Mask(at, seed, offset, stream).drops(element), "not below itself");
      assertEquals(true, new Mask(at + 0x1p-32, seed, offset, stream).drops(element));
    }
  }

  /** 100,000 draws at p = 0.3: the standard deviation of the share is 0.00145; allowed are five. */
  @Test
  void dropsItsShareAndScalesTheRest() {
    Mask mask = new Mask(0.3, 5, 6, 7);
    int dropped = 0;
    for (int element = 0; element < 100_000; element++) {
      dropped += mask.drops(element) ? 1 : 0;
      assertEquals(mask.drops(element) ? 0 : 2 / 0.7, mask.apply(2, element));
    }
    assertEquals(0.3, dropped / 1e5, 5 * 0.00145);
    assertFalse(new Mask(0, 5, 6, 7).drops(1));
  }
}
