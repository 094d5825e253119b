/** The character language model: data, model, training, sampling. */
@NullMarked
package dev.fusedrnn.cli.charlm;

import org.jspecify.annotations.NullMarked;
