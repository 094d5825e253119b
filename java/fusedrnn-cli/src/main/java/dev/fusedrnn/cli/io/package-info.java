/** Files that commands write: JSON, and asking first whether a file can be written. */
@NullMarked
package dev.fusedrnn.cli.io;

import org.jspecify.annotations.NullMarked;
