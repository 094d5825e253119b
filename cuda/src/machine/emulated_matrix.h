// Matrix fragments over the emulated machine (cuda/emulator/matrix.cpp). The contract is in
// matrix.h, which includes this.

#ifndef FUSEDRNN_SRC_MACHINE_EMULATED_MATRIX_H_
#define FUSEDRNN_SRC_MACHINE_EMULATED_MATRIX_H_

#include <type_traits>

namespace frnn::machine {

namespace emulated {

enum class Factor { kBf16, kF16, kTf32 };

void multiply_fragments(Factor factor, float* d, const uint32_t* a, const uint32_t* b);
void load_matrices(uint32_t* r, int count, const void* row, bool transposed);

}  // namespace emulated

template <class E>
inline void mma_16x8x16(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
  static_assert(std::is_same_v<E, Bf16> || std::is_same_v<E, F16>, "Bf16 or F16");
  emulated::multiply_fragments(
      std::is_same_v<E, Bf16> ? emulated::Factor::kBf16 : emulated::Factor::kF16, d, a, b);
}

inline void mma_16x8x8_tf32(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
  emulated::multiply_fragments(emulated::Factor::kTf32, d, a, b);
}

template <int Count>
inline void load_matrices(uint32_t (&r)[Count], const void* row) {
  static_assert(Count == 1 || Count == 2 || Count == 4, "1, 2 or 4 matrices");
  emulated::load_matrices(r, Count, row, false);
}

template <int Count>
inline void load_matrices_transposed(uint32_t (&r)[Count], const void* row) {
  static_assert(Count == 1 || Count == 2 || Count == 4, "1, 2 or 4 matrices");
  emulated::load_matrices(r, Count, row, true);
}

}  // namespace frnn::machine

#endif  // FUSEDRNN_SRC_MACHINE_EMULATED_MATRIX_H_
