#include <algorithm>

#include "micro.h"

namespace frnn::micro {
namespace {

constexpr int kRepetitions = 11;

}  // namespace

Status Bench::open(bool quick, std::unique_ptr<Bench>* bench) {
  std::unique_ptr<Bench> opened(new Bench);
  opened->quick_ = quick;
  FRNN_TRY(machine::Context::open(0, &opened->context_));
  FRNN_TRY(opened->context_->activate());
  FRNN_TRY(opened->context_->event_create(&opened->start_));
  FRNN_TRY(opened->context_->event_create(&opened->end_));
  *bench = std::move(opened);
  return Status::success();
}

Bench::~Bench() {
  if (context_ == nullptr) return;
  (void)release();
  if (start_ != 0) (void)context_->event_destroy(start_);
  if (end_ != 0) (void)context_->event_destroy(end_);
}

Status Bench::take(int64_t bytes, int64_t* address) {
  FRNN_TRY(context_->alloc(bytes, address));
  memory_.push_back(*address);
  return context_->fill(*address, 0, bytes, 0);
}

Status Bench::release() {
  while (!memory_.empty()) {
    const int64_t address = memory_.back();
    memory_.pop_back();
    FRNN_TRY(context_->free(address));
  }
  return Status::success();
}

Status Bench::read(int64_t address, void* to, int64_t bytes) {
  FRNN_TRY(context_->copy(reinterpret_cast<int64_t>(to), address, bytes, FRNN_DEVICE_TO_HOST, 0));
  return context_->stream_synchronize(0);
}

Status Bench::time(const std::function<Status()>& work, double* us) {
  FRNN_TRY(work());  // warms up
  std::vector<double> times;
  for (int k = 0; k < (quick_ ? 1 : kRepetitions); ++k) {
    FRNN_TRY(context_->event_record(start_, 0));
    FRNN_TRY(work());
    FRNN_TRY(context_->event_record(end_, 0));
    FRNN_TRY(context_->event_synchronize(end_));
    double one = 0;
    FRNN_TRY(context_->event_elapsed_us(start_, end_, &one));
    times.push_back(one);
  }
  std::sort(times.begin(), times.end());
  *us = times[times.size() / 2];
  return Status::success();
}

Status Bench::time_step(int n, const std::function<Status(int)>& work, double* us) {
  double one = 0, two = 0;
  FRNN_TRY(time([&] { return work(n); }, &one));
  FRNN_TRY(time([&] { return work(2 * n); }, &two));
  if (!quick_ && two <= one) {
    return Status::fail(FRNN_INTERNAL, format("%d steps took %.3f us and %d took %.3f us: no time "
                                              "of a step follows from that",
                                              n, one, 2 * n, two));
  }
  *us = (two - one) / n;
  return Status::success();
}

void Bench::add(Row row) {
  std::printf("  %-28s", row.name.c_str());
  std::string settings;
  for (const auto& [name, value] : row.settings)
    settings += format(" %s=%lld", name.c_str(), static_cast<long long>(value));
  std::printf("%-44s %12.4g %s\n", settings.c_str(), row.value, row.unit.c_str());
  std::fflush(stdout);
  rows_.push_back(std::move(row));
}

}  // namespace frnn::micro
