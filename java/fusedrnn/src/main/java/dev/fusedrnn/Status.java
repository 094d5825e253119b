package dev.fusedrnn;

/** Why a call failed. Ordinals are those of {@code frnn_status} in {@code fusedrnn.h}. */
public enum Status {
  /** No failure. */
  OK,
  /** A size, shape, flag, address or handle is wrong. */
  INVALID_ARGUMENT,
  /** A legal request that this backend does not serve. */
  UNSUPPORTED,
  /** Workspace or reserve is smaller than the call needs. */
  WORKSPACE_TOO_SMALL,
  /** The backend, the device or a library that it needs is not there. */
  UNAVAILABLE,
  /** The device's memory is used up. */
  OUT_OF_MEMORY,
  /** The device or its driver failed. */
  DEVICE_ERROR,
  /** A matrix product failed. */
  BLAS_ERROR,
  /** A fault of this library. */
  INTERNAL;

  /**
   * The status of a code of the C door.
   *
   * @param code an {@code frnn_status}
   * @return its constant; {@link #INTERNAL} for an unknown code
   */
  public static Status of(int code) {
    return code >= 0 && code < values().length ? values()[code] : INTERNAL;
  }
}
