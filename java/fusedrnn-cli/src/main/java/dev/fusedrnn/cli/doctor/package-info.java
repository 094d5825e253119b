/** What is installed, what works and what would mend the rest. */
@NullMarked
package dev.fusedrnn.cli.doctor;

import org.jspecify.annotations.NullMarked;
