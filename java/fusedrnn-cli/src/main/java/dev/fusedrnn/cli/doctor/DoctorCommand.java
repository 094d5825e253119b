package dev.fusedrnn.cli.doctor;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.fusedrnn.BackendStatus;
import dev.fusedrnn.Device;
import dev.fusedrnn.FusedRnnException;
import dev.fusedrnn.cli.BackendOption;
import dev.fusedrnn.cli.ExitCode;
import dev.fusedrnn.cli.JsonOption;
import dev.fusedrnn.cli.io.JsonFiles;
import java.io.IOException;
import java.io.PrintWriter;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Spec;

/** {@code fusedrnn doctor}. */
@Command(
    name = "doctor",
    description = {
      "Says what is there: JDK, native library and its build, driver, devices, cuBLAS; which"
          + " backends work, and what would mend those that do not; and tests each for a moment.",
      "All backends are examined; one that --backend names must be among those that work."
    },
    mixinStandardHelpOptions = true)
public final class DoctorCommand implements Callable<Integer> {
  private static final long SELF_TEST_NANOS = 1_000_000_000;

  @Spec private CommandSpec spec;
  @Mixin private BackendOption backend;
  @Mixin private JsonOption json;

  @Override
  public Integer call() throws IOException {
    json.requireWritable();
    ObjectNode root = JsonFiles.object();
    root.set("machine", Surroundings.machine());
    root.set("native_library", nativeLibrary());
    root.set("driver", Surroundings.driver());
    root.set("cublas", Surroundings.cublas());
    List<BackendStatus> found = Device.probe();
    root.set("backends", backends(found));
    ArrayNode tests = root.putArray("self_test");
    long available = found.stream().filter(BackendStatus::available).count();
    found.stream()
        .filter(BackendStatus::available)
        .forEach(b -> tests.add(SelfTest.run(b.backend(), SELF_TEST_NANOS / available)));
    PrintWriter out = spec.commandLine().getOut();
    json.write(root, out);
    if (!json.toTerminal()) {
      DoctorReport.print(out, root);
    }
    if (backend.isNamed()) {
      // One that was asked for and is not there is an error, as in every command.
      backend.open().close();
    }
    for (JsonNode test : tests) {
      if (test.path("failed").intValue() > 0) {
        return ExitCode.FAILURE;
      }
    }
    return ExitCode.OK;
  }

  private static ObjectNode nativeLibrary() {
    ObjectNode node = JsonFiles.object();
    try {
      node.put("loaded", true).put("path", Device.nativeLibrary());
      node.set("build", JsonFiles.parseOrText(Device.nativeBuildInfo()));
    } catch (FusedRnnException e) {
      node.removeAll();
      node.put("loaded", false).put("reason", e.getMessage());
    }
    return node;
  }

  private static ArrayNode backends(List<BackendStatus> found) {
    ArrayNode list = JsonFiles.object().arrayNode();
    for (BackendStatus status : found) {
      ObjectNode node = list.addObject();
      node.put("backend", status.backend().label()).put("available", status.available());
      if (status.available()) {
        node.set("device", JsonFiles.parseOrText(status.description()));
      } else {
        node.put("reason", status.reason());
      }
    }
    return list;
  }
}
