package dev.fusedrnn.testkit;

import dev.fusedrnn.Backend;
import dev.fusedrnn.Cell;
import dev.fusedrnn.DType;
import dev.fusedrnn.Device;
import dev.fusedrnn.Rnn;
import dev.fusedrnn.RnnCall;
import dev.fusedrnn.RnnConfigBuilder;
import dev.fusedrnn.RnnPackedWeights;
import dev.fusedrnn.RnnParameters;
import dev.fusedrnn.testkit.RnnCase.Part;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;

/**
 * A forward call, without training, on weights that were packed once: in fp32 it has to give the
 * very numbers of the call without them, and those the oracle's; in bf16 the oracle's on weights
 * rounded to bf16, as near as fp32 comes.
 *
 * @param sizes what to run
 * @param packed F32 or BF16
 */
public record PackedCheck(NetCase sizes, DType packed) implements CheckCase {
  /** Steps, batch, input, hidden; one row is what stepwise sampling has. */
  private static final int[][] SHAPES = {
    {5, 3, 7, 31}, {1, 1, 33, 129}, {6, 1, 5, 17}, {2, 9, 129, 7}, {0, 3, 5, 7}
  };

  private static final List<Cell> CELLS =
      List.of(Cell.LSTM, Cell.GRU, Cell.GRU_RESET_BEFORE, Cell.RNN_TANH, Cell.RNN_RELU);

  static List<CheckCase> quick(SplittableRandom seeds) {
    List<CheckCase> cases = new ArrayList<>();
    Set<Part> unbiased = EnumSet.copyOf(RnnCase.ALL);
    unbiased.remove(Part.BIAS);
    for (Cell cell : CELLS) {
      for (int[] s : SHAPES) {
        add(cases, new RnnCase(cell, s[0], s[1], s[2], s[3], RnnCase.ALL, seeds.nextLong()).net());
      }
      add(cases, new RnnCase(cell, 4, 3, 5, 9, unbiased, seeds.nextLong()).net());
      String name = NetCase.label(cell, 4, 2, 5, 19) + " layers 3";
      UnaryOperator<RnnConfigBuilder> stacked = b -> b.layers(3);
      add(
          cases,
          new NetCase(name, cell, 4, 2, 5, 19, stacked, List.of(), RnnCase.ALL, seeds.nextLong()));
    }
    return cases;
  }

  private static void add(List<CheckCase> cases, NetCase sizes) {
    cases.add(new PackedCheck(sizes, DType.F32));
    cases.add(new PackedCheck(sizes, DType.BF16));
  }

  @Override
  public String name() {
    return sizes.name() + " packed " + packed.label();
  }

  @Override
  public boolean servedBy(Backend backend) {
    return packed == DType.F32 || backend == Backend.CPU;
  }

  @Override
  public CheckResult run(Device device, Device oracle) {
    Map<String, float[]> data = sizes.data();
    Findings findings = new Findings(name(), sizes.seed());
    Map<String, double[]> got = forward(device, data, packed);
    if (packed == DType.F32) {
      forward(device, data, null)
          .forEach(
              (tensor, plain) ->
                  findings.add(
                      Comparison.of(tensor, sizes.shape(tensor), plain, got.get(tensor), 0)));
    } else {
      data.forEach(
          (name, values) -> {
            if (name.startsWith("weight_ih") || name.startsWith("weight_hh")) {
              Storage.BF16.round(values);
            }
          });
    }
    new NetCheck(sizes, DType.F32, false).compare(oracle, data, got).forEach(findings::add);
    return findings.result();
  }

  /** The outputs; with packed weights unless the type is null. */
  private Map<String, double[]> forward(
      Device device, Map<String, float[]> data, @Nullable DType type) {
    Rnn rnn = Rnn.create(device, sizes.config(DType.F32));
    try (GuardedBuffers buffers = new GuardedBuffers(device, DType.F32);
        RnnParameters parameters = rnn.newParameters();
        RnnPackedWeights weights = packed(rnn, parameters, data, type)) {
      RnnCall call = rnn.newCall(sizes.steps(), sizes.batch(), false);
      call.parameters(parameters).packed(weights);
      call.x(buffers.input("x", data.get("x"), sizes.shape("x")));
      call.h0(buffers.input("h0", data.get("h0"), sizes.shape("h0")));
      List<String> results = new ArrayList<>(List.of("y", "hT"));
      call.y(buffers.output("y", sizes.shape("y")));
      call.hT(buffers.output("hT", sizes.shape("hT")));
      if (sizes.cell().hasCellState()) {
        call.c0(buffers.input("c0", data.get("c0"), sizes.shape("c0")));
        call.cT(buffers.output("cT", sizes.shape("cT")));
        results.add("cT");
      }
      call.workspace(buffers.scratch("workspace", call.sizes().workspaceBytes()));
      rnn.forward(call, device.defaultStream());
      device.synchronize();
      buffers.requireIntact();
      Map<String, double[]> out = new LinkedHashMap<>();
      results.forEach(name -> out.put(name, buffers.read(name)));
      return out;
    }
  }

  private static @Nullable RnnPackedWeights packed(
      Rnn rnn, RnnParameters parameters, Map<String, float[]> data, @Nullable DType type) {
    parameters.named().forEach((name, buffer) -> buffer.write(data.get(name)));
    return type == null ? null : rnn.newPackedWeights(parameters, type);
  }
}
