/**
 * The grid of shapes that a GPU is measured on beside cuDNN: its cells, its clock, its pictures.
 */
@NullMarked
package dev.fusedrnn.bench.grid;

import org.jspecify.annotations.NullMarked;
