// A matrix packed for products of rows that are read in place.

#ifndef FUSEDRNN_SRC_CPU_PANELS_H_
#define FUSEDRNN_SRC_CPU_PANELS_H_

#include "cpu/layout.h"
#include "cpu/pack.h"
#include "cpu/split.h"
#include "cpu/worker.h"

namespace frnn::cpu::FRNN_CPU_ISA {

// Panels of up to kBackwardGroups groups of a matrix's columns.
struct Panels {
  int64_t columns;  // of the matrix
  int64_t k;        // rows of the matrix
  float* packed;

  FRNN_CPU_INLINE int64_t groups() const { return (columns + kWidth - 1) / kWidth; }
  FRNN_CPU_INLINE int64_t count() const {
    return (groups() + kBackwardGroups - 1) / kBackwardGroups;
  }
  FRNN_CPU_INLINE float* panel(int64_t tile) const {
    return packed + tile * kBackwardGroups * kWidth * k;
  }
  // Vectors in a panel: the last one may be narrower.
  FRNN_CPU_INLINE int64_t vectors(int64_t tile) const {
    const int64_t left = groups() - tile * kBackwardGroups;
    return left < kBackwardGroups ? left : kBackwardGroups;
  }
};

// Packs the matrix whose element (p, j) lies at source[p * k_stride + j * lane_stride].
static inline void pack_panels(const Worker& worker, const Panels& panels, const float* source,
                               int64_t lane_stride, int64_t k_stride) {
  const Range mine = split(panels.count(), worker.count, worker.index);
  for (int64_t tile = mine.first; tile < mine.last; ++tile) {
    const int64_t column = tile * kBackwardGroups * kWidth, width = panels.vectors(tile) * kWidth;
    const int64_t lanes = panels.columns - column < width ? panels.columns - column : width;
    pack_panel(panels.panel(tile), width, lanes, panels.k, source + column * lane_stride,
               lane_stride, k_stride);
  }
}

}  // namespace frnn::cpu::FRNN_CPU_ISA

#endif  // FUSEDRNN_SRC_CPU_PANELS_H_
