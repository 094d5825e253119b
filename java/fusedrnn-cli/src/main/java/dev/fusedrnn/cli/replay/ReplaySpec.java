package dev.fusedrnn.cli.replay;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.fusedrnn.Cell;
import dev.fusedrnn.DType;
import dev.fusedrnn.RnnConfig;
import dev.fusedrnn.RnnConfigBuilder;
import dev.fusedrnn.cli.UserException;
import dev.fusedrnn.cli.io.JsonFiles;
import dev.fusedrnn.io.StrictJson;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.Iterator;
import java.util.List;

/**
 * What network to run: the file {@code spec.json} of a replay.
 *
 * @param network its configuration, the order of batch and time in the files included
 */
public record ReplaySpec(RnnConfig network) {

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

  /**
   * Reads the file.
   *
   * @param file JSON
   * @return the network
   * @throws UserException that names the key that is wrong
   */
  public static ReplaySpec read(Path file) {
    JsonNode root;
    try {
      root = StrictJson.parse(Files.readAllBytes(file));
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

  /**
   * What {@link #read} would read as a network.
   *
   * @param network without dropout, zoneout, residual connections and missing gates
   * @return the content of the file
   */
  public static ObjectNode json(RnnConfig network) {
    ObjectNode root = JsonFiles.object();
    boolean before = network.cell() == Cell.GRU_RESET_BEFORE;
    root.put("cell", before ? "gru" : network.cell().label());
    root.put("input_size", network.inputSize());
    root.put("hidden_size", network.hiddenSize());
    root.put("num_layers", network.layers());
    root.put("bidirectional", network.bidirectional());
    root.put("bias", network.bias());
    root.put("batch_first", network.batchFirst());
    if (network.cell().label().startsWith("gru")) {
      root.put("gru_reset", before ? "before" : "after");
    }
    if (network.cell() == Cell.LSTM) {
      root.put("proj_size", network.projectionSize());
      root.put("peephole", network.peephole());
      root.put("coupled_forget", network.coupledForget());
      if (network.cellClip() != 0) {
        root.put("cell_clip", network.cellClip());
      }
    }
    return root.put("dtype", network.dtype().label());
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
      String dtype = text("dtype", "f32", List.of("f64", "f32", "bf16", "f16"));
      RnnConfigBuilder network =
          RnnConfig.builder(cell)
              .inputSize(count("input_size", -1, 1))
              .hiddenSize(count("hidden_size", -1, 1))
              .layers(count("num_layers", 1, 1))
              .bidirectional(flag("bidirectional", false))
              .bias(flag("bias", true))
              .batchFirst(flag("batch_first", false))
              .projectionSize(count("proj_size", 0, 0))
              .peephole(flag("peephole", false))
              .coupledForget(flag("coupled_forget", false))
              .cellClip(cellClip())
              .dtype(DType.fromName(dtype));
      refuseForOtherCells(cell);
      try {
        return new ReplaySpec(network.build());
      } catch (IllegalArgumentException e) {
        throw bad("%s", e.getMessage());
      }
    }

    private void refuseForOtherCells(Cell cell) {
      boolean projection = count("proj_size", 0, 0) != 0;
      if (cell != Cell.LSTM) {
        refuse("proj_size", projection);
        refuse("peephole", flag("peephole", false));
        refuse("coupled_forget", flag("coupled_forget", false));
        refuse("cell_clip", cellClip() != 0);
      } else if (count("proj_size", 0, 0) >= count("hidden_size", -1, 1)) {
        throw bad(
            "proj_size: expected below hidden_size, got %s and %s",
            root.get("proj_size"), root.get("hidden_size"));
      }
    }

    private void refuse(String key, boolean used) {
      if (used) {
        throw bad("%s: is for cell lstm, and cell is %s", key, root.get("cell").textValue());
      }
    }

    /** 0 where there is none. */
    private double cellClip() {
      JsonNode clip = root.path("cell_clip");
      if (clip.isMissingNode() || clip.isNull()) {
        return 0;
      }
      if (!clip.isNumber() || !(clip.doubleValue() > 0)) {
        throw bad("cell_clip: expected a number above 0, got %s", clip);
      }
      return clip.doubleValue();
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

    private UserException bad(String format, Object... arguments) {
      return new UserException(file + ": " + String.format(format, arguments));
    }
  }
}
