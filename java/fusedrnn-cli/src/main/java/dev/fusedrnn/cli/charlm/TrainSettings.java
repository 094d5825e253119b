package dev.fusedrnn.cli.charlm;

import dev.fusedrnn.Optimizer;

/**
 * How a model is trained.
 *
 * @param batch lanes of text read side by side
 * @param seqLen characters through which gradients flow back
 * @param steps updates of the parameters
 * @param clip limit of the gradient's global norm; 0 for none
 * @param optimizer the update rule
 * @param schedule the learning rate
 * @param seed of initial values and of the order of the text
 */
record TrainSettings(
    int batch,
    int seqLen,
    int steps,
    double clip,
    Optimizer.Kind optimizer,
    Schedule schedule,
    long seed) {}
