package dev.fusedrnn.examples;

import dev.fusedrnn.DType;
import dev.fusedrnn.Device;
import dev.fusedrnn.DeviceBuffer;
import dev.fusedrnn.Stream;
import org.bytedeco.cuda.cudart.CUstream_st;
import org.bytedeco.cuda.global.cudart;
import org.bytedeco.cuda.global.nccl;
import org.bytedeco.cuda.nccl.ncclComm;
import org.bytedeco.cuda.nccl.ncclUniqueId;
import org.bytedeco.javacpp.Loader;
import org.bytedeco.javacpp.Pointer;

/**
 * An all-reduce by NCCL, through JavaCPP's presets: enqueued, in place, without the host. One for
 * each device, made by all ranks at once, each in a thread or process of its own.
 */
public final class NcclAllReduce implements AllReduce {
  private final ncclComm communicator = new ncclComm();

  /** A device address as JavaCPP wants it. */
  private static final class Address extends Pointer {
    Address(long value) {
      address = value;
    }
  }

  /**
   * Joins the ranks; returns when all of them are there.
   *
   * @param device the rank's own, of the cuda backend
   * @param identifier the 128 bytes that {@link #newIdentifier} gave one of the ranks
   * @param rank from 0
   * @param ranks how many there are
   * @throws IllegalStateException where NCCL is not there or refuses
   */
  public NcclAllReduce(Device device, byte[] identifier, int rank, int ranks) {
    requireLibraries();
    try (ncclUniqueId id = new ncclUniqueId()) {
      id.internal().put(identifier);
      int status = cudart.cudaSetDevice(device.ordinal()); // NCCL takes the thread's device
      if (status != 0) {
        throw new IllegalStateException("cudaSetDevice(" + device.ordinal() + ") gave " + status);
      }
      check("ncclCommInitRank", nccl.ncclCommInitRank(communicator, ranks, id, rank));
    }
  }

  /**
   * Makes what the ranks recognise each other by.
   *
   * @return 128 bytes, to be carried to all ranks
   * @throws IllegalStateException where NCCL is not there
   */
  public static byte[] newIdentifier() {
    requireLibraries();
    try (ncclUniqueId id = new ncclUniqueId()) {
      check("ncclGetUniqueId", nccl.ncclGetUniqueId(id));
      byte[] identifier = new byte[nccl.NCCL_UNIQUE_ID_BYTES];
      id.internal().get(identifier);
      return identifier;
    }
  }

  private static void requireLibraries() {
    try {
      Loader.load(nccl.class);
    } catch (LinkageError e) {
      throw new IllegalStateException(
          "NCCL: its native libraries are not on the class path: add org.bytedeco:cuda and"
              + " org.bytedeco:javacpp with the classifier linux-x86_64, and install NCCL or add"
              + " org.bytedeco:cuda with linux-x86_64-redist ("
              + e.getMessage()
              + ")",
          e);
    }
  }

  @Override
  public void average(DeviceBuffer flat, Stream stream) {
    try (Address data = new Address(flat.address());
        CUstream_st queue = new CUstream_st(new Address(stream.handle()))) {
      check(
          "ncclAllReduce",
          nccl.ncclAllReduce(
              data, data, flat.length(), type(flat.dtype()), nccl.ncclAvg, communicator, queue));
    }
  }

  private static int type(DType dtype) {
    return switch (dtype) {
      case F64 -> nccl.ncclFloat64;
      case F32 -> nccl.ncclFloat32;
      case BF16 -> nccl.ncclBfloat16;
      case F16 -> nccl.ncclFloat16;
      case I32 -> throw new IllegalArgumentException("flat: expected gradients, got i32");
    };
  }

  private static void check(String call, int status) {
    if (status != nccl.ncclSuccess) {
      throw new IllegalStateException(
          call + " failed: " + nccl.ncclGetErrorString(status).getString());
    }
  }

  @Override
  public void close() {
    nccl.ncclCommDestroy(communicator);
  }
}
