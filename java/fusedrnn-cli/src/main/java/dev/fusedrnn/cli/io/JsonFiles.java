package dev.fusedrnn.cli.io;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.fusedrnn.io.AtomicFile;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;

/** Machine-readable results. */
public final class JsonFiles {
  private static final ObjectMapper MAPPER = new ObjectMapper();

  private JsonFiles() {}

  /**
   * @return a new empty object
   */
  public static ObjectNode object() {
    return MAPPER.createObjectNode();
  }

  /**
   * Puts a number, or null where it is not finite, for JSON has no such numbers.
   *
   * @param node gets the value
   * @param key its name
   * @param value any number
   */
  public static void putNumber(ObjectNode node, String key, double value) {
    if (Double.isFinite(value)) {
      node.put(key, value);
    } else {
      node.putNull(key);
    }
  }

  /**
   * Writes indented JSON, atomically, or to {@code out} where the file is {@code -}.
   *
   * @param file where to, or {@code -}
   * @param node what
   * @param out the terminal
   * @throws IOException where the file cannot be written
   */
  public static void write(Path file, JsonNode node, PrintWriter out) throws IOException {
    String text = node.toPrettyString() + "\n";
    if (isTerminal(file)) {
      out.print(text);
      out.flush();
      return;
    }
    ByteBuffer bytes = StandardCharsets.UTF_8.encode(text);
    AtomicFile.replace(
        file,
        channel -> {
          while (bytes.hasRemaining()) {
            channel.write(bytes);
          }
        });
  }

  /**
   * @param file an option's value
   * @return whether it stands for the terminal
   */
  public static boolean isTerminal(Path file) {
    return file.toString().equals("-");
  }

  /**
   * @param json text that this project wrote, such as a device's description
   * @return the tree; an object with the one key {@code text} where it is no JSON
   */
  public static JsonNode parseOrText(String json) {
    try {
      return MAPPER.readTree(json);
    } catch (IOException e) {
      return object().put("text", json);
    }
  }
}
