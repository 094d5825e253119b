// The product of a resident sequence kernel: 16-row tiles of weights, held as mma.sync fragments in
// registers and, what does not fit there, in shared memory, times a vector of kBatchTile columns in
// shared memory (resident_shape.h). Weights are loaded once, before the loop over time.
//
// A "product" says how elements are stored and multiplied:
//   Elem                    of weights, biases, h and y in device memory
//   Real                    in which the cell computes
//   kDepth                  values of a k tile, which is 32 bytes of the vector in every product
//   kSmall                  whether small products have accumulators of their own
//   multiply(sum, small, weights, values)

#ifndef FUSEDRNN_SRC_KERNELS_RESIDENT_PRODUCT_H_
#define FUSEDRNN_SRC_KERNELS_RESIDENT_PRODUCT_H_

#include "kernels/quick.h"
#include "kernels/resident_shape.h"
#include "machine/matrix.h"

namespace frnn {
namespace resident {

struct Fragment {
  uint32_t r[4];
};

// Factors of 16 bits, sums in fp32.
template <typename E>
struct HalfProduct {
  using Elem = E;
  using Real = Quick;
  static constexpr int kDepth = 16;
  static constexpr bool kSmall = false;

  static FRNN_DEVICE E stored(E value) { return value; }
  static FRNN_DEVICE void multiply(float (&d)[4], float (&)[4], const Fragment& a,
                                   const uint32_t (&b)[2]) {
    machine::mma_16x8x16<E>(d, a.r, b);
  }
};

// fp32 rounded to TF32 where it is stored for the product: once for a weight, once a step for h.
struct Tf32Product {
  using Elem = float;
  using Real = float;
  static constexpr int kDepth = 8;
  static constexpr bool kSmall = false;

  static FRNN_DEVICE float stored(float value) { return machine::round_to_tf32(value); }
  static FRNN_DEVICE void multiply(float (&d)[4], float (&)[4], const Fragment& a,
                                   const uint32_t (&b)[2]) {
    machine::mma_16x8x8_tf32(d, a.r, b);
  }
};

// fp32 by three TF32 products: x = big + small, big = x rounded to 11 bits, small the rest, exact
// in fp32; x y is taken as small big + big small + big big. Of small the tensor core reads 11 bits
// too: as |small| <= 2^-11 |x| has 13 bits at the most, it loses no more than 2 in the last place
// of x. A product is off by 2^-22 |x y| at the worst (small small, left out), by 2^-24 in the mean.
// The small products have an accumulator of their own, so that none is lost beside a big sum.
struct F32Product {
  using Elem = float;
  using Real = float;
  static constexpr int kDepth = 8;
  static constexpr bool kSmall = true;

  static FRNN_DEVICE float stored(float value) { return value; }
  static FRNN_DEVICE void split(uint32_t bits, uint32_t* big, uint32_t* small) {
    const float value = machine::float_of(bits);
    const float rounded = machine::round_to_tf32(value);
    *big = machine::bits_of(rounded);
    *small = machine::bits_of(value - rounded);
  }
  static FRNN_DEVICE void multiply(float (&d)[4], float (&small)[4], const Fragment& a,
                                   const uint32_t (&b)[2]) {
    uint32_t a_big[4], a_small[4], b_big[2], b_small[2];
    FRNN_UNROLL
    for (int i = 0; i < 4; ++i)
      split(machine::opaque(a.r[i]), &a_big[i], &a_small[i]);  // or all would be kept split
    FRNN_UNROLL
    for (int i = 0; i < 2; ++i)
      split(b[i], &b_big[i], &b_small[i]);
    machine::mma_16x8x8_tf32(small, a_small, b_big);
    machine::mma_16x8x8_tf32(small, a_big, b_small);
    machine::mma_16x8x8_tf32(d, a_big, b_big);
  }
};

// The lane's part of a 16-row k tile: low(k) and high(k) are the elements of its two rows, lane / 4
// and lane / 4 + 8, from the tile's first k on.
// With Pairs, row.pair(k) is elements k and k + 1 of 16 bits in one word.
template <typename Product, bool Pairs, typename Row>
FRNN_DEVICE Fragment load_rows(const Row& low, const Row& high, int first_k) {
  const int t = machine::lane_index() % 4;
  Fragment f;
  FRNN_UNROLL
  for (int i = 0; i < 4; ++i) {
    const Row& row = i % 2 == 0 ? low : high;
    const int k = first_k + 2 * t + 8 * (i / 2);
    if constexpr (Pairs) {
      f.r[i] = row.pair(k);
    } else if constexpr (Product::kDepth == 16) {
      f.r[i] = machine::pack_pair(row(k), row(k + 1));
    } else {
      f.r[i] = machine::bits_of(Product::stored(row(first_k + t + 4 * (i / 2))));
    }
  }
  return f;
}

// The same where element (row, k) is at(row, k).
template <typename Product, typename At>
FRNN_DEVICE Fragment load_fragment(const At& at) {
  const int g = machine::lane_index() / 4;
  const auto row = [&](int r) { return [&at, r](int k) { return at(r, k); }; };
  return load_rows<Product, false>(row(g), row(g + 8), 0);
}

// All weights of a warp: RowTiles tiles of 16 rows, `depth` k tiles deep, of which Held are in
// registers and the rest in shared memory at `spilled`, one 16-byte load a lane.
template <typename Product, int RowTiles, int Held>
struct Weights {
  Fragment held[RowTiles][Held];
  const float* spilled;  // this lane's first 16 bytes
  int depth;

  // row(tile, r)(k) is the weight, or zero where there is none; `pairs`: of 16 bits, and
  // row(tile, r).pair(k) may be used for even k.
  template <typename Row>
  FRNN_DEVICE void load(float* shared, int k_tiles, bool pairs, const Row& row) {
    if constexpr (Product::kDepth == 16) {
      if (pairs) {
        load<true>(shared, k_tiles, row);
        return;
      }
    }
    load<false>(shared, k_tiles, row);
  }

  template <bool Pairs, typename Row>
  FRNN_DEVICE void load(float* shared, int k_tiles, const Row& row) {
    // Fragments on their way: elements of 16 bits take a register each until they are packed.
    constexpr int kAtOnce = Pairs ? 8 : Product::kDepth == 16 ? 2 : 4;
    depth = k_tiles;
    spilled = shared + 4 * machine::lane_index();
    FRNN_UNROLL
    for (int m = 0; m < RowTiles; ++m) {
      // Here, not for all tiles in advance: addresses are two registers each.
      const int g = static_cast<int>(machine::opaque(machine::lane_index() / 4));
      const auto low = row(m, g), high = row(m, g + 8);
      FRNN_UNROLL
      for (int k = 0; k < Held; ++k) {
        Fragment& f = held[m][k] = load_rows<Product, Pairs>(low, high, Product::kDepth * k);
        // Or the compiler would have more loads on their way than there are registers left.
        FRNN_UNROLL
        for (int i = 0; i < 4; ++i)
          f.r[i] = machine::opaque(f.r[i]);
        if (k % kAtOnce == kAtOnce - 1) machine::hold_loads();
      }
      float* to = shared + 4 * machine::lane_index() + m * (kFragmentBytes / 4);
      constexpr int kGroup = kAtOnce < 4 ? 2 : 4;
      FRNN_NO_UNROLL
      for (int k = Held; k < depth; k += kGroup) {  // beyond the depth are zeros
        Fragment f[kGroup];
        FRNN_UNROLL
        for (int i = 0; i < kGroup; ++i)
          f[i] = load_rows<Product, Pairs>(low, high, Product::kDepth * (k + i));
        FRNN_UNROLL
        for (int i = 0; i < kGroup; ++i) {
          if (k + i < depth) store_fragment(to, f[i]);
          to += RowTiles * (kFragmentBytes / 4);
        }
      }
    }
  }

  static FRNN_DEVICE void store_fragment(float* to, const Fragment& f) {
    using machine::float_of;
    machine::store4(to, {float_of(f.r[0]), float_of(f.r[1]), float_of(f.r[2]), float_of(f.r[3])});
  }
  FRNN_DEVICE Fragment spilled_at(int index) const {
    using machine::bits_of;
    const machine::Float4 v = machine::load4(spilled + index * (kFragmentBytes / 4));
    return {{bits_of(v.x), bits_of(v.y), bits_of(v.z), bits_of(v.w)}};
  }
};

// The sums of a row tile. Where a warp has few row tiles, two accumulators take turns: a product
// need not wait for the one before it.
template <typename Product, int RowTiles>
struct Sums {
  static constexpr int kChains = RowTiles <= 2 || Product::kSmall ? 2 : 1;
  float d[kChains][4];

  FRNN_DEVICE void clear() {
    FRNN_UNROLL
    for (int i = 0; i < 4 * kChains; ++i)
      d[i / 4][i % 4] = 0.0f;
  }
  template <int Turn>
  FRNN_DEVICE void add(const Fragment& a, const uint32_t (&b)[2]) {
    constexpr int kChain = Product::kSmall ? 0 : Turn % kChains;
    Product::multiply(d[kChain], d[kChains - 1], a, b);
  }
  // Element i of the accumulator: column 2 (lane % 4) + i % 2 of row lane / 4 + 8 (i / 2).
  FRNN_DEVICE float at(int i) const { return kChains == 1 ? d[0][i] : d[0][i] + d[1 % kChains][i]; }
};

// The lane's address for load_matrices<4> of the first k tile pair.
FRNN_DEVICE const char* vector_row(const char* vector, int pitch) {
  return vector + machine::lane_index() % 8 * pitch + machine::lane_index() / 8 * 16;
}

// sums[m] += tile m of a pair of k tiles for m in [First, Last): b is the pair of the vector, at(m,
// k) the weights.
template <int First, int Last, typename Product, int RowTiles, typename At>
FRNN_DEVICE void multiply_pair(const uint32_t (&b)[4], Sums<Product, RowTiles> (&sums)[RowTiles],
                               const At& at) {
  const uint32_t low[2] = {b[0], b[1]}, high[2] = {b[2], b[3]};
  FRNN_UNROLL
  for (int m = First; m < Last; ++m)
    sums[m].template add<0>(at(m, 0), low);
  FRNN_UNROLL
  for (int m = First; m < Last; ++m)
    sums[m].template add<1>(at(m, 1), high);
}

// sums[m] += tile m of the weights times the vector, for the tiles [First, Last); `row` is the
// lane's address of the split's first pair.
template <int First, int Last, typename Product, int RowTiles, int Held>
FRNN_DEVICE void multiply(const Weights<Product, RowTiles, Held>& w, const char* row,
                          Sums<Product, RowTiles> (&sums)[RowTiles]) {
  const auto held_pair = [&](const uint32_t(&b)[4], int k) {
    multiply_pair<First, Last>(b, sums, [&](int m, int half) { return w.held[m][k + half]; });
  };
  const auto spilled_pair = [&](int k) {
    uint32_t b[4];
    machine::load_matrices<4>(b, row + 32 * k);
    multiply_pair<First, Last>(
        b, sums, [&](int m, int half) { return w.spilled_at((k - Held + half) * RowTiles + m); });
  };
  // Three products and the splitting hide a load; one product does not: then no branch may stand
  // between the loads of the vector, and the next is under way before it is needed.
  if (!Product::kSmall && w.depth >= Held) {
    uint32_t b[2][4];
    machine::load_matrices<4>(b[0], row);
    FRNN_UNROLL
    for (int k = 0; k < Held; k += 2) {
      if (k + 2 < Held) machine::load_matrices<4>(b[(k / 2 + 1) % 2], row + 32 * (k + 2));
      held_pair(b[k / 2 % 2], k);
    }
  } else {
    FRNN_UNROLL
    for (int k = 0; k < Held; k += 2) {
      if (k >= w.depth) break;  // the same for all lanes
      uint32_t b[4];
      machine::load_matrices<4>(b, row + 32 * k);
      held_pair(b, k);
    }
  }
  if constexpr (Product::kSmall) {
    FRNN_NO_UNROLL
    for (int k = Held; k < w.depth; k += 2)
      spilled_pair(k);
  } else {
    for (int k = Held; k < w.depth; k += 2)
      spilled_pair(k);
  }
}

}  // namespace resident
}  // namespace frnn

#endif  // FUSEDRNN_SRC_KERNELS_RESIDENT_PRODUCT_H_
