package dev.fusedrnn.jcuda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.fusedrnn.Backend;
import dev.fusedrnn.DType;
import dev.fusedrnn.DeviceBuffer;
import dev.fusedrnn.FusedRnnException;
import dev.fusedrnn.Linear;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import jcuda.driver.CUcontext;
import jcuda.driver.CUdevice;
import jcuda.driver.JCudaDriver;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;
import org.junit.jupiter.api.io.TempDir;

/**
 * Goal: where JCublas, or JCuda's driver binding, cannot be loaded, the adapter says what to
 * install, and what does not need it works. Method: JVMs of their own, whose library path has files
 * under the needed names that are no libraries.
 */
@EnabledIfSystemProperty(named = "fusedrnn.jcuda.backend", matches = "emulated")
class WithoutCublasTest {
  private record Ran(int exit, String text) {}

  /** What the JVM without JCublas does. */
  static final class Program {
    private Program() {}

    public static void main(String... arguments) {
      CUdevice device = new CUdevice();
      CUcontext context = new CUcontext();
      if (arguments.length == 0) {
        JCudaDriver.cuInit(0);
        JCudaDriver.cuDeviceGet(device, 0);
        JCudaDriver.cuDevicePrimaryCtxRetain(context, device);
        JCudaDriver.cuCtxSetCurrent(context);
      }
      try (JCudaDevice jcuda = JCudaDevice.open(Backend.EMULATED);
          Linear linear = Linear.create(jcuda.device(), DType.F32, 1, 2, 1);
          DeviceBuffer x = jcuda.device().allocate(DType.F32, 1, 2);
          DeviceBuffer y = jcuda.device().allocate(DType.F32, 1, 1)) {
        x.write(new float[] {3, 4});
        linear.x(x).w(x).y(y).forward(jcuda.device().defaultStream());
        System.out.println("product " + y.readFloats()[0]);
        for (int time = 0; time < 2; time++) {
          try {
            jcuda.newBlasHandle();
          } catch (FusedRnnException e) {
            System.out.println(e.status() + " " + e.getMessage());
          }
        }
      } catch (FusedRnnException e) {
        System.out.println(e.status() + " " + e.getMessage());
      }
    }
  }

  private static Ran run(String libraryPath, String... arguments)
      throws IOException, InterruptedException {
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    command.add("-Dfusedrnn.library.path=" + System.getProperty("fusedrnn.library.path"));
    command.addAll(List.of("-cp", System.getProperty("java.class.path")));
    command.add(Program.class.getName());
    command.addAll(List.of(arguments));
    ProcessBuilder builder = new ProcessBuilder(command).redirectErrorStream(true);
    builder.environment().put("LD_LIBRARY_PATH", libraryPath);
    Process process = builder.start();
    String text =
        new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8).strip();
    assertTrue(process.waitFor(60, TimeUnit.SECONDS), text);
    return new Ran(process.exitValue(), text);
  }

  private static String standins() {
    return Path.of(System.getProperty("fusedrnn.library.path"), "standins").toString();
  }

  @Test
  void withoutCublasAllButTheHandleWorks(@TempDir Path folder)
      throws IOException, InterruptedException {
    Files.writeString(folder.resolve("libcublas.so.12"), "no library");
    Ran ran = run(folder + ":" + standins());
    assertEquals(0, ran.exit(), ran.text());
    assertTrue(ran.text().contains("product 25.0"), ran.text());
    String refusal = "UNAVAILABLE handle: JCublas could not be loaded";
    assertEquals(2, ran.text().split(refusal, -1).length - 1, ran.text());
    for (String part : List.of("libcublas.so.12", "CUDA 13", "LD_LIBRARY_PATH", "Reason: ")) {
      assertTrue(ran.text().contains(part), ran.text());
    }
  }

  @Test
  void withoutADriverTheCureIsNamed(@TempDir Path folder) throws IOException, InterruptedException {
    Files.writeString(folder.resolve("libcuda.so.1"), "no library");
    Ran ran = run(folder.toString(), "without a context");
    assertEquals(0, ran.exit(), ran.text());
    assertTrue(ran.text().contains("UNAVAILABLE JCudaDevice.open"), ran.text());
    assertTrue(ran.text().contains("install the NVIDIA driver"), ran.text());
  }
}
