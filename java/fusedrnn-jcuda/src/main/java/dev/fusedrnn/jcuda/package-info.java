/**
 * Programs that own their context, memory, streams and cuBLAS handle through JCuda and JCublas: all
 * of it goes into this library's calls as it is. {@link dev.fusedrnn.jcuda.JCudaDevice} is the
 * entry.
 */
@NullMarked
package dev.fusedrnn.jcuda;

import org.jspecify.annotations.NullMarked;
