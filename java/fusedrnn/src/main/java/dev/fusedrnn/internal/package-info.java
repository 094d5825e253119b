/** Engines behind the public API, the native binding and its loading. Not exported. */
@NullMarked
package dev.fusedrnn.internal;

import org.jspecify.annotations.NullMarked;
