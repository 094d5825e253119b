package dev.fusedrnn;

import java.util.Locale;

/**
 * The parameters of one layer in one direction, in torch.nn's manner. Ordinals are the fields of
 * {@code frnn_weights} in {@code fusedrnn.h}. W is the width of h: H, or P with a projection.
 */
public enum Parameter {
  /** Input weights [G*H, I]. */
  WEIGHT_IH,
  /** Recurrent weights [G*H, W], of MUT1 [2*H, H]. */
  WEIGHT_HH,
  /** Bias beside the input product [G*H]. */
  BIAS_IH,
  /** Bias beside the recurrent product [G*H], of MUT1 [2*H]. */
  BIAS_HH,
  /** Projection [P, H]. */
  WEIGHT_HR,
  /** Peepholes [K, H], one row for each of i, f, o that there is. */
  WEIGHT_PEEPHOLE,
  /** Gain of the normalised input product [G*H]. */
  NORM_IH,
  /** Gain of the normalised recurrent product [G*H]; layer norm. */
  NORM_HH,
  /** Gain of the normalised cell state [H]; layer norm. */
  NORM_C,
  /** Bias of the normalised cell state [H]; layer norm. */
  NORM_C_BIAS,
  /** Moving mean of the input product [G*H]; batch norm; not trained. */
  RUNNING_MEAN,
  /** Moving variance of the input product [G*H]; batch norm; not trained. */
  RUNNING_VAR;

  /**
   * Whether this has a gradient.
   *
   * @return false for the running statistics
   */
  public boolean trained() {
    return this != RUNNING_MEAN && this != RUNNING_VAR;
  }

  /**
   * The name in torch.nn's manner.
   *
   * @param layer from 0
   * @param direction 0 forward, 1 reverse
   * @return for example {@code weight_ih_l0} or {@code bias_hh_l2_reverse}
   */
  public String torchName(int layer, int direction) {
    return name().toLowerCase(Locale.ROOT) + "_l" + layer + (direction == 1 ? "_reverse" : "");
  }
}
