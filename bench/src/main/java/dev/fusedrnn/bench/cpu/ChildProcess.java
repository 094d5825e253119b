package dev.fusedrnn.bench.cpu;

import com.fasterxml.jackson.databind.ObjectMapper;
import dev.fusedrnn.bench.BenchmarkFailedException;
import java.io.BufferedReader;
import java.io.BufferedWriter;
import java.io.File;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.OutputStreamWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.TimeUnit;

/** The parent's side of a {@link Child}. */
final class ChildProcess implements AutoCloseable {
  private static final ObjectMapper JSON = new ObjectMapper();

  private final Engines.Setting setting;
  private final Path log;
  private final Path results;
  private final Process process;
  private final BufferedWriter to;
  private final BufferedReader from;
  private String how = "";

  /**
   * Starts a process.
   *
   * @param setting which engine, and how
   * @param classPath before this process's own
   * @param folder for its log and results; stays the caller's
   * @param number makes names in the folder unique
   */
  ChildProcess(Engines.Setting setting, List<String> classPath, Path folder, int number)
      throws IOException {
    this.setting = setting;
    this.log = folder.resolve("child-" + number + ".log");
    this.results = folder.resolve("child-" + number + ".results");
    ProcessBuilder builder = new ProcessBuilder(command(classPath));
    builder.environment().keySet().removeIf(Engines::isCleared);
    builder.environment().putAll(setting.environment());
    builder.redirectError(log.toFile());
    process = builder.start();
    to =
        new BufferedWriter(
            new OutputStreamWriter(process.getOutputStream(), StandardCharsets.UTF_8));
    from =
        new BufferedReader(new InputStreamReader(process.getInputStream(), StandardCharsets.UTF_8));
  }

  private List<String> command(List<String> classPath) {
    List<String> path = new ArrayList<>(classPath);
    path.add(System.getProperty("java.class.path"));
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    // One thread of the collector's: nothing of the JVM's computes beside an engine.
    command.add("-XX:+UseSerialGC");
    if (Runtime.version().feature() >= 22) {
      command.add("--enable-native-access=ALL-UNNAMED");
    }
    // Nothing is fetched or reported by an engine while it is measured.
    command.add("-Dai.djl.offline=true");
    for (String name : List.of("fusedrnn.library.path", "fusedrnn.cache.dir")) {
      String value = System.getProperty(name);
      if (value != null) {
        command.add("-D" + name + "=" + value);
      }
    }
    command.add("-cp");
    command.add(String.join(File.pathSeparator, path));
    command.add(Child.class.getName());
    command.add(setting.engine());
    command.add(String.valueOf(setting.threads()));
    return command;
  }

  long pid() {
    return process.pid();
  }

  Engines.Setting setting() {
    return setting;
  }

  /**
   * Asks and waits for the answer.
   *
   * @throws BenchmarkFailedException where the child refuses, or ended; says why
   */
  Reply ask(Request request) {
    try {
      send(request);
      String line = from.readLine();
      if (line == null) {
        throw failed("ended" + tail());
      }
      Reply reply = JSON.readValue(line, Reply.class);
      if (reply.error() != null) {
        throw failed(reply.error() + tail());
      }
      return reply;
    } catch (IOException e) {
      throw failed(e.getMessage() + tail());
    }
  }

  private void send(Request request) throws IOException {
    String line = JSON.writeValueAsString(request);
    try {
      to.write(line);
      to.newLine();
      to.flush();
    } catch (IOException gone) {
      // Why it ended is in its last reply, if it had time for one.
    }
  }

  /**
   * Makes a case ready.
   *
   * @return whether the engine has it
   */
  boolean prepare(CpuCase shape) {
    Reply reply = ask(Request.prepare(shape));
    how = Objects.requireNonNullElse(reply.how(), "");
    return reply.absent() == null;
  }

  /** The setting, and how the engine computes what is prepared. */
  String label() {
    return setting.label().isEmpty() || how.isEmpty()
        ? setting.label() + how
        : setting.label() + ", " + how;
  }

  /** Every output and gradient of the checked rows of what is prepared. */
  Map<String, double[]> results() {
    Reply reply = ask(Request.results(results.toString()));
    try {
      return ResultsFile.take(results, reply.tensors() == null ? Map.of() : reply.tensors());
    } catch (IOException e) {
      throw failed("results: " + e);
    }
  }

  private BenchmarkFailedException failed(String why) {
    return new BenchmarkFailedException(setting.title() + ": " + why);
  }

  /** The end of what the child printed, which holds the reason. */
  private String tail() {
    try {
      process.waitFor(200, TimeUnit.MILLISECONDS); // its last words, where it is ending
      List<String> lines = Files.readAllLines(log, StandardCharsets.UTF_8);
      List<String> last = lines.subList(Math.max(0, lines.size() - 12), lines.size());
      return last.isEmpty() ? "" : ":\n  " + String.join("\n  ", last);
    } catch (IOException e) {
      return "";
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      return "";
    }
  }

  /** Ends the process by ending its input, and by force where that is not enough. */
  @Override
  public void close() {
    try {
      to.close();
      if (process.waitFor(10, TimeUnit.SECONDS)) {
        return;
      }
    } catch (IOException e) {
      // It is gone, or will be.
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
    process.destroyForcibly();
  }
}
