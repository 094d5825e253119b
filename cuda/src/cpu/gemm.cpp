// The matrix product: panels of A and B are packed, a micro-kernel keeps a tile of C in registers.
//
//   for each slab of kBlockK rows and kSharedFloats / kBlockK columns of B (packed by all, L2/L3)
//     for each block of kBlockM rows of A (packed by each member for itself, L2)
//       for each panel of kPanel columns (L1), for each tile of up to kTileRows rows: micro-kernel
//
// Goto and van de Geijn 2008, Van Zee and van de Geijn 2015. Members of a team share out rows and
// columns of C, never the sum over K, so that the bits do not depend on their number.

#include "cpu/gemm.h"

#include "cpu/kernels.h"
#include "cpu/pack.h"
#include "cpu/simd.h"
#include "cpu/split.h"

namespace frnn::cpu::FRNN_CPU_ISA {
namespace {

// Registers: kTileRows * 2 sums, 2 vectors of B and one or two of A.
constexpr int kPanelVectors = 2;
constexpr int kTileRows = kRegisters == 32 ? 14 : 6;
constexpr int kPanel = kPanelVectors * kWidth;
constexpr int64_t kBlockK = 256;             // a panel of B takes 32 KiB of L1
constexpr int64_t kBlockM = 24 * kTileRows;  // a block of A takes 344 KiB of L2
// A matrix that is packed along its rows is read this many rows at a time, for all panels, so that
// its cache lines and pages are used up while they are there.
constexpr int64_t kPackRows = 16;
constexpr int64_t kSlab = kSharedFloats / kBlockK / kPanel * kPanel;
static_assert(kBlockK * kBlockM <= kOwnFloats, "a packed block of A must fit its memory");

struct Tile {
  int64_t k;
  const float* a;  // packed [k][rows]
  const float* b;  // packed [k][kPanel]
  float* c;
  int64_t c_row;
  int64_t columns;  // 1 to kPanel
  float alpha;
  bool accumulate;
  const float* bias;
};

template <int kRows>
void tile(const Tile& t) {
  Floats sum[kRows][kPanelVectors];
#pragma GCC unroll 16
  for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 4
    for (int v = 0; v < kPanelVectors; ++v)
      sum[i][v] = Floats{};
  }
  const float* a = t.a;
  const float* b = t.b;
  // C is needed at the end, and comes from L3 or memory.
#pragma GCC unroll 16
  for (int i = 0; i < kRows; ++i) {
    __builtin_prefetch(t.c + i * t.c_row, 1);
    __builtin_prefetch(t.c + i * t.c_row + kWidth, 1);
  }
  for (int64_t p = 0; p < t.k; ++p, a += kRows, b += kPanel) {
    Floats bv[kPanelVectors];
#pragma GCC unroll 4
    for (int v = 0; v < kPanelVectors; ++v)
      bv[v] = load(b + v * kWidth).v;
#pragma GCC unroll 16
    for (int i = 0; i < kRows; ++i) {
      const Floats ai = Vec(a[i]).v;
#pragma GCC unroll 4
      for (int v = 0; v < kPanelVectors; ++v)
        sum[i][v] = fma(Vec(ai), Vec(bv[v]), Vec(sum[i][v])).v;
    }
  }
  const Vec alpha(t.alpha);
#pragma GCC unroll 16
  for (int i = 0; i < kRows; ++i) {
    float* c = t.c + i * t.c_row;
#pragma GCC unroll 4
    for (int v = 0; v < kPanelVectors; ++v) {
      const int64_t lanes = t.columns - v * kWidth;
      if (lanes <= 0) break;
      Vec start(0.0f);
      if (t.accumulate) {
        start = load_first(c + v * kWidth, lanes);
      } else if (t.bias != nullptr) {
        start = load_first(t.bias + v * kWidth, lanes);
      }
      store_first(c + v * kWidth, fma(alpha, Vec(sum[i][v]), start), lanes);
    }
  }
}

using TileFunction = void (*)(const Tile&);
constexpr TileFunction kTiles[] = {
    nullptr, tile<1>, tile<2>, tile<3>,  tile<4>,  tile<5>,  tile<6>,
#if FRNN_CPU_WIDTH == 16 || defined(__aarch64__)
    tile<7>, tile<8>, tile<9>, tile<10>, tile<11>, tile<12>, tile<13>, tile<14>,
#endif
};
static_assert(sizeof kTiles / sizeof kTiles[0] == kTileRows + 1, "one function for each height");

// What one member computes of a slab: rows and panels of C.
struct Share {
  Range rows, panels;
};

// Divides a slab of M rows and `panels` panels among a team, in the shape that leaves the least to
// the busiest member; rows first, for each member packs the rows of A that it needs.
Share share_of(const Worker& worker, int64_t M, int64_t panels) {
  const int64_t tiles = (M + kTileRows - 1) / kTileRows;
  int best = 1;
  int64_t best_cost = INT64_MAX;
  for (int across = 1; across <= worker.count; ++across) {
    if (worker.count % across != 0) continue;
    const int down = worker.count / across;
    const int64_t cost = ((tiles + down - 1) / down) * ((panels + across - 1) / across);
    if (cost < best_cost) {
      best_cost = cost;
      best = across;
    }
  }
  const int down = worker.count / best;
  Share share;
  const Range of_tiles = split(tiles, down, worker.index / best);
  share.rows = {of_tiles.first * kTileRows, of_tiles.last * kTileRows};
  if (share.rows.last > M) share.rows.last = M;
  if (share.rows.first > M) share.rows.first = M;
  share.panels = split(panels, best, worker.index % best);
  return share;
}

struct Slab {
  int64_t column;  // first column
  int64_t columns;
  int64_t p;  // first row of B
  int64_t k;
};

// One block of rows against the panels of this member.
void multiply_block(const Gemm& g, const Slab& slab, Range rows, Range panels,
                    const float* packed_b, float* packed_a) {
  const int64_t count = rows.last - rows.first;
  const int64_t tiles = (count + kTileRows - 1) / kTileRows;
  const int64_t turn = g.a_row == 1 ? kPackRows : slab.k;
  for (int64_t p = 0; p < slab.k; p += turn) {
    const int64_t k = slab.k - p < turn ? slab.k - p : turn;
    for (int64_t i = 0; i < tiles; ++i) {
      const Range r = split(count, tiles, i);
      const float* a = g.a + (rows.first + r.first) * g.a_row + (slab.p + p) * g.a_column;
      pack_panel(packed_a + r.first * slab.k + p * r.size(), r.size(), r.size(), k, a, g.a_row,
                 g.a_column);
    }
  }
  Tile t;
  t.k = slab.k;
  t.c_row = g.c_row;
  t.alpha = g.alpha;
  t.accumulate = g.accumulate || slab.p > 0;
  for (int64_t j = panels.first; j < panels.last; ++j) {
    const int64_t column = slab.column + j * kPanel;
    t.b = packed_b + j * kPanel * slab.k;
    t.columns = slab.columns - j * kPanel < kPanel ? slab.columns - j * kPanel : kPanel;
    t.bias = g.bias == nullptr ? nullptr : g.bias + column;
    for (int64_t i = 0; i < tiles; ++i) {
      const Range r = split(count, tiles, i);
      t.a = packed_a + r.first * slab.k;
      t.c = g.c + (rows.first + r.first) * g.c_row + column;
      kTiles[r.size()](t);
    }
  }
}

void multiply_slab(const Worker& worker, const Gemm& g, const Slab& slab) {
  const int64_t panels = (slab.columns + kPanel - 1) / kPanel;
  const Range mine = split(panels, worker.count, worker.index);
  const int64_t turn = g.b_column == 1 ? kPackRows : slab.k;
  for (int64_t p = 0; p < slab.k; p += turn) {
    const int64_t k = slab.k - p < turn ? slab.k - p : turn;
    for (int64_t j = mine.first; j < mine.last; ++j) {
      const int64_t lanes = slab.columns - j * kPanel < kPanel ? slab.columns - j * kPanel : kPanel;
      const float* b = g.b + (slab.column + j * kPanel) * g.b_column + (slab.p + p) * g.b_row;
      pack_panel(worker.shared + j * kPanel * slab.k + p * kPanel, kPanel, lanes, k, b, g.b_column,
                 g.b_row);
    }
  }
  worker.sync();
  const Share share = share_of(worker, g.M, panels);
  if (share.panels.size() > 0) {
    for (int64_t m = share.rows.first; m < share.rows.last; m += kBlockM) {
      const int64_t end = m + kBlockM < share.rows.last ? m + kBlockM : share.rows.last;
      multiply_block(g, slab, {m, end}, share.panels, worker.shared, worker.own);
    }
  }
  worker.sync();
}

}  // namespace

// Called by every member of a team. When it returns, all of C is there.
void gemm(const Worker& worker, const Gemm& g) {
  for (int64_t column = 0; column < g.N; column += kSlab) {
    const int64_t columns = g.N - column < kSlab ? g.N - column : kSlab;
    int64_t p = 0;
    do {  // once even where K = 0: C is written
      const int64_t k = g.K - p < kBlockK ? g.K - p : kBlockK;
      multiply_slab(worker, g, {column, columns, p, k});
      p += kBlockK;
    } while (p < g.K);
  }
}

}  // namespace frnn::cpu::FRNN_CPU_ISA
