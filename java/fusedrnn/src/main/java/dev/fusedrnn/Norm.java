package dev.fusedrnn;

/** Normalisation inside a recurrent layer. Ordinals are those of {@code frnn_norm}. */
public enum Norm {
  /** None. */
  NONE,
  /**
   * Ba, Kiros and Hinton 2016, plain LSTM only: a = LN(W x; norm_ih) + b_ih + LN(R h; norm_hh) +
   * b_hh over all 4H together, h = o tanh(LN(c; norm_c) + norm_c_bias).
   */
  LAYER,
  /**
   * Laurent et al. 2016, every cell: each column of W x is normalised over the live rows of the
   * whole sequence, times norm_ih; b_ih follows. Without training running statistics serve.
   */
  BATCH
}
