/** Files in and out: safetensors, JSON, and writing that cannot leave half a file. */
@NullMarked
package dev.fusedrnn.cli.io;

import org.jspecify.annotations.NullMarked;
