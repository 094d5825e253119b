package dev.fusedrnn.cli.text;

import dev.fusedrnn.cli.UserException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.CharBuffer;
import java.nio.charset.CoderResult;
import java.nio.charset.CodingErrorAction;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;

/** Reads text that must be UTF-8, and says where it is not. */
public final class StrictUtf8 {
  private static final char BYTE_ORDER_MARK = '\uFEFF';

  private StrictUtf8() {}

  /**
   * Reads a whole file. A byte order mark at the start is dropped.
   *
   * @param file a UTF-8 text file, below 2 GiB
   * @return its characters
   * @throws UserException where the file is missing, unreadable, empty or not UTF-8
   */
  public static String read(Path file) {
    if (Files.isDirectory(file)) {
      throw new UserException(file + ": is a folder; expected a UTF-8 text file");
    }
    byte[] bytes;
    try {
      bytes = Files.readAllBytes(file);
    } catch (NoSuchFileException e) {
      throw new UserException(file + ": there is no such file", e);
    } catch (IOException | OutOfMemoryError e) {
      throw new UserException(file + ": cannot be read (" + e + ")", e);
    }
    if (bytes.length == 0) {
      throw new UserException(file + ": the file is empty; there is nothing to learn from");
    }
    return decode(bytes, file.toString());
  }

  /**
   * Decodes bytes that must be UTF-8.
   *
   * @param bytes the text
   * @param name what to call it in an error
   * @return its characters, without a byte order mark
   * @throws UserException naming the offset of the first byte that cannot stand where it does
   */
  public static String decode(byte[] bytes, String name) {
    ByteBuffer in = ByteBuffer.wrap(bytes);
    CharBuffer out = CharBuffer.allocate(bytes.length);
    CoderResult result =
        StandardCharsets.UTF_8
            .newDecoder()
            .onMalformedInput(CodingErrorAction.REPORT)
            .onUnmappableCharacter(CodingErrorAction.REPORT)
            .decode(in, out, true);
    if (result.isError()) {
      int offset = in.position();
      throw new UserException(
          String.format(
              "%s: not UTF-8: byte 0x%02X at offset %d cannot stand there; convert the file first,"
                  + " for example with iconv -t UTF-8",
              name, bytes[offset] & 0xFF, offset));
    }
    out.flip();
    if (out.length() > 0 && out.charAt(0) == BYTE_ORDER_MARK) {
      out.position(1);
    }
    return out.toString();
  }
}
