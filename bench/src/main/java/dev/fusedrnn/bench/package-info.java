/** JMH benchmarks and the report on them: correct or no time. */
@NullMarked
package dev.fusedrnn.bench;

import org.jspecify.annotations.NullMarked;
