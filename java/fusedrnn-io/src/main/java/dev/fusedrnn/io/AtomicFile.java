package dev.fusedrnn.io;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;

/** Files that are never left half written. */
public final class AtomicFile {
  private static final String TEMPORARY = ".fusedrnn-tmp";

  private AtomicFile() {}

  /** Writes the content of a file. */
  @FunctionalInterface
  public interface Content {
    /**
     * Writes it.
     *
     * @param channel a new empty file
     * @throws IOException where it cannot be written
     */
    void writeTo(FileChannel channel) throws IOException;
  }

  /**
   * Writes a file under another name in the same folder, forces it to the disk, and puts it in its
   * place in one step, which is forced to the disk as well. Whatever happens, the name stands for
   * the old content or the new one, whole. What a process that was killed in the middle left behind
   * is deleted by the next call.
   *
   * @param file replaced where it exists
   * @param content writes it
   * @throws IOException where that cannot be done; an older file then stays as it was
   */
  public static void replace(Path file, Content content) throws IOException {
    Path target = file.toAbsolutePath();
    Path temporary =
        target.resolveSibling(target.getFileName() + TEMPORARY + ProcessHandle.current().pid());
    deleteLeftovers(target);
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
          temporary, target, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
      try (FileChannel folder = FileChannel.open(target.resolveSibling("."))) {
        folder.force(true); // the new name is in the folder, not in the file
      }
    } finally {
      Files.deleteIfExists(temporary);
    }
  }

  /** Deletes temporary files of this file whose process is gone. */
  private static void deleteLeftovers(Path target) throws IOException {
    String prefix = target.getFileName() + TEMPORARY;
    try (DirectoryStream<Path> siblings =
        Files.newDirectoryStream(
            target.resolveSibling("."),
            path -> isLeftover(path.getFileName().toString(), prefix))) {
      for (Path leftover : siblings) {
        Files.deleteIfExists(leftover);
      }
    }
  }

  private static boolean isLeftover(String name, String prefix) {
    if (!name.startsWith(prefix) || !name.substring(prefix.length()).matches("[0-9]{1,18}")) {
      return false;
    }
    return ProcessHandle.of(Long.parseLong(name.substring(prefix.length()))).isEmpty();
  }
}
