package dev.fusedrnn.cli.charlm;

/**
 * The learning rate over a run: up to its peak along a line, then down along half a cosine
 * (Loshchilov and Hutter 2017, without restarts).
 *
 * @param peak the highest rate
 * @param floor the rate of the last step, as a part of the peak
 * @param warmup steps until the peak
 * @param steps of the whole run
 */
record Schedule(double peak, double floor, int warmup, int steps) {

  /** The rate of a step, counted from 1. */
  double rate(int step) {
    if (step <= warmup) {
      return peak * step / warmup;
    }
    double done = (step - warmup) / (double) Math.max(1, steps - warmup);
    return peak * (floor + (1 - floor) * 0.5 * (1 + Math.cos(Math.PI * done)));
  }
}
