package dev.fusedrnn.bench;

import dev.fusedrnn.Backend;
import dev.fusedrnn.Device;
import dev.fusedrnn.testkit.Comparison;
import dev.fusedrnn.testkit.NetCase;
import dev.fusedrnn.testkit.NetCheck;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;

/**
 * A sequence that is ready to be timed, and proven right: {@link #check()} runs it once and
 * compares with the oracle. Whoever computes it says how in a subclass.
 */
public abstract class CheckedSequence implements AutoCloseable {
  /** Seed of all data. */
  public static final long SEED = 20261120;

  /** The case. */
  protected final NetCase sizes;

  /** What it is computed in. */
  protected final Precision precision;

  /** Whether {@link #train()} will be called. */
  protected final boolean training;

  /** Inputs, parameters and upstream gradients by the names of {@link NetCase}. */
  protected final Map<String, float[]> data;

  private final CheckedRows rows;

  /**
   * Draws the data.
   *
   * @param sizes the case
   * @param precision what it is computed in
   * @param training whether {@link #train()} will be called
   */
  protected CheckedSequence(NetCase sizes, Precision precision, boolean training) {
    this.sizes = sizes;
    this.precision = precision;
    this.training = training;
    this.data = sizes.data(precision.dtype());
    this.rows = new CheckedRows(sizes, data);
  }

  /**
   * Writes an input, a parameter or an upstream gradient.
   *
   * @param name as {@link NetCase} has it
   * @param values all of it
   */
  public abstract void put(String name, float[] values);

  /**
   * Reads an output, a gradient or a parameter.
   *
   * @param name as {@link NetCase} has it
   * @return all of it
   */
  public abstract double[] get(String name);

  /** One forward pass, and the wait for it. */
  public abstract void forward();

  /** One forward and one backward pass, and the wait for them. */
  public abstract void train();

  /**
   * Who computes, for messages.
   *
   * @return a name
   */
  public abstract String who();

  /**
   * How it is computed, where whoever computes has a choice and took the fastest.
   *
   * @return a few words, or nothing
   */
  public String how() {
    return "";
  }

  @Override
  public abstract void close();

  /** Uploads everything; a subclass calls it when its memory is there. */
  protected final void putAll() {
    data.forEach(
        (name, values) -> {
          if (training || !CheckedRows.isUpstream(name)) {
            put(name, values);
          }
        });
  }

  /** What is timed: {@link #train()} or {@link #forward()}. */
  public final void run() {
    if (training) {
      train();
    } else {
      forward();
    }
  }

  /**
   * Runs once, with upstream gradients in the checked rows alone.
   *
   * @return every output and gradient of the checked rows, by name
   */
  public final Map<String, double[]> checkedResults() {
    if (training) {
      rows.upstream().forEach(name -> put(name, rows.masked(name)));
    }
    run();
    Map<String, double[]> results = results();
    if (training) {
      rows.upstream().forEach(name -> put(name, valuesOf(name)));
    }
    return results;
  }

  /**
   * Runs once and compares every output and gradient with the oracle.
   *
   * @throws IllegalStateException naming the worst element of the first tensor that is too far off
   */
  final void check() {
    Map<String, double[]> results = checkedResults();
    NetCheck check = new NetCheck(rows.few(), precision.dtype(), precision.tf32());
    try (Device oracle = Device.open(Backend.REFERENCE)) {
      requireRight(check.name(), who(), check.compare(oracle, rows.fewData(), results));
    }
  }

  /**
   * Refuses what is wrong.
   *
   * @param name the case
   * @param who computed it
   * @param tensors compared with the oracle
   * @throws IllegalStateException naming the worst element of the first tensor that is too far off
   */
  public static void requireRight(String name, String who, List<Comparison> tensors) {
    for (Comparison tensor : tensors) {
      if (!tensor.pass()) {
        throw new IllegalStateException(
            String.format(
                "%s on %s is wrong, so it is not timed: error %.3g, allowed %.3g; %s",
                name, who, tensor.error(), tensor.allowed(), tensor.worst()));
      }
    }
  }

  private float[] valuesOf(String name) {
    return data.getOrDefault(name, new float[0]);
  }

  private Map<String, double[]> results() {
    List<String> names = new ArrayList<>(List.of("y", "hT"));
    boolean cellState = sizes.cell().hasCellState();
    if (cellState) {
      names.add("cT");
    }
    if (training) {
      names.addAll(List.of("dx", "dh0"));
      if (cellState) {
        names.add("dc0");
      }
      data.keySet().stream()
          .filter(name -> !CheckedRows.isBatched(name))
          .map(n -> "d" + n)
          .forEach(names::add);
    }
    Map<String, double[]> results = new LinkedHashMap<>();
    names.forEach(name -> results.put(name, rows.gather(name, get(name))));
    return results;
  }

  /** Spoils one weight, so that a test can see the check fail. */
  final void spoil(long seed) {
    float[] values = valuesOf("weight_hh_l0").clone();
    values[new SplittableRandom(seed).nextInt(values.length)] += 0.5f;
    put("weight_hh_l0", values);
  }
}
