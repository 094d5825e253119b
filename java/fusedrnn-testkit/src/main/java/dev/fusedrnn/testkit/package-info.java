/**
 * Tools to compare what a backend computed with the double-precision oracle: seeded cases, the
 * error that fp32 arithmetic explains, finite differences and a JUnit 5 extension.
 */
@NullMarked
package dev.fusedrnn.testkit;

import org.jspecify.annotations.NullMarked;
