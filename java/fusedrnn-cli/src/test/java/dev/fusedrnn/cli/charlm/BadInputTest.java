package dev.fusedrnn.cli.charlm;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.fusedrnn.cli.CliRun;
import dev.fusedrnn.io.SafeTensor;
import dev.fusedrnn.io.Safetensors;
import dev.fusedrnn.io.SafetensorsReader;
import dev.fusedrnn.io.SafetensorsWriter;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Goal: what the user must mend is said in words. Method: one bad file or number at a time. */
class BadInputTest {
  @TempDir private Path folder;

  private static CliRun trainOn(Path text, Object... more) {
    List<Object> options =
        List.of(
            "--text",
            text,
            "--backend",
            "reference",
            "--steps",
            1,
            "--hidden",
            4,
            "--seq-len",
            8,
            "--batch",
            2,
            "--sample-length",
            0);
    return CliRun.of(List.of("train", "char-lm"), options, more);
  }

  @Test
  void aMissingTextIsNamed() {
    Path none = folder.resolve("none.txt");
    trainOn(none).refused(none + ": there is no such file");
    trainOn(folder).refused(folder + ": is a folder; expected a UTF-8 text file");
  }

  @Test
  void anEmptyTextIsNamed() throws IOException {
    Path empty = Texts.write(folder, "");
    trainOn(empty).refused(empty + ": the file is empty");
  }

  @Test
  void aTextShorterThanOneSequenceIsNamed() throws IOException {
    Path text = Texts.write(folder, "ten letter");
    trainOn(text, "--seq-len", 10)
        .refused(text + ": has 10 characters, 9 of them to learn from; one sequence needs 11");
    trainOn(text, "--seq-len", 9, "--valid-fraction", 0).ok();
  }

  @Test
  void aTextThatIsNotUtf8IsNamedWithThePlace() throws IOException {
    Path text = Files.write(folder.resolve("latin1.txt"), new byte[] {'a', (byte) 0xE9, 'b'});
    trainOn(text).refused(text + ": not UTF-8: byte 0xE9 at offset 1");
  }

  @Test
  void outputsThatCannotBeWrittenAreRefusedBeforeTheWork() throws IOException {
    Path text = Texts.write(folder, Texts.ENGLISH);
    Path nowhere = folder.resolve("no/where");
    for (String option : new String[] {"--save", "--json"}) {
      CliRun run = trainOn(text, option, nowhere);
      run.refused(option + " " + nowhere + ": the folder ", " does not exist");
      assertEquals("", run.out());
    }
  }

  @ParameterizedTest
  @CsvSource({
    "--hidden, 0, at least 1",
    "--layers, 0, at least 1",
    "--dropout, 1, 0 to below 1",
    "--batch, -3, at least 1",
    "--seq-len, 0, at least 1",
    "--steps, -1, at least 0",
    "--clip, -1, at least 0",
    "--clip, NaN, at least 0",
    "--decay, 2, 0 to 1",
    "--valid-fraction, 1, 0 to below 1",
    "--cell, transformer, 'lstm, gru, gru_reset_before, rnn, rnn_relu, mut1, mut2 or mut3'",
    "--optimizer, lion, 'adam, adamw, rmsprop, adagrad or sgd'",
    "--embedding, zero, a number from 1 up or one-hot",
    "--embedding, 0, a number from 1 up or one-hot",
    "--learning-rate, 0, above 0"
  })
  void numbersThatMakeNoSenseAreRefused(String option, String value, String expected)
      throws IOException {
    Path text = Texts.write(folder, Texts.ENGLISH);
    trainOn(text, option, value).refused(option + ": expected " + expected + ", got ");
  }

  private Path model() throws IOException {
    Path model = folder.resolve("m.safetensors");
    trainOn(Texts.write(folder, Texts.ENGLISH), "--save", model).ok();
    return model;
  }

  private static void sampleIsRefused(Path model, String... parts) {
    CliRun.of("sample", "--load", model, "--backend", "reference").refused(parts);
  }

  @Test
  void aTruncatedModelIsNamed() throws IOException {
    Path model = model();
    byte[] whole = Files.readAllBytes(model);
    Files.write(model, Arrays.copyOf(whole, whole.length - 10));
    sampleIsRefused(model, model + ": not a usable safetensors file: truncated: tensor ");
  }

  @Test
  void aDamagedModelIsFoundByItsChecksum() throws IOException {
    Path model = model();
    byte[] bytes = Files.readAllBytes(model);
    bytes[bytes.length - 5] ^= 1;
    Files.write(model, bytes);
    sampleIsRefused(model, model + ": is damaged: its content does not have the checksum");
  }

  private static void rewrite(Path model, String key, String value) throws IOException {
    Safetensors content = SafetensorsReader.read(model);
    Map<String, String> metadata = new LinkedHashMap<>(content.metadata());
    metadata.put(key, value);
    metadata.remove("sha256");
    metadata.put("sha256", new Safetensors(content.tensors(), metadata).sha256());
    SafetensorsWriter.write(model, new Safetensors(content.tensors(), metadata));
  }

  @Test
  void aModelOfAnotherVersionIsNamed() throws IOException {
    Path model = model();
    rewrite(model, "version", "2");
    sampleIsRefused(model, model + ": is a model file of version 2; this program reads version 1");
  }

  @Test
  void aFileThatIsNotOursIsNamed() throws IOException {
    Path other = folder.resolve("other.safetensors");
    SafetensorsWriter.write(
        other, new Safetensors(Map.of("w", SafeTensor.ofFloats(new float[] {1}, 1)), Map.of()));
    sampleIsRefused(other, other + ": is not a character model of fusedrnn");
    Path text = Texts.write(folder, Texts.ENGLISH);
    sampleIsRefused(text, text + ": not a usable safetensors file");
  }

  @Test
  void aModelThatContradictsItselfIsNamed() throws IOException {
    Path model = model();
    String json = SafetensorsReader.read(model).metadata().get("model");
    ObjectNode changed = (ObjectNode) new ObjectMapper().readTree(json);
    rewrite(model, "model", changed.put("hidden", 5).toString());
    sampleIsRefused(model, model + ": ", "expected [", "got F32 [");
    rewrite(model, "model", changed.put("cell", "transformer").toString());
    sampleIsRefused(model, model + ": its description of the model is not usable");
  }

  @Test
  void aPrimeThatTheModelCannotReadIsNamed() throws IOException {
    Path model = model();
    CliRun.of("sample", "--load", model, "--prime", "날", "--backend", "reference")
        .refused("--prime: character 0 is '날' (U+B0A0), which the model has never seen");
    CliRun.of("sample", "--load", model, "--prime", "", "--backend", "reference")
        .refused("--prime: expected at least one character");
    CliRun.of("sample", "--load", model, "--length", -1, "--backend", "reference")
        .refused("--length, --temperature and --top-k: expected 0 or more");
    CliRun.of("sample", "--load", model, "--top-p", 0, "--backend", "reference")
        .refused("--temperature: expected a finite number; --top-p: above 0, up to 1");
  }

  @Test
  void aRefusedRunLeavesNoFile() throws IOException {
    Path model = folder.resolve("never.safetensors");
    Path text = Texts.write(folder, "short");
    trainOn(text, "--save", model).refused("has 5 characters");
    assertFalse(Files.exists(model));
  }
}
