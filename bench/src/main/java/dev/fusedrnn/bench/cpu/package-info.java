/**
 * The command {@code fusedrnn bench cpu}: this library beside other engines on the CPU, each in a
 * process of its own, in turns.
 */
@NullMarked
package dev.fusedrnn.bench.cpu;

import org.jspecify.annotations.NullMarked;
