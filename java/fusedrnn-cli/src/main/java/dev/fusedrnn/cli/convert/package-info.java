/** {@code fusedrnn convert}. */
@NullMarked
package dev.fusedrnn.cli.convert;

import org.jspecify.annotations.NullMarked;
