package dev.fusedrnn.cli.text;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.fusedrnn.cli.UserException;
import java.nio.charset.StandardCharsets;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Goal: text is UTF-8 or is refused with the place. Method: good and bad bytes. */
class StrictUtf8Test {
  private static byte[] bytes(String hex) {
    return java.util.HexFormat.of().parseHex(hex);
  }

  @Test
  void everyLanguageIsRead() {
    String text = "날 수 있다 – ça va 𝄞\n";
    assertEquals(text, StrictUtf8.decode(text.getBytes(StandardCharsets.UTF_8), "t"));
  }

  @Test
  void aByteOrderMarkIsDropped() {
    assertEquals("a", StrictUtf8.decode(bytes("efbbbf61"), "t"));
  }

  @ParameterizedTest
  @CsvSource({
    "6161ff61, 0xFF, 2",
    "61c3, 0xC3, 1",
    "e0a4, 0xE0, 0",
    "61626364eda080, 0xED, 4",
    "c0af, 0xC0, 0",
    "616180, 0x80, 2"
  })
  void theFirstBadByteIsNamed(String hex, String bad, int offset) {
    UserException e =
        assertThrows(UserException.class, () -> StrictUtf8.decode(bytes(hex), "poem.txt"));
    String expected = "poem.txt: not UTF-8: byte " + bad + " at offset " + offset + " ";
    assertTrue(e.getMessage().startsWith(expected), e.getMessage());
  }
}
