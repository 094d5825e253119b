package dev.fusedrnn.cli.charlm;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/** Small texts to learn. */
final class Texts {
  static final String ENGLISH =
      "the quick brown fox jumps over the lazy dog. pack my box with five dozen liquor jugs.\n"
          .repeat(12);

  /** From Yi Sang, The Wings (1936), in the public domain. */
  static final String KOREAN = "날개야 다시 돋아라. 날자. 날자. 한 번만 더 날자꾸나.\n".repeat(20);

  private Texts() {}

  static Path write(Path folder, String text) throws IOException {
    return Files.writeString(folder.resolve("text.txt"), text);
  }
}
