/** One recurrent network run from files, the bridge to other frameworks. */
@NullMarked
package dev.fusedrnn.cli.replay;

import org.jspecify.annotations.NullMarked;
