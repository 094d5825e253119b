package dev.fusedrnn.testkit;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeFalse;

import dev.fusedrnn.Backend;
import dev.fusedrnn.BackendStatus;
import dev.fusedrnn.Device;
import org.junit.jupiter.api.Test;
import org.opentest4j.TestAbortedException;

/** Goal: a device is handed in; an absent backend skips, and fails where it is required. */
class DeviceExtensionTest {
  @OnBackend(Backend.CUDA)
  static final class Optional {}

  @OnBackend(value = Backend.CUDA, required = true)
  static final class Required {}

  private static OnBackend annotationOf(Class<?> annotated) {
    return annotated.getAnnotation(OnBackend.class);
  }

  private static void assumeNoCuda() {
    assumeFalse(
        Device.probe().stream()
            .filter(status -> status.backend() == Backend.CUDA)
            .anyMatch(BackendStatus::available),
        "this machine has cuda");
  }

  @Test
  @OnBackend(value = Backend.REFERENCE, required = true)
  void theParameterIsAnOpenDevice(Device device) {
    assertEquals(Backend.REFERENCE, device.backend());
    assertFalse(device.isClosed());
  }

  @Test
  void anAbsentBackendSkips() {
    assumeNoCuda();
    assertThrows(
        TestAbortedException.class, () -> DeviceExtension.open(annotationOf(Optional.class)));
  }

  @Test
  void anAbsentBackendThatIsRequiredFails() {
    assumeNoCuda();
    AssertionError e =
        assertThrows(
            AssertionError.class, () -> DeviceExtension.open(annotationOf(Required.class)));
    assertTrue(e.getMessage().startsWith("backend cuda is required: "), e.getMessage());
  }

  @Test
  void thePropertyRequiresToo() {
    assumeNoCuda();
    String before = System.setProperty(DeviceExtension.REQUIRED_PROPERTY, "cpu, cuda");
    try {
      assertThrows(AssertionError.class, () -> DeviceExtension.open(annotationOf(Optional.class)));
    } finally {
      if (before == null) {
        System.clearProperty(DeviceExtension.REQUIRED_PROPERTY);
      } else {
        System.setProperty(DeviceExtension.REQUIRED_PROPERTY, before);
      }
    }
  }
}
