// Times the CPU backend alone, without Java: the matrix product, and recurrent layers of the shapes
// by which it is compared with its peers. Prints the least and the median time, GFLOP/s, and the
// share of what the matrix product of n = 1024 reaches in the same run.
//
//   cpu_bench [isa [rounds]]
//
// `packed` and `bf16` are inference with weights that were packed once, as they are and rounded.
//
// Operations counted: 2 T B G H (I + H) for inference, three times as many for training (forward,
// gradients of the inputs, gradients of the weights); gates and biases are left out.

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "cpu/isa.h"
#include "cpu/pool.h"
#include "host/plan.h"
#include "host/provider.h"

namespace {

using Clock = std::chrono::steady_clock;

struct Times {
  double least_ms, median_ms;
};

template <typename F>
Times time_of(int rounds, const F& work) {
  std::vector<double> ms;
  const Clock::time_point start = Clock::now();
  for (int i = 0; i < rounds; ++i) {
    const Clock::time_point begin = Clock::now();
    work();
    ms.push_back(std::chrono::duration<double, std::milli>(Clock::now() - begin).count());
    if (i >= 10 && Clock::now() - start > std::chrono::milliseconds(1500)) break;
  }
  std::sort(ms.begin(), ms.end());
  return {ms.front(), ms[ms.size() / 2]};
}

std::vector<float> random_floats(int64_t count, float size) {
  static uint32_t state = 1;
  std::vector<float> values(static_cast<size_t>(count));
  for (float& v : values) {
    state = state * 1664525u + 1013904223u;
    v = size * (static_cast<float>(state >> 8) / 8388608.0f - 1.0f);
  }
  return values;
}

int64_t at(std::vector<float>& v) {
  return reinterpret_cast<int64_t>(v.data());
}

// GFLOP/s of C = A B with n = 1024.
double product_rate(int threads, int rounds) {
  using namespace frnn::cpu;
  constexpr int64_t n = 1024;
  std::vector<float> a = random_floats(n * n, 1), b = random_floats(n * n, 1), c(n * n);
  Gemm g{};
  g.M = g.N = g.K = n;
  g.a = a.data(), g.b = b.data(), g.c = c.data();
  g.a_row = g.b_row = g.c_row = n;
  g.a_column = g.b_column = 1;
  g.alpha = 1;
  const Kernels& kernels = selected_kernels();
  const std::shared_ptr<Pool> pool = Pool::shared();
  const Times t = time_of(
      rounds, [&] { pool->run(threads, [&](const Worker& worker) { kernels.gemm(worker, g); }); });
  const double rate = 2e-6 * n * n * n / t.least_ms;
  std::printf("%-6s gemm n=1024      %d threads  %8.3f ms  median %8.3f  %6.1f GFLOP/s\n",
              kernels.name, threads, t.least_ms, t.median_ms, rate);
  return rate;
}

struct Shape {
  int64_t T, B, I, H;
};

void must(const frnn::Status& status) {
  if (status.ok()) return;
  std::fprintf(stderr, "%s\n", status.text.c_str());
  std::exit(1);
}

void layer(frnn::Device& device, int64_t cell, const char* name, const Shape& s, int threads,
           int rounds, double limit) {
  const int64_t G = frnn::gates_of(cell), BH = s.B * s.H;
  const float scale = 0.08f;
  std::vector<float> w_ih = random_floats(G * s.H * s.I, scale);
  std::vector<float> w_hh = random_floats(G * s.H * s.H, scale);
  std::vector<float> bias = random_floats(G * s.H, scale), x = random_floats(s.T * s.B * s.I, 1);
  std::vector<float> h0(BH), c0(BH), y(s.T * BH), hT(BH), cT(BH), dh0(BH), dc0(BH);
  std::vector<float> dy = random_floats(s.T * BH, 1), dx(x.size());
  std::vector<float> dw_ih(w_ih.size()), dw_hh(w_hh.size()), db_ih(bias.size()), db_hh(bias.size());
  frnn_rnn r{};
  r.struct_bytes = sizeof r;
  r.cell = cell, r.dtype = FRNN_F32;
  r.T = s.T, r.B = s.B, r.I = s.I, r.H = s.H;
  r.w_ih = at(w_ih), r.w_hh = at(w_hh), r.b_ih = at(bias), r.b_hh = at(bias);
  r.x = at(x), r.h0 = at(h0), r.y = at(y), r.hT = at(hT);
  r.dy = at(dy), r.dx = at(dx), r.dh0 = at(dh0);
  r.dw_ih = at(dw_ih), r.dw_hh = at(dw_hh), r.db_ih = at(db_ih), r.db_hh = at(db_hh);
  if (cell == FRNN_LSTM) r.c0 = at(c0), r.cT = at(cT), r.dc0 = at(dc0);
  r.flags = FRNN_TRAINING;
  const frnn_rnn_sizes sizes = frnn::cpu_rnn_sizes(r);
  r.flags = 0;
  const frnn_rnn_sizes bare = frnn::cpu_rnn_sizes(r);
  const int64_t workspace_bytes =
      std::max({sizes.forward_workspace_bytes, sizes.backward_workspace_bytes,
                bare.forward_workspace_bytes});
  must(device.alloc(workspace_bytes, &r.workspace));
  must(device.alloc(std::max<int64_t>(sizes.reserve_bytes, 1), &r.reserve));
  r.workspace_bytes = workspace_bytes, r.reserve_bytes = sizes.reserve_bytes;
  const double gflop = 2e-9 * static_cast<double>(s.T * s.B * G * s.H * (s.I + s.H));
  const auto report = [&](const char* what, const Times& t, double work) {
    const double rate = work / t.least_ms * 1e3;
    std::printf(
        "%-5s %-6s %3ldx%2ldx%3ldx%3ld %d threads  %8.3f ms  median %8.3f  %6.1f GFLOP/s  %3.0f%%",
        name, what, static_cast<long>(s.T), static_cast<long>(s.B), static_cast<long>(s.I),
        static_cast<long>(s.H), threads, t.least_ms, t.median_ms, rate, 100 * rate / limit);
  };
  r.flags = 0;
  const auto infer = [&](const char* what) {
    report(what, time_of(rounds, [&] { must(device.rnn_forward(r)); }), gflop);
    std::printf("\n");
  };
  infer("infer");
  for (const auto& [dtype, what] :
       {std::pair<int64_t, const char*>{FRNN_F32, "packed"}, {FRNN_BF16, "bf16"}}) {
    r.packed_dtype = dtype, r.packed_bytes = frnn::cpu_rnn_packed_bytes(r);
    must(device.alloc(r.packed_bytes, &r.packed));
    must(device.rnn_pack(r));
    infer(what);
    must(device.free(r.packed));
    r.packed = 0;
  }
  r.flags = FRNN_TRAINING;
  double forward_ms = 1e30;
  const Times t = time_of(rounds, [&] {
    const Clock::time_point begin = Clock::now();
    must(device.rnn_forward(r));
    forward_ms = std::min(forward_ms,
                          std::chrono::duration<double, std::milli>(Clock::now() - begin).count());
    must(device.rnn_backward(r));
  });
  report("train", t, 3 * gflop);
  std::printf("  (forward %.3f)\n", forward_ms);
  must(device.free(r.workspace));
  must(device.free(r.reserve));
}

}  // namespace

int main(int argc, char** argv) {
  const std::string isa = argc > 1 ? argv[1] : "";
  const int rounds = argc > 2 ? std::atoi(argv[2]) : 200;
  const frnn::Status status = frnn::cpu_provider().set_option("cpu.isa", isa);
  std::unique_ptr<frnn::Device> device;
  if (!status.ok() || !frnn::cpu_provider().open(0, &device).ok()) {
    std::fprintf(stderr, "%s\n", status.text.c_str());
    return 2;
  }
  std::printf("%s\n", device->describe().c_str());
  const Shape shapes[] = {{25, 1, 96, 100},    {50, 1, 128, 128},   {50, 32, 128, 128},
                          {35, 20, 200, 200},  {100, 32, 128, 128}, {35, 20, 650, 650},
                          {100, 32, 256, 256}, {50, 64, 512, 512}};
  for (int threads = 1; threads <= std::min(2, frnn::cpu::usable_processors()); ++threads) {
    if (!device->set("threads", threads).ok()) return 1;
    const double limit = product_rate(threads, rounds);
    for (const auto& [cell, name] : {std::pair<int64_t, const char*>{FRNN_LSTM, "lstm"},
                                     {FRNN_GRU, "gru"},
                                     {FRNN_GRU_RESET_BEFORE, "gru_b"},
                                     {FRNN_RNN_TANH, "rnn"}}) {
      for (const Shape& s : shapes)
        layer(*device, cell, name, s, threads, rounds, limit);
    }
  }
  return 0;
}
