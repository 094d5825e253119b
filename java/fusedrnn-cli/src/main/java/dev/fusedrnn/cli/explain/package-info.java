/** {@code fusedrnn explain}: what the planner of sequence kernels decides, and why. */
@NullMarked
package dev.fusedrnn.cli.explain;

import org.jspecify.annotations.NullMarked;
