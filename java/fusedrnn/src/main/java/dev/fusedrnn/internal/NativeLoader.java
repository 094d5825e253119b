package dev.fusedrnn.internal;

/** Finds and loads the native library. */
final class NativeLoader {
  private NativeLoader() {}

  /** Loads once; answers where it came from. */
  static synchronized String load() {
    throw new UnsatisfiedLinkError("the native library is not built yet");
  }
}
