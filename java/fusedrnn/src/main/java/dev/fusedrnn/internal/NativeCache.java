package dev.fusedrnn.internal;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.net.URL;
import java.net.URLConnection;
import java.nio.charset.StandardCharsets;
import java.nio.file.AtomicMoveNotSupportedException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.FileAttribute;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * Unpacks libraries from a jar into a folder named after the SHA-256 of their contents, so that
 * versions live side by side and an unpacked library is never changed. Each file is written under a
 * name of its own and renamed, so that processes that unpack at once see whole files only. A file
 * that is there already is used only if its contents are right.
 */
final class NativeCache {
  /** Names the cache folder. */
  static final String PROPERTY = "fusedrnn.cache.dir";

  /** Names the cache folder where the property does not. */
  static final String ENVIRONMENT = "FUSEDRNN_CACHE_DIR";

  private static final int HASH_DIGITS = 24; // 96 bits: no two builds meet by chance

  private final Path cache;

  NativeCache(Path cache) {
    this.cache = cache;
  }

  /** The folders to try: the one asked for alone, or the user's cache and the temporary folder. */
  static List<Path> folders(NativeLoader.Surroundings surroundings) {
    String wanted = surroundings.property().apply(PROPERTY);
    if (wanted == null || wanted.isEmpty()) {
      wanted = surroundings.environment().apply(ENVIRONMENT);
    }
    if (wanted != null && !wanted.isEmpty()) {
      return List.of(Path.of(wanted));
    }
    List<Path> folders = new ArrayList<>();
    String xdg = surroundings.environment().apply("XDG_CACHE_HOME");
    String home = surroundings.property().apply("user.home");
    if (xdg != null && Path.of(xdg).isAbsolute()) {
      folders.add(Path.of(xdg, "fusedrnn"));
    } else if (home != null && Path.of(home).isAbsolute()) {
      folders.add(Path.of(home, ".cache", "fusedrnn"));
    }
    String temporary = surroundings.property().apply("java.io.tmpdir");
    String user = surroundings.property().apply("user.name");
    if (temporary != null) {
      folders.add(Path.of(temporary, "fusedrnn-" + user));
    }
    return folders;
  }

  /**
   * Unpacks what is there of the libraries.
   *
   * @param resource finds a resource by name
   * @param where the name's beginning
   * @return the folder that holds them all
   * @throws IOException where the folder cannot be written, or is not this user's
   */
  Path unpack(Function<String, @Nullable URL> resource, String where) throws IOException {
    Map<String, byte[]> contents = new LinkedHashMap<>();
    for (List<String> names : List.of(NativeLoader.NEEDED, NativeLoader.OPTIONAL)) {
      for (String name : names) {
        URL url = resource.apply(where + name);
        if (url != null) {
          contents.put(name, read(url));
        }
      }
    }
    MessageDigest all = sha256();
    for (Map.Entry<String, byte[]> entry : contents.entrySet()) {
      all.update(entry.getKey().getBytes(StandardCharsets.UTF_8));
      all.update(sha256().digest(entry.getValue()));
    }
    String hash = HexFormat.of().formatHex(all.digest()).substring(0, HASH_DIGITS);
    createPrivate(cache);
    Path folder = cache.resolve(hash);
    createPrivate(folder);
    for (Map.Entry<String, byte[]> entry : contents.entrySet()) {
      put(folder.resolve(entry.getKey()), entry.getValue());
    }
    return folder;
  }

  private static byte[] read(URL url) throws IOException {
    URLConnection connection = url.openConnection();
    connection.setUseCaches(false); // or the jar would stay open
    try (InputStream in = connection.getInputStream()) {
      return in.readAllBytes();
    }
  }

  /** Makes a folder that only this user can write, and refuses one of somebody else. */
  private static void createPrivate(Path folder) throws IOException {
    FileAttribute<?> mine =
        PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwx------"));
    Files.createDirectories(folder, mine);
    Path probe = Files.createTempFile(folder, "probe", ".tmp");
    try {
      if (!Files.getOwner(folder).equals(Files.getOwner(probe))) {
        throw new IOException(folder + " belongs to " + Files.getOwner(folder));
      }
    } finally {
      Files.delete(probe);
    }
  }

  private static void put(Path target, byte[] contents) throws IOException {
    if (Files.isRegularFile(target)
        && Files.size(target) == contents.length
        && Arrays.equals(Files.readAllBytes(target), contents)) {
      return;
    }
    Path temporary = Files.createTempFile(target.getParent(), target.getFileName() + ".", ".tmp");
    try {
      Files.write(temporary, contents);
      try {
        Files.move(temporary, target, StandardCopyOption.ATOMIC_MOVE);
      } catch (AtomicMoveNotSupportedException e) {
        throw new IOException(target + ": this file system has no atomic rename", e);
      }
    } finally {
      Files.deleteIfExists(temporary);
    }
  }

  private static MessageDigest sha256() {
    try {
      return MessageDigest.getInstance("SHA-256");
    } catch (NoSuchAlgorithmException e) {
      throw new UncheckedIOException(new IOException("this Java has no SHA-256", e));
    }
  }
}
