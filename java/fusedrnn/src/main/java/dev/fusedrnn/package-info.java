/**
 * Recurrent layers (LSTM, GRU, plain RNN) on a GPU or CPU, forward and backward through whole
 * sequences, with global-norm clipping and optimisers that stay on the device.
 *
 * <p>Start at {@link dev.fusedrnn.Device} and {@link dev.fusedrnn.Rnn}. Dimensions: T steps, B
 * batch rows, I input features, H hidden units, G gates of the cell. Every tensor is dense and
 * row-major. Names and gate order follow torch.nn.
 */
@NullMarked
package dev.fusedrnn;

import org.jspecify.annotations.NullMarked;
