// Matrix fragments: every lane hands over its registers, then each computes its own four elements.

#include "machine/matrix.h"

#include <algorithm>
#include <cstring>

#include "runner.h"

namespace frnn::machine::emulated {

namespace {

using Registers = const uint32_t (*)[6];  // of the 32 lanes: A in 0 to 3, B in 4 and 5

float element(Factor factor, uint32_t word, int k) {
  // Of a TF32 operand the hardware reads 19 bits.
  if (factor == Factor::kTf32) return float_of(word & ~0x1fffu);
  const uint16_t bits = static_cast<uint16_t>(k % 2 == 0 ? word : word >> 16);
  return factor == Factor::kBf16 ? widen(Bf16{bits}) : widen(F16{bits});
}

// A(row, k) and B(k, column) of the layouts in machine/matrix.h.
float element_of_a(Factor factor, Registers lanes, int row, int k) {
  const int per_register = factor == Factor::kTf32 ? 1 : 2;
  const int half = 4 * per_register;  // columns that the first two registers hold
  const int lane = row % 8 * 4 + k % half / per_register;
  return element(factor, lanes[lane][row / 8 + 2 * (k / half)], k);
}

float element_of_b(Factor factor, Registers lanes, int k, int column) {
  const int per_register = factor == Factor::kTf32 ? 1 : 2;
  const int half = 4 * per_register;
  const int lane = column * 4 + k % half / per_register;
  return element(factor, lanes[lane][4 + k / half], k);
}

}  // namespace

void multiply_fragments(Factor factor, float* d, const uint32_t* a, const uint32_t* b) {
  Fiber* f = running();
  Warp* w = f->warp;
  if (w->existing != kAllLanes) f->runner->fail(f, "a matrix product in a warp of fewer than 32");
  const unsigned phase = w->phase;
  const int lane = f->lane();
  std::copy(a, a + 4, w->fragments[phase][lane]);
  std::copy(b, b + 2, w->fragments[phase][lane] + 4);
  f->runner->wait_warp(f, Wait::kMatrix, kAllLanes);
  const Registers lanes = w->fragments[phase];
  const int depth = factor == Factor::kTf32 ? 8 : 16;
  for (int i = 0; i < 4; ++i) {
    const int row = lane / 4 + 8 * (i / 2);
    const int column = 2 * (lane % 4) + i % 2;
    float sum = d[i];
    for (int k = 0; k < depth; ++k) {
      sum += element_of_a(factor, lanes, row, k) * element_of_b(factor, lanes, k, column);
    }
    d[i] = sum;
  }
}

void load_matrices(uint32_t* r, int count, const void* row, bool transposed) {
  Fiber* f = running();
  Warp* w = f->warp;
  if (w->existing != kAllLanes) f->runner->fail(f, "load_matrices in a warp of fewer than 32");
  const int lane = f->lane();
  if (lane < 8 * count) f->runner->check_matrix_row(f, row);
  const unsigned phase = w->phase;
  w->words[phase][lane] = reinterpret_cast<uint64_t>(row);
  f->runner->wait_warp(f, Wait::kMatrix, kAllLanes);
  const auto pair = [&](int matrix, int i, int j) {  // element (i, j) of a matrix
    uint16_t bits;
    const uint64_t at = w->words[phase][8 * matrix + i];
    std::memcpy(&bits, reinterpret_cast<const unsigned char*>(at) + 2 * j, sizeof(bits));
    return static_cast<uint32_t>(bits);
  };
  const int g = lane / 4, t = lane % 4;
  for (int m = 0; m < count; ++m) {
    const uint32_t low = transposed ? pair(m, 2 * t, g) : pair(m, g, 2 * t);
    const uint32_t high = transposed ? pair(m, 2 * t + 1, g) : pair(m, g, 2 * t + 1);
    r[m] = low | high << 16;
  }
}

void Runner::check_matrix_row(const Fiber* f, const void* row) {
  if (reinterpret_cast<uintptr_t>(row) % 16 != 0 || !f->in->shared.holds(layout_, row, 16)) {
    fail(f, "load_matrices from %p: expected 16 bytes of shared memory at a multiple of 16", row);
  }
}

}  // namespace frnn::machine::emulated
