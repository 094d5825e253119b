/**
 * Weights in and out. In the middle stands {@link dev.fusedrnn.io.RnnWeights}: tensors with the
 * names, shapes and gate order of torch.nn, on the host. Each other format is read into it and
 * written from it by one class. {@link dev.fusedrnn.io.Checkpoint} keeps a whole training.
 */
@NullMarked
package dev.fusedrnn.io;

import org.jspecify.annotations.NullMarked;
