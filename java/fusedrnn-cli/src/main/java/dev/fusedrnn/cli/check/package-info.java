/** A seeded grid of cases compared with the oracle. */
@NullMarked
package dev.fusedrnn.cli.check;

import org.jspecify.annotations.NullMarked;
