package dev.fusedrnn.cli.charlm;

import dev.fusedrnn.cli.Main;
import dev.fusedrnn.cli.UserException;
import dev.fusedrnn.cli.text.StrictUtf8;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/**
 * The text to learn from.
 *
 * @param name what to call it
 * @param text its characters
 */
record TextSource(String name, String text) {
  /** This project's own sources, put into the jar by the build. */
  private static final String OWN_SOURCES = "sources.txt";

  /**
   * @param file a UTF-8 text; null for this project's own sources
   */
  static TextSource of(@Nullable Path file) {
    if (file != null) {
      return new TextSource(file.toString(), StrictUtf8.read(file));
    }
    try (InputStream in = Main.class.getResourceAsStream(OWN_SOURCES)) {
      if (in == null) {
        throw new UserException(
            "this build holds no text of its own to learn from: name one with --text FILE");
      }
      String name = "fusedrnn's own sources";
      return new TextSource(name, StrictUtf8.decode(in.readAllBytes(), name));
    } catch (IOException e) {
      throw new UserException("the text in this program's jar cannot be read (" + e + ")", e);
    }
  }
}
