package dev.fusedrnn.internal;

import java.io.IOException;
import java.net.URISyntaxException;
import java.net.URL;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.function.Consumer;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * Finds and loads the native libraries: in the folder of the property {@value #PATH_PROPERTY} (and
 * nowhere else, where it is set), then as resources beside the classes, then on {@code
 * java.library.path}. Where all fail, one error lists what was tried and why each failed.
 */
final class NativeLoader {
  /** A folder that holds the libraries. */
  static final String PATH_PROPERTY = "fusedrnn.library.path";

  /** Loaded, in this order: the second links the first. */
  static final List<String> NEEDED = List.of("libfusedrnn.so", "libjnifusedrnn.so");

  /** Providers, opened by the first of {@link #NEEDED} from its own folder when asked for. */
  static final List<String> OPTIONAL = List.of("libfusedrnn_emulated.so", "libfusedrnn_cuda.so");

  private static @Nullable String loadedFrom;

  /** What the loader asks of its surroundings; tests put their own in place. */
  record Surroundings(
      Function<String, @Nullable String> property,
      Function<String, @Nullable String> environment,
      Function<String, @Nullable URL> resource,
      Consumer<Path> load,
      Consumer<String> loadByName) {

    /** This process. */
    static Surroundings process() {
      return new Surroundings(
          System::getProperty,
          System::getenv,
          name -> NativeLoader.class.getResource("/" + name),
          path -> System.load(path.toString()),
          System::loadLibrary);
    }
  }

  private final Surroundings surroundings;
  private final String platform;
  private final List<String> tried = new ArrayList<>();

  NativeLoader(Surroundings surroundings) {
    this.surroundings = surroundings;
    this.platform = platform(property("os.name"), property("os.arch"));
  }

  /**
   * Loads once in this process.
   *
   * @return where the libraries came from
   * @throws UnsatisfiedLinkError listing what was tried
   */
  static synchronized String load() {
    if (loadedFrom == null) {
      loadedFrom = new NativeLoader(Surroundings.process()).find();
    }
    return loadedFrom;
  }

  /** The folder name of a platform, as in {@code linux-x86_64}. */
  static String platform(String os, String arch) {
    String system = os.toLowerCase(Locale.ROOT).replaceAll("\\s.*", "");
    return system + "-" + (arch.equals("amd64") ? "x86_64" : arch);
  }

  private String property(String name) {
    String value = surroundings.property().apply(name);
    return value == null ? "" : value;
  }

  /** Tries all places in turn. */
  String find() {
    String folder = property(PATH_PROPERTY);
    if (!folder.isEmpty()) {
      if (tryFolder("property " + PATH_PROPERTY, Path.of(folder))) {
        return folder;
      }
      throw failure("Other places are not tried while the property is set.");
    }
    tried.add("property " + PATH_PROPERTY + ": not set");
    Path unpacked = tryResources();
    if (unpacked != null) {
      return unpacked.toString();
    }
    if (trySystemPath()) {
      return "java.library.path";
    }
    throw failure("");
  }

  private boolean tryFolder(String what, Path folder) {
    for (String name : NEEDED) {
      Path library = folder.toAbsolutePath().resolve(name);
      if (!Files.isRegularFile(library)) {
        tried.add(what + ": there is no file " + library);
        return false;
      }
      String problem = attempt(() -> surroundings.load().accept(library));
      if (problem != null) {
        tried.add(what + ": " + problem);
        return false;
      }
    }
    return true;
  }

  private @Nullable Path tryResources() {
    String where = "dev/fusedrnn/native/" + platform + "/";
    URL first = surroundings.resource().apply(where + NEEDED.get(0));
    if (first == null) {
      tried.add("resource " + where + NEEDED.get(0) + ": not in the jar or on the class path");
      return null;
    }
    if (first.getProtocol().equals("file")) {
      try {
        Path folder = Path.of(first.toURI()).getParent();
        return folder != null && tryFolder("resource " + where, folder) ? folder : null;
      } catch (URISyntaxException e) {
        tried.add("resource " + where + ": " + e.getMessage());
        return null;
      }
    }
    for (Path cache : NativeCache.folders(surroundings)) {
      try {
        Path folder = new NativeCache(cache).unpack(surroundings.resource(), where);
        if (tryFolder("resource " + where + " unpacked", folder)) {
          return folder;
        }
      } catch (IOException | SecurityException e) {
        tried.add("resource " + where + ", unpacking into " + cache + ": " + e);
      }
    }
    return null;
  }

  private boolean trySystemPath() {
    for (String library : List.of("fusedrnn", "jnifusedrnn")) {
      String problem = attempt(() -> surroundings.loadByName().accept(library));
      if (problem != null) {
        tried.add("java.library.path: " + problem);
        return false;
      }
    }
    return true;
  }

  private static @Nullable String attempt(Runnable load) {
    try {
      load.run();
      return null;
    } catch (UnsatisfiedLinkError | SecurityException e) {
      return String.valueOf(e.getMessage());
    } catch (IllegalCallerException e) { // JDK 24 and later with --illegal-native-access=deny
      return e.getMessage() + " (start Java with --enable-native-access=ALL-UNNAMED)";
    }
  }

  private UnsatisfiedLinkError failure(String remark) {
    StringBuilder text =
        new StringBuilder("the native library of fusedrnn could not be loaded on ");
    text.append(platform).append(", Java ").append(Runtime.version()).append(". Tried:\n");
    for (int k = 0; k < tried.size(); k++) {
      text.append("  ").append(k + 1).append(". ").append(tried.get(k)).append('\n');
    }
    if (!remark.isEmpty()) {
      text.append("  ").append(remark).append('\n');
    }
    text.append("Cure: use a fusedrnn jar for this platform (`mvn package` builds one), or set -D")
        .append(PATH_PROPERTY)
        .append("=FOLDER to where ")
        .append(String.join(" and ", NEEDED))
        .append(" are. If unpacking failed, set -D")
        .append(NativeCache.PROPERTY)
        .append("=FOLDER to one that is writable and not mounted noexec.");
    return new UnsatisfiedLinkError(text.toString());
  }
}
