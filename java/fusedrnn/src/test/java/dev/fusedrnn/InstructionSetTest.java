package dev.fusedrnn;

import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** The property that forces an instruction set of the cpu backend. */
class InstructionSetTest {
  private static final String PROPERTY = "fusedrnn.cpu.isa";

  @AfterEach
  void best() {
    System.clearProperty(PROPERTY);
    Device.open(Backend.CPU).close();
  }

  @Test
  void thePropertyForcesAPath() {
    System.setProperty(PROPERTY, "portable");
    try (Device device = Device.open(Backend.CPU)) {
      assertTrue(device.describe().contains("\"isa\": \"portable\""), device.describe());
    }
  }

  @Test
  void anUnknownPathIsRefusedAndNamed() {
    System.setProperty(PROPERTY, "sse9");
    BackendUnavailableException refused =
        assertThrows(BackendUnavailableException.class, () -> Device.open(Backend.CPU));
    assertTrue(
        refused.getMessage().contains(PROPERTY)
            && refused.getMessage().contains("avx512, avx2, portable"),
        refused.getMessage());
  }
}
