package dev.fusedrnn.cli.doctor;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import dev.fusedrnn.cli.CliRun;
import java.io.IOException;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Goal: the doctor names every backend, why and what. Method: read its report. */
class DoctorCommandTest {
  @TempDir private Path folder;

  @Test
  void everyBackendIsReported() throws IOException {
    Path json = folder.resolve("d.json");
    CliRun run = CliRun.of("doctor", "--json", json).ok();
    JsonNode root = CliRun.json(json);
    assertEquals(4, root.path("backends").size());
    for (JsonNode backend : root.path("backends")) {
      boolean available = backend.path("available").booleanValue();
      assertTrue(backend.has(available ? "device" : "reason"), backend.toString());
      assertTrue(run.out().contains(backend.path("backend").textValue()));
    }
    assertTrue(root.path("machine").path("jdk").textValue().contains("" + Runtime.version()));
    assertTrue(root.path("native_library").path("loaded").booleanValue(), root.toString());
    assertTrue(root.path("self_test").size() >= 3, root.toString());
    for (JsonNode test : root.path("self_test")) {
      assertEquals(0, test.path("failed").intValue(), test.toString());
      assertTrue(test.path("passed").intValue() > 0, test.toString());
    }
  }
}
