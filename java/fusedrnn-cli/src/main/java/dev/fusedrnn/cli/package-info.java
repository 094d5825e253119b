/** The {@code fusedrnn} command: training, sampling, replaying, checking, diagnosing. */
@NullMarked
package dev.fusedrnn.cli;

import org.jspecify.annotations.NullMarked;
