package dev.fusedrnn.internal;

/** The fields of the structs in {@code fusedrnn.h}, word by word; a test compares the two. */
public final class Fields {
  private Fields() {}

  /** {@code frnn_rnn_sizes}. */
  public enum RnnSizes {
    RESERVE_BYTES,
    FORWARD_WORKSPACE_BYTES,
    BACKWARD_WORKSPACE_BYTES
  }

  /** {@code frnn_weights}. */
  public enum Weights {
    W_IH,
    W_HH,
    B_IH,
    B_HH,
    W_HR,
    W_PEEPHOLE,
    NORM_IH,
    NORM_HH,
    NORM_C,
    NORM_C_BIAS,
    RUNNING_MEAN,
    RUNNING_VAR
  }

  /** {@code frnn_net}. */
  public enum Net {
    STRUCT_BYTES,
    CELL,
    DTYPE,
    FLAGS,
    VARIANT,
    T,
    B,
    I,
    H,
    P,
    L,
    D,
    RESIDUAL,
    WEIGHTS,
    GRADIENTS,
    X,
    LENGTHS,
    H0,
    C0,
    Y,
    HT,
    CT,
    RESERVE,
    RESERVE_BYTES,
    WORKSPACE,
    WORKSPACE_BYTES,
    DY,
    DHT,
    DCT,
    DX,
    DH0,
    DC0,
    CELL_CLIP,
    DROPOUT,
    RECURRENT_DROPOUT,
    ZONEOUT_H,
    ZONEOUT_C,
    SEED,
    OFFSET,
    STREAM,
    BLAS,
    NORM,
    NORM_EPSILON,
    NORM_MOMENTUM,
    KERNEL,
    OFFSET_ADDRESS,
    PACKED,
    PACKED_BYTES,
    PACKED_DTYPE
  }

  /** {@code frnn_tensors}. */
  public enum Tensors {
    STRUCT_BYTES,
    DTYPES,
    COUNT,
    LISTS,
    LENGTHS,
    ADDRESSES
  }

  /** {@code frnn_table_sizes}. */
  public enum TableSizes {
    BYTES,
    CHUNKS,
    LAYOUT
  }

  /** {@code frnn_loss_scale}. */
  public enum LossScale {
    SCALE,
    GOOD_STEPS
  }

  /** {@code frnn_clip_result}. */
  public enum ClipResult {
    NORM,
    COEFFICIENT,
    FINITE,
    SKIP,
    FAILED,
    CALLS,
    FACTOR,
    INFINITE
  }

  /** {@code frnn_clip}. */
  public enum Clip {
    STRUCT_BYTES,
    TABLE,
    CHUNKS,
    LAYOUT,
    LIST,
    ACTION,
    NORM_KIND,
    POLICY,
    PER_TENSOR,
    MAX_NORM,
    LOSS_SCALE,
    RESULT,
    WORKSPACE,
    WORKSPACE_BYTES,
    STREAM
  }

  /** {@code frnn_optimizer_state}. */
  public enum OptimizerState {
    STEP,
    SKIPPED,
    LEARNING_RATE,
    RATE,
    FAILED,
    APPLY,
    STEP_SIZE,
    INVERSE_BIAS2,
    DECAY,
    FACTOR
  }

  /** {@code frnn_optimizer}. */
  public enum Optimizer {
    STRUCT_BYTES,
    KIND,
    TABLE,
    CHUNKS,
    LAYOUT,
    BETA1,
    BETA2,
    EPSILON,
    WEIGHT_DECAY,
    STATE,
    CLIP,
    PER_TENSOR,
    LOSS_SCALE,
    GROWTH_FACTOR,
    BACKOFF_FACTOR,
    GROWTH_INTERVAL,
    SCHEDULE,
    WARMUP,
    PERIOD,
    DECAY,
    STREAM
  }

  /** {@code frnn_linear}. */
  public enum Linear {
    STRUCT_BYTES,
    DTYPE,
    FLAGS,
    N,
    I,
    O,
    X,
    W,
    B,
    Y,
    DY,
    DX,
    DW,
    DB,
    WORKSPACE,
    WORKSPACE_BYTES,
    STREAM,
    BLAS
  }

  /** {@code frnn_embedding}. */
  public enum Embedding {
    STRUCT_BYTES,
    DTYPE,
    FLAGS,
    N,
    V,
    E,
    IDS,
    TABLE,
    Y,
    DY,
    DTABLE,
    WORKSPACE,
    WORKSPACE_BYTES,
    STREAM
  }

  /** {@code frnn_loss_result}. */
  public enum LossResult {
    LOSS_SUM,
    ROWS,
    BAD_TARGETS
  }

  /** {@code frnn_softmax_xent}. */
  public enum SoftmaxXent {
    STRUCT_BYTES,
    DTYPE,
    FLAGS,
    N,
    V,
    LOGITS,
    TARGETS,
    IGNORE_INDEX,
    LABEL_SMOOTHING,
    SCALE,
    LOSS_SCALE,
    DLOGITS,
    RESULT,
    WORKSPACE,
    WORKSPACE_BYTES,
    STREAM
  }

  /** {@code frnn_mse}. */
  public enum Mse {
    STRUCT_BYTES,
    DTYPE,
    FLAGS,
    N,
    F,
    Y,
    TARGETS,
    WEIGHTS,
    SCALE,
    LOSS_SCALE,
    DY,
    RESULT,
    WORKSPACE,
    WORKSPACE_BYTES,
    STREAM
  }

  /** {@code frnn_sample}. */
  public enum Sample {
    STRUCT_BYTES,
    DTYPE,
    N,
    V,
    LOGITS,
    IDS,
    TEMPERATURE,
    TOP_K,
    TOP_P,
    SEED,
    OFFSET,
    OFFSET_ADDRESS,
    STREAM
  }
}
