package dev.fusedrnn.cli.io;

import dev.fusedrnn.cli.UserException;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import org.jspecify.annotations.Nullable;

/** Files that a command writes: refused before the work starts, never left half written. */
public final class OutputFile {
  private OutputFile() {}

  /** Writes the content of a file. */
  @FunctionalInterface
  public interface Content {
    /**
     * @param channel a new empty file
     * @throws IOException where it cannot be written
     */
    void writeTo(FileChannel channel) throws IOException;
  }

  /**
   * Finds out now whether a file can be written later.
   *
   * @param option the option that named it, for the error
   * @param file the file, or null where none was asked for
   * @throws UserException that says why it cannot be written
   */
  public static void requireWritable(String option, @Nullable Path file) {
    if (file == null) {
      return;
    }
    Path folder = folder(file);
    if (!Files.isDirectory(folder)) {
      throw new UserException(
          option + " " + file + ": the folder " + folder + " does not exist; make it first");
    }
    if (Files.isDirectory(file)) {
      throw new UserException(option + " " + file + ": is a folder; expected a file name");
    }
    if (Files.exists(file) && !Files.isWritable(file)) {
      throw new UserException(option + " " + file + ": the file is write-protected");
    }
    try {
      Files.delete(Files.createTempFile(folder, ".fusedrnn", ".tmp"));
    } catch (IOException e) {
      throw new UserException(
          option + " " + file + ": cannot write in the folder " + folder + " (" + e + ")", e);
    }
  }

  /**
   * Writes a file under another name in the same folder, then puts it in its place in one step.
   *
   * @param file replaced where it exists
   * @param content writes it
   * @throws IOException where that cannot be done; an older file then stays as it was
   */
  public static void replace(Path file, Content content) throws IOException {
    Path temporary =
        folder(file).resolve(file.getFileName() + ".tmp" + ProcessHandle.current().pid());
    try {
      try (FileChannel channel =
          FileChannel.open(
              temporary,
              StandardOpenOption.CREATE,
              StandardOpenOption.TRUNCATE_EXISTING,
              StandardOpenOption.WRITE)) {
        content.writeTo(channel);
        channel.force(true);
      }
      Files.move(
          temporary, file, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
    } finally {
      Files.deleteIfExists(temporary);
    }
  }

  private static Path folder(Path file) {
    Path parent = file.toAbsolutePath().getParent();
    if (parent == null) {
      throw new UserException(file + ": expected a file name");
    }
    return parent;
  }
}
