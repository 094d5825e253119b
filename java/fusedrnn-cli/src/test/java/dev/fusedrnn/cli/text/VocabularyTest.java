package dev.fusedrnn.cli.text;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.fusedrnn.cli.UserException;
import org.junit.jupiter.api.Test;

/** Goal: characters are code points, numbered in order. Method: small texts, one of them Korean. */
class VocabularyTest {
  @Test
  void charactersAreCodePointsInOrder() {
    Vocabulary vocabulary = Vocabulary.of("나가𝄞가b");
    assertArrayEquals(new int[] {'b', '가', '나', 0x1D11E}, vocabulary.codePoints());
    assertArrayEquals(new int[] {2, 1, 3, 1, 0}, vocabulary.encode("나가𝄞가b", "t"));
    assertEquals(0x1D11E, vocabulary.codePoint(3));
    assertEquals(4, vocabulary.size());
  }

  @Test
  void aCharacterThatWasNeverSeenIsNamed() {
    Vocabulary vocabulary = Vocabulary.of("ab");
    UserException e =
        assertThrows(UserException.class, () -> vocabulary.encode("ab\uAC00", "--prime"));
    assertEquals(
        "--prime: character 2 is '\uAC00' (U+AC00), which the model has never seen (it knows 2"
            + " characters)",
        e.getMessage());
    assertTrue(
        assertThrows(UserException.class, () -> vocabulary.encode("\n", "--prime"))
            .getMessage()
            .contains("is U+000A, which"));
  }

  @Test
  void savedVocabulariesMustBeInOrder() {
    assertArrayEquals(new int[] {1, 5}, Vocabulary.ofCodePoints(new int[] {1, 5}).codePoints());
    assertThrows(IllegalArgumentException.class, () -> Vocabulary.ofCodePoints(new int[] {5, 1}));
    assertThrows(IllegalArgumentException.class, () -> Vocabulary.ofCodePoints(new int[] {-1}));
    assertThrows(
        IllegalArgumentException.class, () -> Vocabulary.ofCodePoints(new int[] {0x110000}));
  }
}
