package dev.fusedrnn.cli.replay;

import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import dev.fusedrnn.Cell;
import dev.fusedrnn.DType;
import dev.fusedrnn.cli.UserException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.Iterator;
import java.util.List;

/**
 * What network to run: the file {@code spec.json} of a replay.
 *
 * @param cell which cell, the form of the GRU included
 * @param input I
 * @param hidden H
 * @param bias whether there are biases
 * @param batchFirst whether sequences are [B, T, .] in the files
 * @param dtype the precision computed in
 */
record ReplaySpec(Cell cell, int input, int hidden, boolean bias, boolean batchFirst, DType dtype) {

  private static final List<String> KEYS =
      List.of(
          "cell",
          "input_size",
          "hidden_size",
          "num_layers",
          "bidirectional",
          "bias",
          "batch_first",
          "proj_size",
          "gru_reset",
          "peephole",
          "coupled_forget",
          "dtype",
          "cell_clip");

  private static final JsonMapper MAPPER =
      JsonMapper.builder()
          .enable(JsonParser.Feature.STRICT_DUPLICATE_DETECTION)
          .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
          .build();

  static ReplaySpec read(Path file) {
    JsonNode root;
    try {
      root = MAPPER.readTree(Files.readAllBytes(file));
    } catch (NoSuchFileException e) {
      throw new UserException(file + ": there is no such file", e);
    } catch (IOException e) {
      throw new UserException(file + ": is not JSON (" + firstLine(e) + ")", e);
    }
    if (root == null || !root.isObject()) {
      throw new UserException(file + ": expected a JSON object");
    }
    return new Fields(file.toString(), root).spec();
  }

  private static String firstLine(IOException e) {
    return String.valueOf(e.getMessage()).lines().findFirst().orElse("");
  }

  /** Typed access to the keys, with errors that name them. */
  private record Fields(String file, JsonNode root) {

    ReplaySpec spec() {
      for (Iterator<String> names = root.fieldNames(); names.hasNext(); ) {
        String key = names.next();
        if (!KEYS.contains(key)) {
          throw bad("unknown key \"%s\"; known are %s", key, String.join(", ", KEYS));
        }
      }
      String cellName = text("cell", "", List.of("lstm", "gru", "rnn_tanh", "rnn_relu"));
      String reset = text("gru_reset", "after", List.of("after", "before"));
      boolean before = reset.equals("before");
      if (before && !cellName.equals("gru")) {
        throw bad("gru_reset before: is for cell gru, and cell is %s", cellName);
      }
      Cell cell = before ? Cell.GRU_RESET_BEFORE : Cell.fromName(cellName);
      int input = count("input_size", -1, 1);
      int hidden = count("hidden_size", -1, 1);
      refuseWhatIsToCome(cell);
      String dtype = text("dtype", "f32", List.of("f64", "f32", "bf16", "f16"));
      if (dtype.endsWith("16")) {
        throw later("dtype " + dtype, "f64 and f32");
      }
      return new ReplaySpec(
          cell,
          input,
          hidden,
          flag("bias", true),
          flag("batch_first", false),
          DType.fromName(dtype));
    }

    private void refuseWhatIsToCome(Cell cell) {
      if (count("num_layers", 1, 1) != 1) {
        throw later("num_layers " + root.get("num_layers"), "one layer");
      }
      if (flag("bidirectional", false)) {
        throw later("bidirectional", "one direction");
      }
      int projection = count("proj_size", 0, 0);
      if (projection != 0 && cell != Cell.LSTM) {
        throw bad("proj_size: is for cell lstm");
      }
      if (projection != 0) {
        throw later("proj_size " + projection, "proj_size 0");
      }
      for (String key : List.of("peephole", "coupled_forget")) {
        if (flag(key, false) && cell != Cell.LSTM) {
          throw bad("%s: is for cell lstm", key);
        }
        if (flag(key, false)) {
          throw later(key, key + " false");
        }
      }
      JsonNode clip = root.path("cell_clip");
      if (!clip.isMissingNode() && !clip.isNull()) {
        if (!clip.isNumber() || !(clip.doubleValue() > 0)) {
          throw bad("cell_clip: expected a number above 0, got %s", clip);
        }
        throw later("cell_clip", "no cell_clip");
      }
    }

    private String text(String key, String fallback, List<String> known) {
      JsonNode node = root.path(key);
      if (node.isMissingNode() && !fallback.isEmpty()) {
        return fallback;
      }
      if (!node.isTextual() || !known.contains(node.textValue())) {
        throw bad("%s: expected one of %s, got %s", key, String.join(", ", known), shown(node));
      }
      return node.textValue();
    }

    private int count(String key, int fallback, int least) {
      JsonNode node = root.path(key);
      if (node.isMissingNode() && fallback >= 0) {
        return fallback;
      }
      if (!node.isIntegralNumber() || !node.canConvertToInt() || node.intValue() < least) {
        throw bad("%s: expected a whole number from %d up, got %s", key, least, shown(node));
      }
      return node.intValue();
    }

    private boolean flag(String key, boolean fallback) {
      JsonNode node = root.path(key);
      if (node.isMissingNode()) {
        return fallback;
      }
      if (!node.isBoolean()) {
        throw bad("%s: expected true or false, got %s", key, shown(node));
      }
      return node.booleanValue();
    }

    private static String shown(JsonNode node) {
      return node.isMissingNode() ? "nothing" : node.toString();
    }

    private UserException later(String what, String supported) {
      return bad("%s is not supported yet; this version replays %s", what, supported);
    }

    private UserException bad(String format, Object... arguments) {
      return new UserException(file + ": " + String.format(format, arguments));
    }
  }
}
