package dev.fusedrnn.jcuda;

import jcuda.NativePointerObject;
import jcuda.Pointer;
import jcuda.driver.CUdeviceptr;

/**
 * The numbers behind JCuda's objects. JCuda shows them to subclasses alone, so each is copied into
 * one.
 */
final class Address {
  private Address() {}

  private static final class PointerView extends Pointer {
    PointerView(Pointer pointer) {
      super(pointer);
    }

    long base() {
      return getNativePointer();
    }

    long offset() {
      return getByteOffset();
    }
  }

  private static final class HandleView extends NativePointerObject {
    HandleView(NativePointerObject handle) {
      super(handle);
    }

    long value() {
      return getNativePointer();
    }
  }

  /** What a pointer points to, its byte offset included. */
  static long of(Pointer pointer) {
    PointerView view = new PointerView(pointer);
    return view.base() + view.offset();
  }

  /** The address before the byte offset; 0 for null pointers and for arrays and buffers of Java. */
  static long base(Pointer pointer) {
    return new PointerView(pointer).base();
  }

  /** A stream, context, device or cuBLAS handle. */
  static long of(NativePointerObject handle) {
    return handle instanceof Pointer pointer ? of(pointer) : new HandleView(handle).value();
  }

  /** A device pointer to an address: a null pointer with the address as its byte offset. */
  static CUdeviceptr pointer(long address) {
    return new CUdeviceptr().withByteOffset(address);
  }
}
