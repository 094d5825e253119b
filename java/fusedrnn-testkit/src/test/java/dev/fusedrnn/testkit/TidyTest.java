package dev.fusedrnn.testkit;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.fail;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.Set;
import java.util.function.Predicate;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/**
 * Goal: the laws of the layout that a machine can hold. Method: read the sources of this checkout
 * and list every line that breaks a law. A law that gets in the way is changed here, in the open.
 */
class TidyTest {
  private static final int MAX_FILE_LINES = 500;
  private static final int MAX_FUNCTION_LINES = 70;

  private static final Set<String> SOURCE_SUFFIXES = Set.of("java", "cu", "cuh", "cpp", "h");
  private static final Set<String> BINARY_SUFFIXES =
      Set.of("so", "jar", "class", "o", "a", "ptx", "cubin", "fatbin", "bin", "safetensors");
  private static final Set<String> BUILT_FOLDERS = Set.of("target", "build", "out", "bin");

  /** A CUDA keyword, builtin variable, intrinsic or runtime call. */
  private static final Pattern CUDA_NAME =
      Pattern.compile(
          "\\b(?:__(?!restrict__\\b|FILE__\\b|LINE__\\b)\\w+|threadIdx|blockIdx|blockDim|gridDim"
              + "|warpSize|cuda[A-Z]\\w*|cu[A-Z]\\w+|asm)\\b|<<<");

  private static final Pattern INCLUDE = Pattern.compile("^\\s*#\\s*include\\s*([<\"])([^>\"]+)");

  /** A header of the C++ library, such as <cmath>. */
  private static final String CPP = "<[a-z_]+>";

  private static final Pattern OPEN_QUESTION = Pattern.compile("\\b(?:TODO|FIXME|XXX)\\b");

  private static Path root = Path.of("");
  private static List<Path> files = List.of();

  @BeforeAll
  static void listFiles() throws IOException {
    Path start = Path.of(System.getProperty("fusedrnn.root", ".")).toRealPath();
    Path folder = start;
    while (folder != null && !Files.exists(folder.resolve("cuda/include/fusedrnn.h"))) {
      folder = folder.getParent();
    }
    if (folder == null) {
      fail("no checkout of fusedrnn at or above " + start);
    }
    root = folder;
    try (Stream<Path> walk = Files.walk(root)) {
      files = walk.filter(TidyTest::isOurs).map(root::relativize).sorted().toList();
    }
  }

  /** Whether a path is part of the project: no build output, nothing under a dot folder. */
  private static boolean isOurs(Path path) {
    if (!Files.isRegularFile(path)) {
      return false;
    }
    for (Path name :
        root.relativize(path).getParent() == null
            ? List.<Path>of()
            : root.relativize(path).getParent()) {
      if (BUILT_FOLDERS.contains(name.toString()) || name.toString().startsWith(".")) {
        return false;
      }
    }
    return true;
  }

  @Test
  void theCheckoutWasFound() {
    assertFalse(sources(under("cuda/src")).isEmpty(), "no native sources under " + root);
    assertFalse(sources(under("java/fusedrnn/src/main")).isEmpty(), "no Java under " + root);
  }

  @Test
  void nativeCodeKnowsNothingOfJava() {
    Pattern java = Pattern.compile("jni\\.h|JNIEnv|(?i:jcuda|jcublas|javacpp|bytedeco)");
    assertNone(
        "cuda/ names no jni.h, JCuda or JavaCPP",
        lines(sources(under("cuda")), java.asPredicate()));
  }

  @Test
  void theCoreKnowsNothingOfJCuda() {
    Pattern jcuda = Pattern.compile("(?i:jcuda|jcublas)");
    assertNone(
        "java/fusedrnn names no JCuda: its adapter is a module of its own",
        lines(sources(under("java/fusedrnn/src")), jcuda.asPredicate()));
  }

  @Test
  void theDoorNeedsNoCudaHeader() {
    assertNone(
        "the door includes the C library's headers and itself alone",
        includes(
            sources(under("cuda/include")),
            name -> name.matches("<std(?:def|int)\\.h>|\"fusedrnn\\w*\\.h\"")));
  }

  @Test
  void kernelsSeeTheMachineThroughTheSeam() {
    List<Path> kernels = sources(under("cuda/src/kernels"));
    assertNone(
        "kernels include machine/, cells/, kernels/, host/step.h, host/table.h and the C++ library",
        includes(
            kernels,
            name ->
                name.matches(
                    "\"(?:(?:machine|cells|kernels)/.*|host/(?:step|table)\\.h)\"|" + CPP)));
    assertNone("kernels use no CUDA name of their own", codeLines(kernels, CUDA_NAME));
  }

  @Test
  void cellsAreMathsAlone() {
    List<Path> cells = sources(under("cuda/src/cells"));
    assertNone(
        "cells/ includes cells/, the qualifiers of a function and the C++ library",
        includes(cells, name -> name.matches("\"(?:cells/.*|machine/qualifiers\\.h)\"|" + CPP)));
    List<Path> equations =
        cells.stream().filter(path -> !path.endsWith(Path.of("math.h"))).toList();
    assertNone("the equations use no CUDA name", codeLines(equations, CUDA_NAME));
  }

  @Test
  void oneClassNamesTheNatives() {
    List<Path> java = sources(path -> path.startsWith("java") || path.startsWith("bench"));
    List<String> bytedeco =
        lines(java, line -> line.contains("org.bytedeco")).stream()
            .filter(hit -> !hit.matches(".*/(?:Natives|module-info|TidyTest)\\.java:.*"))
            .filter(hit -> !hit.startsWith("bench/peers/")) // LibTorch's own presets
            .toList();
    assertNone("JavaCPP is named by Natives, module-info and the peers alone", bytedeco);

    assertNone(
        "native methods are declared by Natives alone",
        codeLines(java, Pattern.compile("\\bnative\\s+[\\w@<]")).stream()
            .filter(hit -> !hit.contains("/Natives.java:"))
            .toList());
    assertNone(
        "the natives are named inside dev.fusedrnn.internal alone",
        codeLines(java, Pattern.compile("\\bNatives\\b")).stream()
            .filter(hit -> !hit.contains("/dev/fusedrnn/internal/"))
            .toList());
  }

  @Test
  void filesAndFunctionsAreShort() {
    List<String> long_ = new ArrayList<>();
    for (Path path : sources(path -> true)) {
      List<String> lines = read(path);
      if (lines.size() > MAX_FILE_LINES) {
        long_.add(path + ": " + lines.size() + " lines; does it hold two rooms?");
      }
      long_.addAll(longFunctions(path, lines));
    }
    assertNone(
        "no file over " + MAX_FILE_LINES + " lines, no function over " + MAX_FUNCTION_LINES, long_);
  }

  @Test
  void openQuestionsHaveAnIssue() {
    List<String> open =
        lines(sources(path -> !path.endsWith("TidyTest.java")), OPEN_QUESTION.asPredicate())
            .stream()
            .filter(hit -> !hit.matches(".*(?:#|issue )\\d+.*"))
            .toList();
    assertNone("what is left to do names its issue, as in (#7)", open);
  }

  @Test
  void noTestIsSwitchedOff() {
    Pattern off = Pattern.compile("@Disabled\\b|assumeTrue\\(false|\\bDISABLED_");
    assertNone(
        "no test is switched off",
        lines(sources(path -> !path.endsWith("TidyTest.java")), off.asPredicate()));
  }

  @Test
  void nothingBuiltLiesAmongTheSources() throws IOException {
    List<String> built = new ArrayList<>();
    for (Path path : files) {
      if (BINARY_SUFFIXES.contains(suffix(path))) {
        built.add(path.toString());
      } else if (SOURCE_SUFFIXES.contains(suffix(path))) {
        String text = Files.readString(root.resolve(path), StandardCharsets.UTF_8);
        if (text.indexOf('\0') >= 0) {
          built.add(path + ": holds a NUL");
        }
      }
    }
    assertNone("nothing built lies among the sources", built);
  }

  @Test
  void theFunctionCounterCounts() {
    List<String> lines = new ArrayList<>(List.of("class A {", "  void f() {", "    // }"));
    for (int i = 0; i < MAX_FUNCTION_LINES; i++) {
      lines.add("    g(\"}\");");
    }
    lines.addAll(List.of("  }", "  int h = 1;", "}"));
    assertEquals(1, longFunctions(Path.of("A.java"), lines).size());
    lines.subList(3, 10).clear();
    assertEquals(List.of(), longFunctions(Path.of("A.java"), lines));
  }

  // What follows reads the sources.

  private static Predicate<Path> under(String folder) {
    return path -> path.startsWith(folder);
  }

  private static List<Path> sources(Predicate<Path> where) {
    return files.stream().filter(p -> SOURCE_SUFFIXES.contains(suffix(p))).filter(where).toList();
  }

  private static String suffix(Path path) {
    String name = path.getFileName().toString();
    return name.substring(name.lastIndexOf('.') + 1);
  }

  private static List<String> read(Path path) {
    try {
      return Files.readAllLines(root.resolve(path), StandardCharsets.UTF_8);
    } catch (IOException e) {
      throw new IllegalStateException("cannot read " + path + " as UTF-8", e);
    }
  }

  private static List<String> lines(List<Path> paths, Predicate<String> bad) {
    List<String> hits = new ArrayList<>();
    for (Path path : paths) {
      List<String> lines = read(path);
      for (int i = 0; i < lines.size(); i++) {
        if (bad.test(lines.get(i))) {
          hits.add(path + ":" + (i + 1) + ": " + lines.get(i).strip());
        }
      }
    }
    return hits;
  }

  /** As {@link #lines}, without regard to comments, strings and preprocessor lines. */
  private static List<String> codeLines(List<Path> paths, Pattern bad) {
    List<String> hits = new ArrayList<>();
    for (Path path : paths) {
      List<String> lines = read(path);
      List<String> code = code(lines);
      for (int i = 0; i < lines.size(); i++) {
        if (!code.get(i).stripLeading().startsWith("#") && bad.matcher(code.get(i)).find()) {
          hits.add(path + ":" + (i + 1) + ": " + lines.get(i).strip());
        }
      }
    }
    return hits;
  }

  private static List<String> includes(List<Path> paths, Predicate<String> allowed) {
    return lines(
        paths,
        line -> {
          Matcher include = INCLUDE.matcher(line);
          return include.find()
              && !allowed.test(
                  include.group(1)
                      + include.group(2)
                      + (include.group(1).equals("<") ? ">" : "\""));
        });
  }

  /** The lines without their comments and the contents of their strings. */
  private static List<String> code(List<String> lines) {
    List<String> code = new ArrayList<>();
    boolean comment = false;
    boolean textBlock = false;
    for (String line : lines) {
      StringBuilder kept = new StringBuilder();
      int i = 0;
      while (i < line.length()) {
        if (comment || textBlock) {
          int end = line.indexOf(comment ? "*/" : "\"\"\"", i);
          i = end < 0 ? line.length() : end + (comment ? 2 : 3);
          comment = comment && end < 0;
          textBlock = textBlock && end < 0;
        } else if (line.startsWith("//", i)) {
          i = line.length();
        } else if (line.startsWith("/*", i)) {
          comment = true;
          i += 2;
        } else if (line.startsWith("\"\"\"", i)) {
          textBlock = true;
          i += 3;
        } else if (line.charAt(i) == '"' || isCharLiteral(line, i)) {
          i = afterQuote(line, i);
        } else {
          kept.append(line.charAt(i++));
        }
      }
      code.add(kept.toString());
    }
    return code;
  }

  /** An apostrophe between digits separates digits in C++. */
  private static boolean isCharLiteral(String line, int i) {
    return line.charAt(i) == '\'' && (i == 0 || !Character.isLetterOrDigit(line.charAt(i - 1)));
  }

  private static int afterQuote(String line, int start) {
    int i = start + 1;
    while (i < line.length() && line.charAt(i) != line.charAt(start)) {
      i += line.charAt(i) == '\\' ? 2 : 1;
    }
    return i + 1;
  }

  /**
   * Functions of more than the allowed lines. A block is a function where it opens directly in a
   * file, a namespace or a type, after a parenthesis; what opens inside a function belongs to it.
   */
  private static List<String> longFunctions(Path path, List<String> lines) {
    Pattern container =
        Pattern.compile("\\b(?:class|struct|enum|interface|record|namespace|union|extern)\\b");
    List<String> found = new ArrayList<>();
    Deque<Integer> starts = new ArrayDeque<>(); // line of a function's opening, -1 for others
    int functionDepth = 0;
    StringBuilder head = new StringBuilder();
    List<String> code = code(lines);
    for (int i = 0; i < code.size(); i++) {
      if (code.get(i).stripLeading().startsWith("#")) {
        continue;
      }
      for (char letter : code.get(i).toCharArray()) {
        if (letter == '{') {
          boolean function =
              functionDepth == 0
                  && head.indexOf("(") >= 0
                  && (!container.matcher(head).find() || head.indexOf("template") >= 0);
          starts.push(function ? i : -1);
          functionDepth += function || functionDepth > 0 ? 1 : 0;
          head.setLength(0);
        } else if (letter == '}') {
          int start = starts.isEmpty() ? -1 : starts.pop();
          functionDepth -= functionDepth > 0 ? 1 : 0;
          int length = i - start + 1;
          if (start >= 0 && length > MAX_FUNCTION_LINES) {
            found.add(path + ":" + (start + 1) + ": a function of " + length + " lines");
          }
          head.setLength(0);
        } else if (letter == ';') {
          head.setLength(0);
        } else {
          head.append(letter);
        }
      }
      head.append(' ');
    }
    return found;
  }

  private static void assertNone(String law, List<String> broken) {
    if (!broken.isEmpty()) {
      fail(law + "; " + broken.size() + " found:\n  " + String.join("\n  ", broken));
    }
  }
}
