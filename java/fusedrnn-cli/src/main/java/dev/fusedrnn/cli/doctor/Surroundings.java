package dev.fusedrnn.cli.doctor;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.fusedrnn.cli.Version;
import dev.fusedrnn.cli.io.JsonFiles;
import java.io.File;
import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;

/** What the machine has, found by looking at files only: nothing is loaded or started. */
final class Surroundings {
  private static final Path DRIVER_VERSION = Path.of("/proc/driver/nvidia/version");

  private static final List<String> LIBRARY_FOLDERS =
      List.of(
          "/usr/local/cuda/lib64",
          "/usr/lib/x86_64-linux-gnu",
          "/usr/lib/aarch64-linux-gnu",
          "/usr/lib64",
          "/usr/lib",
          "/opt/cuda/lib64");

  private Surroundings() {}

  /** Versions of this program and of what it runs on. */
  static ObjectNode machine() {
    ObjectNode node = JsonFiles.object();
    node.put("fusedrnn", Version.text());
    node.put("jdk", System.getProperty("java.vm.name") + " " + Runtime.version());
    node.put("java_home", System.getProperty("java.home"));
    node.put(
        "os",
        String.join(
            " ",
            System.getProperty("os.name"),
            System.getProperty("os.version"),
            System.getProperty("os.arch")));
    node.put("cores", Runtime.getRuntime().availableProcessors());
    node.put("max_heap_mib", Runtime.getRuntime().maxMemory() >> 20);
    return node;
  }

  /** The NVIDIA driver as its kernel module reports it, and its user library. */
  static ObjectNode driver() {
    ObjectNode node = JsonFiles.object();
    try {
      node.put("kernel_module", Files.readString(DRIVER_VERSION).lines().findFirst().orElse(""));
    } catch (IOException e) {
      node.putNull("kernel_module");
    }
    addAll(node.putArray("libcuda"), find("libcuda.so.1"));
    return node;
  }

  /** cuBLAS libraries of the versions that can be used. */
  static ArrayNode cublas() {
    ArrayNode found = JsonFiles.object().arrayNode();
    addAll(found, find("libcublas.so.13"));
    addAll(found, find("libcublas.so.12"));
    return found;
  }

  private static void addAll(ArrayNode array, Set<String> values) {
    values.forEach(array::add);
  }

  private static Set<String> find(String library) {
    Set<String> found = new TreeSet<>();
    for (Path folder : folders()) {
      Path file = folder.resolve(library);
      if (Files.exists(file)) {
        found.add(file.toString());
      }
    }
    return found;
  }

  private static Set<Path> folders() {
    Set<Path> folders = new LinkedHashSet<>();
    String searched = System.getenv().getOrDefault("LD_LIBRARY_PATH", "");
    for (String folder : searched.split(File.pathSeparator)) {
      if (!folder.isEmpty()) {
        folders.add(Path.of(folder));
      }
    }
    LIBRARY_FOLDERS.forEach(folder -> folders.add(Path.of(folder)));
    folders.addAll(toolkits());
    return folders;
  }

  /** Folders such as /usr/local/cuda-13.0/lib64. */
  private static List<Path> toolkits() {
    List<Path> toolkits = new ArrayList<>();
    try (DirectoryStream<Path> stream = Files.newDirectoryStream(Path.of("/usr/local"), "cuda-*")) {
      stream.forEach(path -> toolkits.add(path.resolve("lib64")));
    } catch (IOException e) {
      return List.of();
    }
    return toolkits;
  }
}
