/**
 * Data-parallel training: every rank has a device, a copy of the model and a part of each batch;
 * between backward and clip the gradients of all ranks are averaged.
 */
@NullMarked
package dev.fusedrnn.examples;

import org.jspecify.annotations.NullMarked;
