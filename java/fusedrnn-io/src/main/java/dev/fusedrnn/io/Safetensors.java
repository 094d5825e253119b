package dev.fusedrnn.io;

import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Arrays;
import java.util.Collections;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/**
 * The content of a safetensors file: named tensors and a table of strings.
 *
 * @param tensors by name, in the order of the file
 * @param metadata the table {@code __metadata__}
 */
public record Safetensors(Map<String, SafeTensor> tensors, Map<String, String> metadata) {

  /**
   * Copies both maps, keeping their order.
   *
   * @param tensors by name
   * @param metadata by key
   */
  public Safetensors {
    tensors = Collections.unmodifiableMap(new LinkedHashMap<>(tensors));
    metadata = Collections.unmodifiableMap(new LinkedHashMap<>(metadata));
  }

  /**
   * Finds a tensor.
   *
   * @param name of a tensor
   * @return it, or null where the file has none of that name
   */
  public @Nullable SafeTensor get(String name) {
    return tensors.get(name);
  }

  /**
   * A checksum of everything: names, types, shapes, data and metadata, in no matter which order.
   *
   * @return SHA-256 in hexadecimal
   */
  public String sha256() {
    MessageDigest digest;
    try {
      digest = MessageDigest.getInstance("SHA-256");
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException("every JDK has SHA-256", e);
    }
    new TreeMap<>(metadata).forEach((key, value) -> update(digest, key, value));
    new TreeMap<>(tensors)
        .forEach(
            (name, tensor) -> {
              update(digest, name, tensor.type() + Arrays.toString(tensor.shape()));
              digest.update(tensor.data());
            });
    return HexFormat.of().formatHex(digest.digest());
  }

  /** Adds a key and its value, each ended by a zero, so that no two pairs read the same. */
  private static void update(MessageDigest digest, String key, String value) {
    digest.update((key + '\0' + value + '\0').getBytes(StandardCharsets.UTF_8));
  }
}
