package dev.fusedrnn.cli.io;

import dev.fusedrnn.cli.UserException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/** Files that a command writes: refused before the work starts. */
public final class OutputFile {
  private OutputFile() {}

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

  private static Path folder(Path file) {
    Path parent = file.toAbsolutePath().getParent();
    if (parent == null) {
      throw new UserException(file + ": expected a file name");
    }
    return parent;
  }
}
