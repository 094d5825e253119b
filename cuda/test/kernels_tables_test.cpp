// Clipping and optimisers over chunk tables, on the emulated machine against double. Tensors of odd
// lengths, empty ones, ones of several chunks, ones that are not aligned.

#include "list_suite.h"

int main() {
  frnn::testing::check_lists(frnn::testing::open_gpu, 3001);
  return frnn::testing::report();
}
