/** Text as code points and their numbers. */
@NullMarked
package dev.fusedrnn.cli.text;

import org.jspecify.annotations.NullMarked;
