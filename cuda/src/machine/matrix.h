// The seam, kernel side: matrix fragments of a warp (mma.sync, ldmatrix). All 32 lanes take part,
// at the same call.
//
//   mma_16x8x16<E>(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2])
//     D += A B with A 16 x 16, B 16 x 8, elements E of Bf16 or F16, sums in fp32
//   mma_16x8x8_tf32(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2])
//     D += A B with A 16 x 8, B 8 x 8, factors as tf32_bits() gives them
//   load_matrices<Count>(uint32_t (&r)[Count], const void* row), load_matrices_transposed<Count>
//     1, 2 or 4 matrices of 8 x 8 16-bit elements from shared memory: lane 8 k + i gives the
//     address of row i of matrix k (16 bytes, aligned to it)
//   uint32_t pack_pair(E low, E high), uint32_t tf32_bits(float)
//
// Where the elements are (PTX ISA, "Matrix fragments for mma"), with g = lane / 4 and t = lane % 4:
//   16-bit A: register i holds columns 2t + 8 (i / 2) and the next, of row g + 8 (i % 2)
//   16-bit B: register i holds rows 2t + 8 i and the next, of column g
//   TF32 A:   register i holds column t + 4 (i / 2) of row g + 8 (i % 2)
//   TF32 B:   register i holds row t + 4 i of column g
//   D:        d[i] is column 2t + i % 2 of row g + 8 (i / 2)
//   a loaded matrix: the register holds columns 2t and 2t + 1 of row g (transposed: rows, of column
//   g)

#ifndef FUSEDRNN_SRC_MACHINE_MATRIX_H_
#define FUSEDRNN_SRC_MACHINE_MATRIX_H_

#include <cstdint>

#include "machine/device.h"
#include "machine/numbers.h"

namespace frnn::machine {

template <class E>
FRNN_HOST_DEVICE uint32_t pack_pair(E low, E high) {
  static_assert(sizeof(E) == 2, "Bf16 or F16");
  return static_cast<uint32_t>(low.bits) | static_cast<uint32_t>(high.bits) << 16;
}

FRNN_HOST_DEVICE uint32_t tf32_bits(float value) {
  return bits_of(round_to_tf32(value));
}

}  // namespace frnn::machine

#if defined(__CUDACC__)
#include "machine/cuda_matrix.h"
#else
#include "machine/emulated_matrix.h"
#endif

#endif  // FUSEDRNN_SRC_MACHINE_MATRIX_H_
