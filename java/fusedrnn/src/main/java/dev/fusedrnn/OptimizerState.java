package dev.fusedrnn;

/**
 * What an optimiser counts on the device.
 *
 * @param step steps made
 * @param skipped steps that a clip had it skip
 * @param learningRate before the schedule
 * @param rate of the last step
 */
public record OptimizerState(long step, long skipped, double learningRate, double rate) {}
