package dev.fusedrnn.bench;

import dev.fusedrnn.Device;
import dev.fusedrnn.FusedRnnException;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.LocalDate;
import java.time.ZoneOffset;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.TimeUnit;

/** Where a measurement was made: what has to stand beside a number for it to mean something. */
public final class Environment {
  private Environment() {}

  /**
   * Describes this machine and build.
   *
   * @param backends each is opened to be described
   * @return name to text, in the order of the header
   */
  public static Map<String, String> describe(List<String> backends) {
    Map<String, String> about = new LinkedHashMap<>();
    about.put("date", LocalDate.now(ZoneOffset.UTC).toString());
    about.put("commit", commit());
    about.put("cpu", cpu());
    about.put("cores", String.valueOf(Runtime.getRuntime().availableProcessors()));
    about.put("jdk", System.getProperty("java.vm.name") + " " + Runtime.version());
    about.put("os", System.getProperty("os.name") + " " + System.getProperty("os.version"));
    try {
      about.put("native", Device.nativeBuildInfo());
    } catch (FusedRnnException e) {
      about.put("native", "none: " + String.valueOf(e.getMessage()).lines().findFirst().orElse(""));
    }
    for (String backend : backends) {
      try (Device device = Device.open(backend)) {
        about.put("backend " + backend, device.describe());
      }
    }
    return about;
  }

  /** The model's name as Linux tells it. */
  private static String cpu() {
    try {
      Optional<String> model =
          Files.readAllLines(Path.of("/proc/cpuinfo")).stream()
              .filter(line -> line.startsWith("model name"))
              .map(line -> line.substring(line.indexOf(':') + 1).strip())
              .findFirst();
      return model.orElse(System.getProperty("os.arch"));
    } catch (IOException e) {
      return System.getProperty("os.arch");
    }
  }

  /** The commit of the checkout that the launcher runs from; a bundle has none. */
  private static String commit() {
    String root = System.getProperty("fusedrnn.root");
    if (root == null) {
      String version = Environment.class.getPackage().getImplementationVersion();
      return version == null ? "unknown" : version;
    }
    String head = git(root, "rev-parse", "--short=10", "HEAD");
    if (head.isEmpty()) {
      return "unknown";
    }
    return git(root, "status", "--porcelain", "--untracked-files=no").isEmpty()
        ? head
        : head + " with changes";
  }

  private static String git(String root, String... arguments) {
    ProcessBuilder builder = new ProcessBuilder("git", "-C", root);
    builder.command().addAll(List.of(arguments));
    builder.redirectError(ProcessBuilder.Redirect.DISCARD);
    try {
      Process process = builder.start();
      String text =
          new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8).strip();
      return process.waitFor(10, TimeUnit.SECONDS) && process.exitValue() == 0 ? text : "";
    } catch (IOException e) {
      return "";
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      return "";
    }
  }
}
