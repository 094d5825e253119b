package dev.fusedrnn;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;

/**
 * Goal: what is wrong is refused before the crossing, by a sentence that says what was expected and
 * what came. Method: one wrong argument at a time; the whole message is compared. These checks are
 * Java's own, so the reference backend shows them for all.
 */
class RefusalTest {
  private Device device;
  private Rnn layer;
  private final List<AutoCloseable> open = new ArrayList<>();

  @BeforeEach
  void openDevice() {
    device = Device.open(Backend.REFERENCE);
    layer = Rnn.create(device, config(Cell.LSTM));
  }

  @AfterEach
  void closeDevice() throws Exception {
    for (AutoCloseable each : open) {
      if (!device.isClosed()) {
        each.close();
      }
    }
    device.close();
  }

  private static RnnConfig config(Cell cell) {
    return RnnConfig.builder(cell).inputSize(256).hiddenSize(32).build();
  }

  private static void refused(String message, Executable call) {
    assertEquals(message, assertThrows(IllegalArgumentException.class, call).getMessage());
  }

  private static void refusedState(String message, Executable call) {
    assertEquals(message, assertThrows(IllegalStateException.class, call).getMessage());
  }

  private DeviceBuffer f32(long... shape) {
    return closeLater(device.allocate(DType.F32, shape));
  }

  private <C extends AutoCloseable> C closeLater(C resource) {
    open.add(resource);
    return resource;
  }

  @Test
  void wrongShape() {
    RnnCall call = layer.newCall(5, 4, true);
    refused("x: expected [5, 4, 256], got [5, 4, 255]", () -> call.x(f32(5, 4, 255)));
    refused("x: expected [5, 4, 256] = 5120 elements, got 5119", () -> call.x(f32(5119)));
    refused("dhT: expected [4, 32], got [32, 4]", () -> call.dhT(f32(32, 4)));
    refused(
        "weight_ih_l0: expected [128, 256], got [256, 128]",
        () -> call.parameter(Parameter.WEIGHT_IH, 0, 0, f32(256, 128)));
    refused(
        "dbias_hh_l0: expected [128], got [96]",
        () -> call.gradient(Parameter.BIAS_HH, 0, 0, f32(96)));
  }

  @Test
  void wrongRank() {
    RnnCall call = layer.newCall(5, 4, true);
    refused("y: expected [5, 4, 32], got [20, 32]", () -> call.y(f32(20, 32)));
    refused(
        "bias_ih_l0: expected [128], got [1, 128]",
        () -> call.parameter(Parameter.BIAS_IH, 0, 0, f32(1, 128)));
    call.y(f32(20, 32).view(5, 4, 32));
    call.y(f32(5 * 4 * 32));
  }

  @Test
  void wrongType() {
    RnnCall call = layer.newCall(5, 4, true);
    DeviceBuffer doubles = closeLater(device.allocate(DType.F64, 5, 4, 256));
    refused("x: expected f32, got f64", () -> call.x(doubles));
    Embedding embedding = closeLater(Embedding.create(device, DType.F32, 3, 4, 5));
    refused("ids: expected i32, got f32", () -> embedding.ids(f32(3)));
    refused(
        "int[]: expected a buffer of a matching type, got DeviceBuffer f32[2] on reference:0",
        () -> f32(2).write(new int[2]));
    refused(
        "dtype: expected f64, f32, bf16 or f16, got i32",
        () -> RnnConfig.builder(Cell.GRU).inputSize(1).hiddenSize(1).dtype(DType.I32).build());
  }

  @Test
  void wrongSize() {
    refused(
        "inputSize: expected at least 1, got 0",
        () -> RnnConfig.builder(Cell.GRU).hiddenSize(1).build());
    refused(
        "hiddenSize: expected at least 1, got -3",
        () -> RnnConfig.builder(Cell.GRU).inputSize(1).hiddenSize(-3).build());
    refused("steps: expected at least 0, got -1", () -> layer.sizes(-1, 1, true));
    refused("batch: expected at least 0, got -2", () -> layer.newSequence(1, -2, true));
    refused("rows: expected at least 0, got -1", () -> Linear.create(device, DType.F32, -1, 2, 3));
    refused("inputs: expected at least 1, got 0", () -> Linear.create(device, DType.F32, 1, 0, 3));
    refused(
        "classes: expected at least 1, got 0",
        () -> SoftmaxCrossEntropy.create(device, DType.F32, 1, 0));
    refused(
        "features: expected at least 1, got 0",
        () -> MeanSquaredError.create(device, DType.F32, 1, 0));
    refused("allocate: expected sizes of at least 0, got [3, -1]", () -> f32(3, -1));
    refused("ordinal: expected at least 0, got -1", () -> Device.open(Backend.REFERENCE, -1));
  }

  @Test
  void tooLargeForAnAddress() {
    refused(
        "allocate: [4294967296, 4294967296] has more than 2^63 elements",
        () -> f32(1L << 32, 1L << 32));
    refused("allocate: [4611686018427387904] has more than 2^63 bytes", () -> f32(1L << 62));
  }

  @Test
  void workspaceTooSmall() {
    DeviceBuffer small = f32(3);
    RnnCall call = layer.newCall(5, 4, true);
    call.workspace(small)
        .reserve(small); // the reference needs none; native ones: NativeRefusalTest
    refused(
        "values: expected 3 for DeviceBuffer f32[3] on reference:0, got 4",
        () -> small.write(new float[4]));
  }

  @Test
  void absent() {
    RnnCall call = layer.newCall(5, 4, true);
    Stream stream = device.defaultStream();
    refusedState(
        "weight_ih_l0: not set, but this call needs it", () -> layer.forward(call, stream));
    call.parameters(closeLater(layer.newParameters()));
    refusedState("x: not set, but this call needs it", () -> layer.forward(call, stream));
    call.x(f32(5, 4, 256));
    refusedState("y: not set, but this call needs it", () -> layer.backward(call, stream));
    refusedState(
        "backward: this call was made without training; use newCall(steps, batch, true)",
        () -> layer.backward(layer.newCall(5, 4, false), stream));
  }

  @Test
  void cellStateOfACellWithout() {
    RnnCall call = Rnn.create(device, config(Cell.GRU)).newCall(5, 4, true);
    refused("c0: expected none, for gru has no cell state", () -> call.c0(f32(4, 32)));
    try (RnnSequence sequence = call.rnn().newSequence(1, 1, false)) {
      refusedState(
          "c0: not in this sequence, which is one of gru(I=256, H=32, f32) T=1 B=1", sequence::c0);
    }
  }

  @Test
  void closed() {
    try (RnnSequence sequence = layer.newSequence(2, 3, false)) {
      RnnParameters parameters = layer.newParameters();
      sequence.call().parameters(parameters);
      parameters.close();
      parameters.close();
      refusedState(
          "weight_ih_l0: DeviceBuffer f32[128, 256] on reference:0 is closed",
          () -> sequence.forward(device.defaultStream()));
    }
    DeviceBuffer buffer = f32(2);
    buffer.close();
    refusedState("DeviceBuffer f32[2] on reference:0 is closed", buffer::readFloats);
    refusedState("DeviceBuffer f32[2] on reference:0 is closed", buffer::address);
    Stream stream = device.newStream();
    stream.close();
    stream.close();
    refusedState("Stream of reference:0 is closed", stream::synchronize);
    Event event = device.newEvent();
    event.close();
    event.close();
    refusedState("Event of reference:0 is closed", event::isDone);
    device.close();
    device.close();
    refusedState("Device reference:0 is closed", device::synchronize);
    refusedState("Device reference:0 is closed", () -> f32(1));
  }

  @Test
  void closedList() {
    DeviceBuffer p = f32(2);
    DeviceBuffer g = f32(2);
    Optimizer optimizer = Optimizer.create(Optimizer.Kind.SGD, List.of(p), List.of(g));
    g.close();
    refusedState(
        "list 1 tensor 0: DeviceBuffer f32[2] on reference:0 is closed",
        () -> optimizer.step(device.defaultStream()));
    optimizer.close();
    refusedState(
        "TensorList on reference:0 is closed", () -> optimizer.step(device.defaultStream()));
  }

  @Test
  void anotherDevice() {
    try (Device other = Device.open(Backend.REFERENCE);
        DeviceBuffer foreign = other.allocate(DType.F32, 5, 4, 256)) {
      RnnCall call = layer.newCall(5, 4, true);
      assertTrue(
          assertThrows(IllegalArgumentException.class, () -> call.x(foreign))
              .getMessage()
              .startsWith("x: expected a buffer of device reference:0, got one of another"));
      refused(
          "stream: expected one of device reference:0, got one of another device reference:0",
          () -> f32(1).zero(other.defaultStream()));
    }
  }

  @Test
  void listsThatDoNotFit() {
    List<DeviceBuffer> two = List.of(f32(2), f32(3));
    refused(
        "list 1: expected 2 tensors, got 1",
        () -> TensorList.of(device, DType.F32, List.of(two, List.of(f32(2)))));
    refused(
        "list 1 tensor 1: expected 3 elements, got 4",
        () -> TensorList.of(device, DType.F32, List.of(two, List.of(f32(2), f32(4)))));
    refused(
        "list 0 tensor 0: expected f64, got f32",
        () -> TensorList.of(device, DType.F64, List.of(two)));
    refused("lists: expected 1 to 5, got 0", () -> TensorList.of(device, DType.F32, List.of()));
    TensorList list = closeLater(TensorList.of(device, DType.F32, List.of(two)));
    refused("maxNorm: expected above 0, got 0.0", () -> GlobalNormClip.create(list, 0, 0));
    refused("maxNorm: expected above 0, got NaN", () -> GlobalNormClip.create(list, 0, Double.NaN));
    refused("list: expected 0 to 0, got 1", () -> GlobalNormClip.create(list, 1, 1));
    refused(
        "parameters: expected at least one tensor, got none",
        () -> Optimizer.create(Optimizer.Kind.ADAM, List.of(), List.of()));
    refused(
        "learningRate: expected at least 0, got NaN",
        () -> closeLater(Optimizer.create(Optimizer.Kind.ADAM, two, two)).learningRate(Double.NaN));
  }

  @Test
  void combinationsThatMakeNoSense() {
    RnnConfigBuilder gru = RnnConfig.builder(Cell.GRU).inputSize(3).hiddenSize(4);
    refused(
        "projectionSize: expected none for gru; only lstm has it",
        () -> gru.projectionSize(2).build());
    refused(
        "peephole: expected none for gru; only lstm has it",
        () -> gru.projectionSize(0).peephole(true).build());
    refused(
        "cellClip: expected none for gru; only lstm has it",
        () -> gru.peephole(false).cellClip(1).build());
    refused(
        "zoneoutCell: expected none for gru; only lstm has it",
        () -> gru.cellClip(0).zoneoutCell(0.1).build());
    RnnConfigBuilder lstm = RnnConfig.builder(Cell.LSTM).inputSize(3).hiddenSize(4);
    refused(
        "projectionSize: expected 1 to 3, or 0 for none, got 4",
        () -> lstm.projectionSize(4).build());
    refused(
        "coupledForget: sets the input gate from the forget gate, so neither can be left out; got"
            + " without [INPUT]",
        () -> lstm.projectionSize(0).coupledForget(true).without(Gate.INPUT).build());
  }

  @Test
  void regularisationOutOfRange() {
    RnnConfigBuilder gru = RnnConfig.builder(Cell.GRU).inputSize(3).hiddenSize(4);
    refused("dropout: expected 0 to below 1, got 1.0", () -> gru.dropout(1).build());
    refused(
        "recurrentDropout: expected 0 to below 1, got -0.1",
        () -> gru.dropout(0).recurrentDropout(-0.1).build());
    refused(
        "zoneoutHidden: expected 0 to below 1, got NaN",
        () -> gru.recurrentDropout(0).zoneoutHidden(Double.NaN).build());
    refused("layers: expected at least 1, got 0", () -> gru.zoneoutHidden(0).layers(0).build());
    refused(
        "cellClip: expected above 0, or 0 for none, got -1.0",
        () -> RnnConfig.builder(Cell.LSTM).inputSize(3).hiddenSize(4).cellClip(-1).build());
  }

  @Test
  void lossesAndDrawsOutOfRange() {
    SoftmaxCrossEntropy loss = closeLater(SoftmaxCrossEntropy.create(device, DType.F32, 1, 2));
    refused("labelSmoothing: expected 0 to below 1, got 1.0", () -> loss.labelSmoothing(1));
    refused("scale: expected a number, got NaN", () -> loss.scale(Double.NaN));
    refused("lossScale: expected f64, got f32", () -> loss.lossScale(f32(2)));
    refusedState("logits: not set, but this call needs it", () -> loss.run(device.defaultStream()));
    Sampler sampler = Sampler.create(device, DType.F32, 1, 2);
    refused(
        "temperature: expected a finite number of at least 0, got -1.0",
        () -> sampler.temperature(-1));
    refused("topK: expected at least 0, got -1", () -> sampler.topK(-1));
    refused("topP: expected above 0 to 1, got 0.0", () -> sampler.topP(0));
    refused("ids: expected i32, got f32", () -> sampler.ids(f32(1)));
  }

  @Test
  void lengthsThatDoNotFit() {
    RnnSequence sequence = closeLater(layer.newSequence(5, 3, false));
    refused("lengths: expected 3 rows, got 2", () -> sequence.lengths(1, 2));
    refused("lengths[1]: expected 0 to 5, got 6", () -> sequence.lengths(1, 6, 2));
    refused("lengths[2]: expected 0 to 5, got -1", () -> sequence.lengths(1, 5, -1));
    assertThrows(
        IndexOutOfBoundsException.class, () -> sequence.resetRow(3, device.defaultStream()));
  }

  @Test
  void parametersThatAreNotThere() {
    RnnCall call = layer.newCall(5, 4, true);
    refused(
        "layer: expected 0 to 0, got 1",
        () -> call.parameter(Parameter.WEIGHT_IH, 1, 0, f32(128, 256)));
    refused(
        "direction: expected 0 to 0, got 1",
        () -> call.gradient(Parameter.WEIGHT_IH, 0, 1, f32(128, 256)));
    refused(
        "weight_hr_l0: expected none for lstm(I=256, H=32, f32)",
        () -> call.parameter(Parameter.WEIGHT_HR, 0, 0, f32(8, 32)));
  }

  @Test
  void unknownNames() {
    refused(
        "backend: expected one of auto, cuda, cpu, emulated, reference, got gpu",
        () -> Device.open("gpu"));
    refused(
        "cell: expected one of lstm, gru, gru_reset_before, rnn_tanh, rnn_relu, mut1, mut2, mut3,"
            + " got lsmt",
        () -> Cell.fromName("lsmt"));
    refused(
        "dtype: expected one of f64, f32, bf16, f16, i32, got fp32", () -> DType.fromName("fp32"));
  }

  @Test
  void whatTheBackendDoesNotServe() {
    Rnn half =
        Rnn.create(
            device,
            RnnConfig.builder(Cell.LSTM).inputSize(1).hiddenSize(1).dtype(DType.BF16).build());
    FusedRnnException e = assertThrows(FusedRnnException.class, () -> half.sizes(2, 3, true));
    assertEquals(Status.UNSUPPORTED, e.status());
    assertEquals(
        "Rnn.sizes of lstm(I=1, H=1, bf16) T=2 B=3 on reference:0 failed (UNSUPPORTED): dtype:"
            + " the reference backend has f64 and f32, not bf16",
        e.getMessage());
    FusedRnnException setting =
        assertThrows(FusedRnnException.class, () -> device.set("threads", 2));
    assertEquals(Status.INVALID_ARGUMENT, setting.status());
    BackendUnavailableException second =
        assertThrows(BackendUnavailableException.class, () -> Device.open(Backend.REFERENCE, 1));
    assertEquals("reference: expected ordinal 0, got 1", second.getMessage());
  }

  @Test
  void foreignAddress() {
    refused("wrap: expected an address for [2], got 0", () -> device.wrap(DType.F32, 0, 2));
    DeviceBuffer wild = device.wrap(DType.F32, 4096, 2);
    FusedRnnException e = assertThrows(FusedRnnException.class, wild::readFloats);
    assertTrue(
        e.getMessage().contains("no memory of this device holds 8 bytes at address 4096"),
        e.getMessage());
    assertThrows(IndexOutOfBoundsException.class, () -> f32(4).slice(2, 3));
    refused("view: expected 4 elements, got [3]", () -> f32(4).view(3));
  }
}
