package dev.fusedrnn.cli;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.fusedrnn.cli.io.JsonFiles;
import dev.fusedrnn.cli.io.OutputFile;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** {@code --json}, the same in every command. */
public final class JsonOption {
  @Option(
      names = "--json",
      paramLabel = "FILE",
      arity = "0..1",
      fallbackValue = "-",
      description = "Write results to FILE as JSON; without FILE, or with -, to the terminal")
  private @Nullable Path file;

  /**
   * @return whether JSON goes to the terminal, where then nothing else belongs
   */
  public boolean toTerminal() {
    return file != null && JsonFiles.isTerminal(file);
  }

  /**
   * @return the file, or null where none was asked for
   */
  public @Nullable Path file() {
    return file;
  }

  /** Refuses a file that could not be written later. */
  public void requireWritable() {
    if (!toTerminal()) {
      OutputFile.requireWritable("--json", file);
    }
  }

  /**
   * Writes the results where they were asked for.
   *
   * @param results what to write
   * @param out the terminal
   * @throws IOException where the file cannot be written
   */
  public void write(ObjectNode results, PrintWriter out) throws IOException {
    if (file != null) {
      JsonFiles.write(file, results, out);
    }
  }
}
