// What the BLAS reaches: large products by element type, and the small one of a step of K0.

#include <cmath>

#include "machine/numbers.h"
#include "micro.h"

namespace frnn::micro {
namespace {

constexpr int64_t kWorkspace = int64_t{64} << 20;

struct Product {
  const char* name;
  int64_t m, n, k;
  bool tf32;
};

// c = a b of ones: each element is k.
template <typename Elem>
Status measure(Bench& bench, const Product& p) {
  const int64_t size = static_cast<int64_t>(sizeof(Elem));
  const int64_t workspace_bytes = bench.quick() ? 1 << 20 : kWorkspace;
  int64_t a = 0, b = 0, c = 0, workspace = 0;
  FRNN_TRY(bench.take(size * p.m * p.k, &a));
  FRNN_TRY(bench.take(size * p.k * p.n, &b));
  FRNN_TRY(bench.take(size * p.m * p.n, &c));
  FRNN_TRY(bench.take(workspace_bytes, &workspace));
  const std::vector<Elem> ones(static_cast<size_t>(std::max(p.m, p.n) * p.k),
                               machine::narrow<Elem>(1.0f));
  const auto upload = [&](int64_t to, int64_t count) {
    return bench.context().copy(to, reinterpret_cast<int64_t>(ones.data()), size * count,
                                FRNN_HOST_TO_DEVICE, 0);
  };
  FRNN_TRY(upload(a, p.m * p.k));
  FRNN_TRY(upload(b, p.k * p.n));
  FRNN_TRY(bench.context().synchronize());
  double us = 0;
  {
    BlasSession session(bench.blas(), bench.context());
    FRNN_TRY(session.begin({0, 0, workspace, workspace_bytes, p.tf32}));
    FRNN_TRY(bench.time(
        [&] {
          return session.multiply(p.m, p.n, p.k, {reinterpret_cast<const Elem*>(a), p.k},
                                  {reinterpret_cast<const Elem*>(b), p.k, true}, 0.0f,
                                  reinterpret_cast<Elem*>(c), p.n);
        },
        &us));
    FRNN_TRY(session.end());
  }
  Elem last{};
  FRNN_TRY(bench.read(c + size * (p.m * p.n - 1), &last, size));
  const float expected = machine::widen(machine::narrow<Elem>(static_cast<float>(p.k)));
  if (machine::widen(last) != expected) return wrong(p.name, expected, machine::widen(last));
  const double flop =
      2.0 * static_cast<double>(p.m) * static_cast<double>(p.n) * static_cast<double>(p.k);
  bench.add({p.name, {{"m", p.m}, {"n", p.n}, {"k", p.k}}, flop / us / 1e6, "TFLOP/s"});
  bench.add({std::string(p.name) + ", one", {{"m", p.m}, {"n", p.n}, {"k", p.k}}, us, "us"});
  return bench.release();
}

}  // namespace

Status products(Bench& bench) {
  FRNN_TRY(bench.open_blas());
  const int64_t large = bench.quick() ? 64 : 8192, H = bench.quick() ? 32 : 512, B = 16;
  const struct { int64_t m, n, k; } shapes[] = {{large, large, large}, {B, 4 * H, H}};
  for (const auto& s : shapes) {
    FRNN_TRY(measure<float>(bench, {"gemm f32", s.m, s.n, s.k, false}));
    FRNN_TRY(measure<float>(bench, {"gemm tf32", s.m, s.n, s.k, true}));
    FRNN_TRY(measure<machine::Bf16>(bench, {"gemm bf16", s.m, s.n, s.k, false}));
    FRNN_TRY(measure<machine::F16>(bench, {"gemm f16", s.m, s.n, s.k, false}));
  }
  return Status::success();
}

}  // namespace frnn::micro
