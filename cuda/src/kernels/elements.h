// Width neighbouring elements of any type, 1 or 4, moved in one access and computed with as a Pack.

#ifndef FUSEDRNN_SRC_KERNELS_ELEMENTS_H_
#define FUSEDRNN_SRC_KERNELS_ELEMENTS_H_

#include "kernels/pack.h"
#include "machine/numbers.h"

namespace frnn {

// The elements as they lie in memory. Width 4 needs an address aligned to all of them, which
// packs_of_four() grants.
template <typename Elem, int Width>
struct alignas(sizeof(Elem) * Width) Run {
  Elem v[Width];
};

template <int Width, typename Elem>
FRNN_DEVICE Run<Elem, Width> load_run(const Elem* address) {
  return *reinterpret_cast<const Run<Elem, Width>*>(address);
}
template <int Width, typename Elem>
FRNN_DEVICE void store_run(Elem* address, const Run<Elem, Width>& run) {
  *reinterpret_cast<Run<Elem, Width>*>(address) = run;
}

}  // namespace frnn

#endif  // FUSEDRNN_SRC_KERNELS_ELEMENTS_H_
