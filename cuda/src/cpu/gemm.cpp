// The matrix product: panels of A and B are packed, a micro-kernel keeps a tile of C in registers.
//
//   for each slab of kBlockK rows and kSlab panels of columns of B (packed by all, L2/L3)
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
constexpr int64_t kSlab = kSharedFloats / kBlockK / kPanel;  // panels
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

// Panels of both products in one row: those of the second follow those of the first.
struct Panels {
  const Gemm& first;
  int64_t of_first, count;

  explicit Panels(const Gemm& g)
      : first(g), of_first(panels_of(g)), count(of_first + (g.with ? panels_of(*g.with) : 0)) {}

  struct Panel {
    const Gemm& g;
    int64_t column;
    int64_t columns;  // that exist, 1 to kPanel
  };
  Panel at(int64_t n) const {
    const Gemm& g = n < of_first ? first : *first.with;
    const int64_t column = (n < of_first ? n : n - of_first) * kPanel;
    return {g, column, g.N - column < kPanel ? g.N - column : kPanel};
  }

 private:
  static int64_t panels_of(const Gemm& g) { return (g.N + kPanel - 1) / kPanel; }
};

// Some panels of B, and some rows of it.
struct Slab {
  const Panels& panels;
  int64_t first, count;  // panels
  int64_t p;             // first row of B
  int64_t k;
};

void pack_a(const Gemm& g, const Slab& slab, Range rows, int64_t tiles, float* packed) {
  const int64_t count = rows.size(), turn = g.a_row == 1 ? kPackRows : slab.k;
  for (int64_t p = 0; p < slab.k; p += turn) {
    const int64_t k = slab.k - p < turn ? slab.k - p : turn;
    for (int64_t i = 0; i < tiles; ++i) {
      const Range r = split(count, tiles, i);
      const float* a = g.a + (rows.first + r.first) * g.a_row + (slab.p + p) * g.a_column;
      pack_panel(packed + r.first * slab.k + p * r.size(), r.size(), r.size(), k, a, g.a_row,
                 g.a_column);
    }
  }
}

// Panels [from, from + count) of a slab that lie in one product.
void pack_b(const Slab& slab, int64_t from, int64_t count, float* packed) {
  const Gemm& g = slab.panels.at(slab.first + from).g;
  const int64_t turn = g.b_column == 1 ? kPackRows : slab.k;
  for (int64_t p = 0; p < slab.k; p += turn) {
    const int64_t k = slab.k - p < turn ? slab.k - p : turn;
    for (int64_t j = from; j < from + count; ++j) {
      const Panels::Panel panel = slab.panels.at(slab.first + j);
      const float* b = g.b + panel.column * g.b_column + (slab.p + p) * g.b_row;
      pack_panel(packed + j * kPanel * slab.k + p * kPanel, kPanel, panel.columns, k, b, g.b_column,
                 g.b_row);
    }
  }
}

// One block of rows against the panels of this member.
void multiply_block(const Slab& slab, Range rows, Range panels, const Worker& worker) {
  const int64_t count = rows.size();
  const int64_t tiles = (count + kTileRows - 1) / kTileRows;
  pack_a(slab.panels.first, slab, rows, tiles, worker.own);
  Tile t;
  t.k = slab.k;
  for (int64_t j = panels.first; j < panels.last; ++j) {
    const Panels::Panel panel = slab.panels.at(slab.first + j);
    const Gemm& g = panel.g;
    t.b = worker.shared + j * kPanel * slab.k;
    t.c_row = g.c_row;
    t.columns = panel.columns;
    t.alpha = g.alpha;
    t.accumulate = g.accumulate || slab.p > 0;
    t.bias = g.bias == nullptr ? nullptr : g.bias + panel.column;
    for (int64_t i = 0; i < tiles; ++i) {
      const Range r = split(count, tiles, i);
      t.a = worker.own + r.first * slab.k;
      t.c = g.c + (rows.first + r.first) * g.c_row + panel.column;
      kTiles[r.size()](t);
    }
  }
}

void multiply_slab(const Worker& worker, const Slab& slab) {
  const Range mine = split(slab.count, worker.count, worker.index);
  int64_t border = slab.panels.of_first - slab.first;  // where the second product begins
  border = border < mine.first ? mine.first : border > mine.last ? mine.last : border;
  if (border > mine.first) pack_b(slab, mine.first, border - mine.first, worker.shared);
  if (mine.last > border) pack_b(slab, border, mine.last - border, worker.shared);
  worker.sync();
  const int64_t M = slab.panels.first.M;
  const Share share = share_of(worker, M, slab.count);
  if (share.panels.size() > 0) {
    for (int64_t m = share.rows.first; m < share.rows.last; m += kBlockM) {
      const int64_t end = m + kBlockM < share.rows.last ? m + kBlockM : share.rows.last;
      multiply_block(slab, {m, end}, share.panels, worker);
    }
  }
  worker.sync();
}

}  // namespace

// Called by every member of a team. When it returns, all of C is there.
void gemm(const Worker& worker, const Gemm& g) {
  const Panels panels(g);
  for (int64_t first = 0; first < panels.count; first += kSlab) {
    const int64_t count = panels.count - first < kSlab ? panels.count - first : kSlab;
    int64_t p = 0;
    do {  // once even where K = 0: C is written
      const int64_t k = g.K - p < kBlockK ? g.K - p : kBlockK;
      multiply_slab(worker, {panels, first, count, p, k});
      p += kBlockK;
    } while (p < g.K);
  }
}

}  // namespace frnn::cpu::FRNN_CPU_ISA
