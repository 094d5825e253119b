package dev.fusedrnn;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;

import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/**
 * Goal: what is dropped without close() is reported, what is closed is not. Method: listens to the
 * reports, drops a buffer and lets the collector run.
 */
class LeakWatchTest {
  private final BlockingQueue<String> reports = new LinkedBlockingQueue<>();
  private Consumer<String> kept;

  @BeforeEach
  void listen() {
    kept = LeakWatch.reporter;
    LeakWatch.reporter =
        text -> {
          if (text.contains("f32[31337")) { // another test's leaks are not this one's
            reports.add(text);
          }
        };
  }

  @AfterEach
  void restore() {
    LeakWatch.reporter = kept;
  }

  @Test
  void reportsWhatWasDropped() throws InterruptedException {
    try (Device device = Device.open(Backend.REFERENCE)) {
      device.allocate(DType.F32, 31337, 1);
      String report = null;
      for (int tries = 0; report == null && tries < 100; tries++) {
        System.gc();
        report = reports.poll(100, TimeUnit.MILLISECONDS);
      }
      assertEquals(
          "DeviceBuffer f32[31337, 1] of reference:0 was collected without close(); its device"
              + " memory or handle is leaked",
          report);
    }
  }

  @Test
  void saysNothingOfWhatWasClosed() throws InterruptedException {
    try (Device device = Device.open(Backend.REFERENCE)) {
      device.allocate(DType.F32, 31337, 2).close();
      for (int tries = 0; tries < 3; tries++) {
        System.gc();
        assertNull(reports.poll(30, TimeUnit.MILLISECONDS));
      }
    }
  }
}
