package dev.fusedrnn.cli.io;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.fusedrnn.cli.UserException;
import dev.fusedrnn.io.AtomicFile;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Goal: files appear whole or not at all. Method: writers that fail, and places that cannot be. */
class OutputFileTest {
  @TempDir private Path folder;

  private long files() throws IOException {
    try (Stream<Path> list = Files.list(folder)) {
      return list.count();
    }
  }

  @Test
  void aFailedWriteLeavesTheOldFile() throws IOException {
    Path file = Files.writeString(folder.resolve("f"), "old");
    assertThrows(
        IOException.class,
        () ->
            AtomicFile.replace(
                file,
                channel -> {
                  channel.write(ByteBuffer.wrap(new byte[] {1}));
                  throw new IOException("disk full");
                }));
    assertEquals("old", Files.readString(file));
    assertEquals(1, files());
  }

  @Test
  void placesThatCannotBeWrittenAreRefused() throws IOException {
    OutputFile.requireWritable("--save", null);
    OutputFile.requireWritable("--save", folder.resolve("new"));
    assertEquals(0, files());
    Path nowhere = folder.resolve("no/f");
    UserException missing =
        assertThrows(UserException.class, () -> OutputFile.requireWritable("--save", nowhere));
    assertEquals(
        "--save "
            + nowhere
            + ": the folder "
            + nowhere.getParent()
            + " does not exist; make it"
            + " first",
        missing.getMessage());
    UserException isFolder =
        assertThrows(UserException.class, () -> OutputFile.requireWritable("--save", folder));
    assertEquals("--save " + folder + ": is a folder; expected a file name", isFolder.getMessage());
  }
}
