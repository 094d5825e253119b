/**
 * Other engines, as {@code fusedrnn bench cpu} runs them: each does the same work as this library.
 */
@NullMarked
package dev.fusedrnn.bench.peers;

import org.jspecify.annotations.NullMarked;
