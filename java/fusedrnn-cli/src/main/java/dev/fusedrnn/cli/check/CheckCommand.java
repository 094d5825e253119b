package dev.fusedrnn.cli.check;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.fusedrnn.Backend;
import dev.fusedrnn.Device;
import dev.fusedrnn.SequenceKernel;
import dev.fusedrnn.cli.BackendOption;
import dev.fusedrnn.cli.ExitCode;
import dev.fusedrnn.cli.JsonOption;
import dev.fusedrnn.cli.UserException;
import dev.fusedrnn.cli.io.JsonFiles;
import dev.fusedrnn.testkit.CheckCase;
import dev.fusedrnn.testkit.CheckResult;
import dev.fusedrnn.testkit.CheckSuite;
import dev.fusedrnn.testkit.Tolerance;
import java.io.IOException;
import java.io.PrintWriter;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** {@code fusedrnn check}. */
@Command(
    name = "check",
    description = {
      "Compares what a backend computes with the double-precision oracle: every cell at odd shapes,"
          + " every output and gradient, packed weights, clipping, optimisers, linear, embedding,"
          + " cross-entropy.",
      "An error may be a few times that of plain fp32 loops, never a chosen epsilon."
    },
    mixinStandardHelpOptions = true)
public final class CheckCommand implements Callable<Integer> {
  @Spec private CommandSpec spec;
  @Mixin private BackendOption backend;
  @Mixin private JsonOption json;

  @Option(names = "--quick", description = "The small shapes only; within a minute")
  private boolean quick;

  @Option(
      names = "--kernels",
      paramLabel = "NAME",
      split = ",",
      description =
          "Instead of all that is computed, these sequence kernels, each forced in every cell, type"
              + " and cluster: K0, K1, K2. For cuda and emulated")
  private List<String> kernels = List.of();

  @Option(
      names = "--seed",
      paramLabel = "N",
      defaultValue = "1",
      description = "Seed of shapes and data. Default: 1")
  private long seed;

  @Option(
      names = "--filter",
      paramLabel = "TEXT",
      description = "Only cases whose name holds TEXT, such as gru or \"lstm T5\"")
  private @Nullable String filter;

  @Override
  public Integer call() throws IOException {
    json.requireWritable();
    List<CheckCase> cases = new ArrayList<>(suite());
    if (filter != null) {
      String wanted = filter.toLowerCase(Locale.ROOT);
      cases.removeIf(c -> !c.name().toLowerCase(Locale.ROOT).contains(wanted));
      if (cases.isEmpty()) {
        throw new UserException("--filter " + filter + ": no case has that in its name");
      }
    }
    PrintWriter out = spec.commandLine().getOut();
    try (Device device = backend.open();
        Device oracle = Device.open(Backend.REFERENCE)) {
      cases.removeIf(c -> !c.servedBy(device.backend()));
      if (cases.isEmpty()) {
        throw new UserException("--kernels: the " + device.backend().label() + " backend has none");
      }
      List<CheckResult> results = new ArrayList<>();
      printHeader(out, device);
      for (CheckCase c : cases) {
        CheckResult result = c.attempt(device, oracle);
        results.add(result);
        print(out, result);
      }
      return finish(out, device, results);
    }
  }

  private List<CheckCase> suite() {
    if (kernels.isEmpty()) {
      return quick ? CheckSuite.quick(seed) : CheckSuite.full(seed);
    }
    List<SequenceKernel> forced = new ArrayList<>();
    for (String name : kernels) {
      try {
        forced.add(SequenceKernel.fromName(name));
      } catch (IllegalArgumentException e) {
        throw new UserException("--kernels: " + e.getMessage(), e);
      }
    }
    return CheckSuite.kernels(forced, !quick, seed);
  }

  private void printHeader(PrintWriter out, Device device) {
    if (!json.toTerminal()) {
      out.printf(
          "backend %s, seed %d; allowed = %.0f x the error of plain fp32 loops%n",
          device, seed, Tolerance.FACTOR);
      out.printf("%-44s %10s %10s  %s%n", "case", "error", "allowed", "");
      out.flush();
    }
  }

  private void print(PrintWriter out, CheckResult result) {
    if (!json.toTerminal()) {
      out.printf(
          "%-44s %10.3g %10.3g  %s%n",
          result.name(), result.error(), result.allowed(), result.pass() ? "ok" : "FAILED");
      if (!result.pass()) {
        out.println("    " + result.detail());
      }
      out.flush();
    }
  }

  private int finish(PrintWriter out, Device device, List<CheckResult> results) throws IOException {
    int passed = (int) results.stream().filter(CheckResult::pass).count();
    int failed = results.size() - passed;
    ObjectNode root = JsonFiles.object();
    root.put("backend", device.backend().label());
    root.put("device", device.toString());
    root.put("seed", seed);
    root.put("passed", passed);
    root.put("failed", failed);
    ArrayNode list = root.putArray("cases");
    for (CheckResult result : results) {
      ObjectNode node = list.addObject().put("name", result.name());
      JsonFiles.putNumber(node, "error", result.error());
      JsonFiles.putNumber(node, "allowed", result.allowed());
      node.put("pass", result.pass()).put("detail", result.detail());
    }
    json.write(root, out);
    if (!json.toTerminal()) {
      out.printf("%d passed, %d failed on %s%n", passed, failed, device);
    }
    return failed == 0 ? ExitCode.OK : ExitCode.FAILURE;
  }
}
