package dev.fusedrnn.internal;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.fusedrnn.Cell;
import dev.fusedrnn.DType;
import dev.fusedrnn.LearningRateSchedule;
import dev.fusedrnn.NonFinite;
import dev.fusedrnn.NormKind;
import dev.fusedrnn.Optimizer;
import dev.fusedrnn.SequenceKernel;
import dev.fusedrnn.Status;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Goal: what Java writes into a struct lands in the field that C reads. Method: reads {@code
 * fusedrnn.h}, with what it includes, and compares every struct and enum with its Java constants,
 * name by name, in order.
 */
class LayoutTest {
  private static final Pattern FIELD = Pattern.compile("\\s*(int64_t|double)\\s+(\\w+)\\s*");
  private static final Pattern CONSTANT = Pattern.compile("FRNN_(\\w+) = (\\d+)");

  private static String header() throws IOException {
    String root = System.getProperty("fusedrnn.root", "../..");
    Path folder = Path.of(root, "cuda/include");
    return Files.readString(folder.resolve("fusedrnn.h"))
        + Files.readString(folder.resolve("fusedrnn_optimizer.h"))
        + Files.readString(folder.resolve("fusedrnn_training.h"));
  }

  private static String body(String keyword, String name) throws IOException {
    Matcher matcher =
        Pattern.compile(
                "typedef " + keyword + " " + name + " \\{(.*?)\\} " + name + ";", Pattern.DOTALL)
            .matcher(header());
    if (!matcher.find()) {
      throw new AssertionError("fusedrnn.h has no " + keyword + " " + name);
    }
    return matcher.group(1);
  }

  @ParameterizedTest
  @ValueSource(
      classes = {
        Fields.Weights.class,
        Fields.Net.class,
        Fields.RnnSizes.class,
        Fields.Tensors.class,
        Fields.TableSizes.class,
        Fields.LossScale.class,
        Fields.ClipResult.class,
        Fields.Clip.class,
        Fields.OptimizerState.class,
        Fields.Optimizer.class,
        Fields.Linear.class,
        Fields.Embedding.class,
        Fields.LossResult.class,
        Fields.SoftmaxXent.class,
        Fields.Mse.class,
        Fields.Sample.class
      })
  void structHasTheSameFields(Class<?> fields) throws IOException {
    String name =
        "frnn" + fields.getSimpleName().replaceAll("([A-Z])", "_$1").toLowerCase(Locale.ROOT);
    List<String> inC = new ArrayList<>();
    for (String field : body("struct", name).replaceAll("//.*", "").split(";")) {
      if (!field.isBlank()) {
        Matcher matcher = FIELD.matcher(field);
        assertTrue(matcher.matches(), "not a 64-bit word: " + field);
        inC.add(matcher.group(2).toLowerCase(Locale.ROOT));
      }
    }
    List<String> inJava =
        Arrays.stream(fields.getEnumConstants())
            .map(constant -> ((Enum<?>) constant).name().toLowerCase(Locale.ROOT))
            .toList();
    assertEquals(inC, inJava);
  }

  private static void assertSameConstants(String name, Enum<?>[] inJava) throws IOException {
    assertSameConstants(name, "", inJava);
  }

  private static void assertSameConstants(String name, String prefix, Enum<?>[] inJava)
      throws IOException {
    List<String> expected = new ArrayList<>();
    for (Enum<?> constant : inJava) {
      expected.add(prefix + constant.name() + " = " + constant.ordinal());
    }
    List<String> inC = new ArrayList<>();
    Matcher matcher = CONSTANT.matcher(body("enum", name));
    while (matcher.find()) {
      inC.add(matcher.group(1) + " = " + matcher.group(2));
    }
    assertEquals(inC, expected);
  }

  @Test
  void enumsHaveTheSameConstants() throws IOException {
    assertSameConstants("frnn_cell", Cell.values());
    assertSameConstants("frnn_dtype", DType.values());
    assertSameConstants("frnn_status", Status.values());
    assertSameConstants("frnn_optimizer_kind", Optimizer.Kind.values());
    assertSameConstants("frnn_clip_action", ClipAction.values());
    assertSameConstants("frnn_kernel", "KERNEL_", SequenceKernel.values());
    assertSameConstants("frnn_norm_kind", NormKind.values());
    assertSameConstants("frnn_nonfinite", NonFinite.values());
    assertSameConstants("frnn_schedule", LearningRateSchedule.Shape.values());
  }

  @Test
  void flagsHaveTheSameBits() throws IOException {
    Matcher matcher = CONSTANT.matcher(body("enum", "frnn_flag"));
    List<String> inC = new ArrayList<>();
    while (matcher.find()) {
      inC.add(matcher.group(1) + " = " + matcher.group(2));
    }
    assertEquals(
        inC,
        List.of(
            "TRAINING = " + Flags.TRAINING,
            "ACCUMULATE = " + Flags.ACCUMULATE,
            "ALLOW_TF32 = " + Flags.ALLOW_TF32,
            "REVERSE = " + Flags.REVERSE,
            "BATCH_FIRST = " + Flags.BATCH_FIRST,
            "ACCUMULATE_DX = " + Flags.ACCUMULATE_DX,
            "MEAN = " + Flags.MEAN));
  }
}
