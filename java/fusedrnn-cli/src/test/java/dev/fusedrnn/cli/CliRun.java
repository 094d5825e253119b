package dev.fusedrnn.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import picocli.CommandLine;

/**
 * A command line that was run inside the test's own process.
 *
 * @param exit its exit code
 * @param out what it printed
 * @param err what it complained of
 */
public record CliRun(int exit, String out, String err) {

  /** Runs a command line; arguments that are not strings are paths and numbers. */
  public static CliRun of(Object... arguments) {
    StringWriter out = new StringWriter();
    StringWriter err = new StringWriter();
    CommandLine commandLine =
        Main.commandLine().setOut(new PrintWriter(out)).setErr(new PrintWriter(err));
    int exit =
        commandLine.execute(Arrays.stream(arguments).map(Object::toString).toArray(String[]::new));
    return new CliRun(exit, out.toString(), err.toString());
  }

  /**
   * Runs a command line whose options are given by two hands, the second of which wins.
   *
   * @param command the words before the options
   * @param options each with one value
   * @param more options that replace or add; a flag stands last
   */
  public static CliRun of(List<?> command, List<?> options, Object... more) {
    Map<Object, Object> merged = new LinkedHashMap<>();
    List<Object> line = new ArrayList<>(options);
    line.addAll(List.of(more));
    for (int k = 0; k < line.size(); k += 2) {
      merged.put(line.get(k), k + 1 < line.size() ? line.get(k + 1) : "");
    }
    List<Object> words = new ArrayList<>(command);
    merged.forEach(
        (option, value) -> {
          words.add(option);
          if (!value.equals("")) {
            words.add(value);
          }
        });
    return of(words.toArray());
  }

  /** Requires success. */
  public CliRun ok() {
    assertEquals(ExitCode.OK, exit, err);
    return this;
  }

  /** Requires that the user was told, with exit code 2, something that holds each of these. */
  public void refused(String... parts) {
    assertEquals(ExitCode.USAGE, exit, err);
    for (String part : parts) {
      assertTrue(err.contains(part), () -> "expected \"" + part + "\" in: " + err);
    }
  }

  /** Reads a file that a command wrote. */
  public static JsonNode json(Path file) throws IOException {
    return new ObjectMapper().readTree(file.toFile());
  }
}
