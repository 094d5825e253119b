package dev.fusedrnn.internal;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.OutputStream;
import java.net.MalformedURLException;
import java.net.URI;
import java.net.URL;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.zip.ZipEntry;
import java.util.zip.ZipOutputStream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Goal: the right library is found, unpacked whole, and a failure says all that was tried. Method:
 * a loader whose properties, resources and loading are the test's; what is "loaded" is recorded.
 */
class NativeLoaderTest {
  private static final String WHERE = "dev/fusedrnn/native/linux-x86_64/";

  @TempDir Path temp;

  private final Map<String, String> properties = new HashMap<>();
  private final Map<String, String> environment = new HashMap<>();
  private final List<String> loaded = new ArrayList<>();
  private @Nullable Path jar;
  private String refused = "";

  @BeforeEach
  void aPlainLinux() {
    properties.put("os.name", "Linux");
    properties.put("os.arch", "amd64");
    properties.put("user.home", temp.resolve("home").toString());
    properties.put("user.name", "somebody");
    properties.put("java.io.tmpdir", temp.resolve("tmp").toString());
  }

  private NativeLoader loader() {
    return new NativeLoader(
        new NativeLoader.Surroundings(
            properties::get,
            environment::get,
            name -> inJar(name),
            path -> load(path.toString()),
            name -> load(name)));
  }

  private void load(String what) {
    if (!refused.isEmpty() && what.contains(refused)) {
      throw new UnsatisfiedLinkError(what + ": refused by this test");
    }
    loaded.add(what);
  }

  private @Nullable URL inJar(String name) {
    return jar == null ? null : inJar(jar, name);
  }

  static @Nullable URL inJar(Path jar, String name) {
    try {
      URL url = URI.create("jar:" + jar.toUri() + "!/" + name).toURL();
      var connection = url.openConnection();
      connection.setUseCaches(false);
      connection.getInputStream().close();
      return url;
    } catch (MalformedURLException e) {
      throw new AssertionError(e);
    } catch (IOException e) {
      return null;
    }
  }

  private static byte[] contents(String name, String version) {
    return (name + " of version " + version).repeat(1000).getBytes(StandardCharsets.UTF_8);
  }

  private void makeJar(String version, String... names) throws IOException {
    jar = temp.resolve(version + ".jar");
    try (OutputStream file = Files.newOutputStream(jar);
        ZipOutputStream zip = new ZipOutputStream(file)) {
      for (String name : names) {
        zip.putNextEntry(new ZipEntry(WHERE + name));
        zip.write(contents(name, version));
      }
    }
  }

  private static void touch(Path folder, String... names) throws IOException {
    Files.createDirectories(folder);
    for (String name : names) {
      Files.writeString(folder.resolve(name), name);
    }
  }

  @Test
  void thePropertyComesFirst() throws IOException {
    makeJar("one", "libfusedrnn.so", "libjnifusedrnn.so");
    Path folder = temp.resolve("mine");
    touch(folder, "libfusedrnn.so", "libjnifusedrnn.so");
    properties.put(NativeLoader.PATH_PROPERTY, folder.toString());
    assertEquals(folder.toString(), loader().find());
    assertEquals(List.of(folder + "/libfusedrnn.so", folder + "/libjnifusedrnn.so"), loaded);
  }

  @Test
  void aPropertyThatFailsIsNotPassedOver() throws IOException {
    makeJar("one", "libfusedrnn.so", "libjnifusedrnn.so");
    Path folder = temp.resolve("mine");
    touch(folder, "libfusedrnn.so");
    properties.put(NativeLoader.PATH_PROPERTY, folder.toString());
    String message = assertThrows(UnsatisfiedLinkError.class, () -> loader().find()).getMessage();
    assertTrue(
        message.contains("there is no file " + folder.resolve("libjnifusedrnn.so")), message);
    assertTrue(message.contains("Other places are not tried while the property is set."), message);
  }

  @Test
  void theJarIsUnpackedUnderItsHash() throws IOException {
    makeJar("one", "libfusedrnn.so", "libjnifusedrnn.so", "libfusedrnn_emulated.so");
    Path folder = Path.of(loader().find());
    assertEquals(temp.resolve("home/.cache/fusedrnn"), folder.getParent());
    assertTrue(folder.getFileName().toString().matches("[0-9a-f]{24}"), folder.toString());
    for (String name : List.of("libfusedrnn.so", "libjnifusedrnn.so", "libfusedrnn_emulated.so")) {
      assertArrayEquals(contents(name, "one"), Files.readAllBytes(folder.resolve(name)));
    }
    assertEquals(List.of(folder + "/libfusedrnn.so", folder + "/libjnifusedrnn.so"), loaded);
    assertEquals("rwx------", permissions(folder));

    makeJar("two", "libfusedrnn.so", "libjnifusedrnn.so");
    Path other = Path.of(loader().find());
    assertFalse(other.equals(folder), "another content has another folder");
    try (var files = Files.list(folder)) {
      assertEquals(3, files.count(), "no temporary file is left");
    }
  }

  private static String permissions(Path folder) throws IOException {
    return PosixFilePermissions.toString(Files.getPosixFilePermissions(folder));
  }

  @Test
  void aDamagedFileIsReplaced() throws IOException {
    makeJar("one", "libfusedrnn.so", "libjnifusedrnn.so");
    Path folder = Path.of(loader().find());
    byte[] bytes = Files.readAllBytes(folder.resolve("libfusedrnn.so"));
    bytes[bytes.length / 2] ^= 1;
    Files.write(folder.resolve("libfusedrnn.so"), bytes);
    Files.write(folder.resolve("libjnifusedrnn.so"), new byte[] {1, 2, 3});
    assertEquals(folder.toString(), loader().find());
    for (String name : NativeLoader.NEEDED) {
      assertArrayEquals(contents(name, "one"), Files.readAllBytes(folder.resolve(name)));
    }
  }

  @Test
  void theCacheFolderCanBeChosen() throws IOException {
    makeJar("one", "libfusedrnn.so", "libjnifusedrnn.so");
    environment.put("XDG_CACHE_HOME", temp.resolve("xdg").toString());
    assertEquals(temp.resolve("xdg/fusedrnn"), Path.of(loader().find()).getParent());
    environment.put(NativeCache.ENVIRONMENT, temp.resolve("env").toString());
    assertEquals(temp.resolve("env"), Path.of(loader().find()).getParent());
    properties.put(NativeCache.PROPERTY, temp.resolve("prop").toString());
    assertEquals(temp.resolve("prop"), Path.of(loader().find()).getParent());
  }

  @Test
  void theTemporaryFolderServesWhereHomeDoesNot() throws IOException {
    makeJar("one", "libfusedrnn.so", "libjnifusedrnn.so");
    Files.writeString(temp.resolve("home"), "a file where a folder should be");
    assertEquals(temp.resolve("tmp/fusedrnn-somebody"), Path.of(loader().find()).getParent());
  }

  @Test
  void theSystemPathComesLast() {
    assertEquals("java.library.path", loader().find());
    assertEquals(List.of("fusedrnn", "jnifusedrnn"), loaded);
  }

  @Test
  void oneErrorListsAllThatWasTried() throws IOException {
    makeJar("one", "libfusedrnn.so", "libjnifusedrnn.so");
    refused = "jnifusedrnn";
    String message = assertThrows(UnsatisfiedLinkError.class, () -> loader().find()).getMessage();
    assertTrue(message.contains("on linux-x86_64, Java " + Runtime.version()), message);
    assertTrue(message.contains("1. property fusedrnn.library.path: not set"), message);
    assertTrue(message.contains("2. resource " + WHERE + " unpacked: "), message);
    assertTrue(message.contains("libjnifusedrnn.so: refused by this test"), message);
    assertTrue(message.contains("4. java.library.path: jnifusedrnn: refused"), message);
    assertTrue(message.contains("Cure: "), message);
  }

  @Test
  void anotherPlatformIsNamed() {
    properties.put("os.arch", "riscv64");
    refused = "fusedrnn";
    String message = assertThrows(UnsatisfiedLinkError.class, () -> loader().find()).getMessage();
    assertTrue(
        message.contains(
            "resource dev/fusedrnn/native/linux-riscv64/libfusedrnn.so: not in the jar"),
        message);
  }

  /** Several processes unpack the same jar into the same empty cache; each sees whole files. */
  @Test
  void processesThatUnpackAtOnceAgree() throws Exception {
    makeJar("one", "libfusedrnn.so", "libjnifusedrnn.so");
    List<Process> processes = new ArrayList<>();
    for (int k = 0; k < 3; k++) {
      processes.add(
          new ProcessBuilder(
                  Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                  "-cp",
                  classPath(NativeLoader.class, NativeLoaderTest.class, Nullable.class),
                  Unpacker.class.getName(),
                  String.valueOf(jar),
                  temp.resolve("shared").toString())
              .redirectErrorStream(true)
              .start());
    }
    for (Process process : processes) {
      String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
      assertEquals(0, process.waitFor(), output);
    }
    try (var files = Files.list(temp.resolve("shared"))) {
      assertEquals(1, files.count(), "one folder for one content");
    }
  }

  private static String classPath(Class<?>... classes) throws Exception {
    List<String> paths = new ArrayList<>();
    for (Class<?> each : classes) {
      // In a module that the tests are patched into, each class still knows its own file.
      String file = each.getName().replace('.', '/') + ".class";
      String url = String.valueOf(each.getResource("/" + file));
      String folder = url.substring(0, url.length() - file.length());
      paths.add(
          folder.startsWith("jar:")
              ? Path.of(URI.create(folder.substring(4, folder.indexOf("!/")))).toString()
              : Path.of(URI.create(folder)).toString());
    }
    return String.join(":", paths);
  }

  /** Unpacks a hundred times; what a child process of the test runs. */
  static final class Unpacker {
    private Unpacker() {}

    /** Takes a jar and a cache folder. */
    public static void main(String[] args) throws IOException {
      for (int k = 0; k < 100; k++) {
        Path folder =
            new NativeCache(Path.of(args[1])).unpack(name -> inJar(Path.of(args[0]), name), WHERE);
        for (String name : NativeLoader.NEEDED) {
          if (!Arrays.equals(contents(name, "one"), Files.readAllBytes(folder.resolve(name)))) {
            throw new IOException(name + " is not whole");
          }
        }
      }
    }
  }
}
