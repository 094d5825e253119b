package dev.fusedrnn.cli;

import dev.fusedrnn.Device;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** {@code --backend}, the same in every command. */
public final class BackendOption {
  @Spec(Spec.Target.MIXEE)
  private CommandSpec spec;

  @Option(
      names = "--backend",
      paramLabel = "NAME",
      defaultValue = "auto",
      description = "auto (cuda, else cpu), cuda, cpu, emulated or reference. Default: auto")
  private String name;

  @Option(
      names = "--threads",
      paramLabel = "N",
      description = "Threads of the cpu backend. Default: one a core")
  private Integer threads;

  /**
   * @return whether a certain backend was asked for
   */
  public boolean isNamed() {
    return !name.equals("auto");
  }

  /**
   * Opens the device that was asked for.
   *
   * @return the device; to be closed
   * @throws dev.fusedrnn.BackendUnavailableException where it cannot run here
   */
  public Device open() {
    Device device;
    try {
      device = Device.open(name);
    } catch (IllegalArgumentException e) {
      throw new ParameterException(spec.commandLine(), "--backend: " + e.getMessage(), e);
    }
    if (threads != null) {
      if (threads < 1) {
        throw new ParameterException(
            spec.commandLine(), "--threads: expected at least 1, got " + threads);
      }
      if (device.backend() == dev.fusedrnn.Backend.CPU) {
        device.set("threads", threads);
      }
    }
    return device;
  }
}
