package dev.fusedrnn;

/** The gates that an LSTM can do without (the ablations of Jozefowicz et al. 2015). */
public enum Gate {
  /** i. */
  INPUT,
  /** f. */
  FORGET,
  /** o. */
  OUTPUT
}
