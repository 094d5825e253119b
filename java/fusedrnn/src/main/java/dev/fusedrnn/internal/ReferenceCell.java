package dev.fusedrnn.internal;

/** The equations of a cell for one step of one row, forward and backward, in simple loops. */
interface ReferenceCell {
  /** Reads a, hOld, hSeen and cOld; fills gates, candidate, c and h. */
  void forward(ReferenceStep step);

  /**
   * Reads dh and dc beside what forward read and left; fills da, adds to dhOld, dhSeen and dcOld
   * and to the gradients of the parameters.
   */
  void backward(ReferenceStep step);

  /** The cell of a layer over its parameters, with where their gradients go. */
  static ReferenceCell of(
      ReferenceLayer layer, ReferenceWeights weights, ReferenceWeights gradients) {
    return switch (layer.cell()) {
      case LSTM -> new ReferenceLstm(layer, weights, gradients);
      case GRU, GRU_RESET_BEFORE -> new ReferenceGru(layer, weights, gradients);
      case MUT1, MUT2, MUT3 -> new ReferenceMut(layer, weights, gradients);
      case RNN_TANH, RNN_RELU -> new ReferenceElman(layer, weights, gradients);
    };
  }

  /** The logistic function. */
  static double sigmoid(double v) {
    return 1 / (1 + Math.exp(-v));
  }
}
