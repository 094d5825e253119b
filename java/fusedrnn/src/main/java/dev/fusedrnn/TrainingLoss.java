package dev.fusedrnn;

import java.util.function.Consumer;

/**
 * The loss of a {@link TrainingStep}, whichever it is.
 *
 * @param run enqueues it
 * @param result where its {@link LossResult} lies on the device
 * @param close frees it
 */
record TrainingLoss(Consumer<Stream> run, DeviceBuffer result, Runnable close) {}
