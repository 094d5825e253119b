// Checks of what stands around a recurrent net.

#include <cmath>

#include "cells/sampling.h"
#include "host/checks.h"
#include "host/plan.h"
#include "host/validate.h"

namespace frnn {
namespace {

Status check_element(const char* field, int64_t dtype, const std::string& backend) {
  FRNN_TRY(check_backend(backend));
  FRNN_TRY(check_dtype(field, dtype, true));
  if (backend != "cpu" || !is_16_bit(dtype)) return Status::success();
  return Status::fail(
      FRNN_UNSUPPORTED,
      format("%s: the cpu backend does not compute in bf16 and f16: convert to f32, "
             "or use the cuda backend",
             field));
}

// Of any loss: where its result goes, and the scale of its gradient.
Status check_loss(const char* what, int64_t result, int64_t loss_scale, double scale) {
  const std::string name = what;
  const std::string result_field = name + ".result", scale_field = name + ".loss_scale";
  if (std::isnan(scale)) return invalid(name + ".scale: expected a number, got nan");
  return check_addresses(
      {{result_field.c_str(), result, true, 8}, {scale_field.c_str(), loss_scale, false, 8}});
}

}  // namespace

int64_t linear_workspace_bytes(const frnn_linear& linear, const std::string& backend) {
  if (linear.N == 0) return 0;
  return backend == "cpu" ? cpu_linear_workspace_bytes(linear) : gpu_linear_workspace_bytes(linear);
}

// The cpu backend adds rows as they come, each thread in its own columns.
int64_t embedding_workspace_bytes(const frnn_embedding& embedding, const std::string& backend) {
  if (embedding.N == 0 || backend == "cpu") return 0;
  return gpu_embedding_workspace_bytes(embedding);
}

Status validate(const frnn_linear& linear, Pass pass, const std::string& backend) {
  FRNN_TRY(check_element("linear.dtype", linear.dtype, backend));
  FRNN_TRY(check_flags("linear.flags", linear.flags, FRNN_ACCUMULATE | FRNN_ALLOW_TF32));
  FRNN_TRY(at_least("linear.N", linear.N, 0));
  FRNN_TRY(at_least("linear.I", linear.I, 1));
  FRNN_TRY(at_least("linear.O", linear.O, 1));
  FRNN_TRY(check_product("linear: N * I", {linear.N, linear.I}));
  FRNN_TRY(check_product("linear: N * O", {linear.N, linear.O}));
  FRNN_TRY(check_product("linear: O * I", {linear.O, linear.I}));
  if (pass == Pass::kSizes) return Status::success();
  const bool work = linear.N > 0;
  const bool forward = pass == Pass::kForward;
  const bool reads_x = forward || linear.dw != 0;
  const bool reads_w = forward || linear.dx != 0;
  const int64_t e = bytes_of(linear.dtype);
  FRNN_TRY(check_addresses({{"linear.x", linear.x, work && reads_x, e},
                            {"linear.w", linear.w, work && reads_w, e},
                            {"linear.b", linear.b, false, e},
                            {"linear.y", linear.y, work && forward, e},
                            {"linear.dy", linear.dy, work && !forward, e},
                            {"linear.dx", linear.dx, false, e},
                            {"linear.dw", linear.dw, false, e},
                            {"linear.db", linear.db, false, e}}));
  return check_room("linear.workspace", linear.workspace, linear.workspace_bytes,
                    linear_workspace_bytes(linear, backend));
}

Status validate(const frnn_embedding& embedding, Pass pass, const std::string& backend) {
  FRNN_TRY(check_element("embedding.dtype", embedding.dtype, backend));
  FRNN_TRY(check_flags("embedding.flags", embedding.flags, FRNN_ACCUMULATE));
  FRNN_TRY(at_least("embedding.N", embedding.N, 0));
  FRNN_TRY(at_least("embedding.V", embedding.V, 1));
  FRNN_TRY(at_least("embedding.E", embedding.E, 1));
  FRNN_TRY(check_product("embedding: N * E", {embedding.N, embedding.E}));
  FRNN_TRY(check_product("embedding: V * E", {embedding.V, embedding.E}));
  if (pass == Pass::kSizes) return Status::success();
  const bool work = embedding.N > 0;
  const bool forward = pass == Pass::kForward;
  const int64_t e = bytes_of(embedding.dtype);
  FRNN_TRY(check_addresses({{"embedding.ids", embedding.ids, work, 4},
                            {"embedding.table", embedding.table, work && forward, e},
                            {"embedding.y", embedding.y, work && forward, e},
                            {"embedding.dy", embedding.dy, work && !forward, e},
                            {"embedding.dtable", embedding.dtable, !forward, e}}));
  return check_room("embedding.workspace", embedding.workspace, embedding.workspace_bytes,
                    forward ? 0 : embedding_workspace_bytes(embedding, backend));
}

Status validate(const frnn_softmax_xent& xent, const std::string& backend) {
  FRNN_TRY(check_element("softmax_xent.dtype", xent.dtype, backend));
  FRNN_TRY(check_flags("softmax_xent.flags", xent.flags, FRNN_MEAN));
  FRNN_TRY(at_least("softmax_xent.N", xent.N, 0));
  FRNN_TRY(at_least("softmax_xent.V", xent.V, 1));
  FRNN_TRY(check_product("softmax_xent: N * V", {xent.N, xent.V}));
  FRNN_TRY(check_probability("softmax_xent.label_smoothing", xent.label_smoothing));
  const bool work = xent.N > 0;
  const int64_t e = bytes_of(xent.dtype);
  FRNN_TRY(check_addresses({{"softmax_xent.logits", xent.logits, work, e},
                            {"softmax_xent.targets", xent.targets, work, 4},
                            {"softmax_xent.dlogits", xent.dlogits, false, e}}));
  FRNN_TRY(check_loss("softmax_xent", xent.result, xent.loss_scale, xent.scale));
  return check_room("softmax_xent.workspace", xent.workspace, xent.workspace_bytes, 8 * xent.N);
}

Status validate(const frnn_mse& mse, const std::string& backend) {
  FRNN_TRY(check_element("mse.dtype", mse.dtype, backend));
  FRNN_TRY(check_flags("mse.flags", mse.flags, FRNN_MEAN));
  FRNN_TRY(at_least("mse.N", mse.N, 0));
  FRNN_TRY(at_least("mse.F", mse.F, 1));
  FRNN_TRY(check_product("mse: N * F", {mse.N, mse.F}));
  const bool work = mse.N > 0;
  const int64_t e = bytes_of(mse.dtype);
  FRNN_TRY(check_addresses({{"mse.y", mse.y, work, e},
                            {"mse.targets", mse.targets, work, e},
                            {"mse.weights", mse.weights, false, 4},
                            {"mse.dy", mse.dy, false, e}}));
  FRNN_TRY(check_loss("mse", mse.result, mse.loss_scale, mse.scale));
  return check_room("mse.workspace", mse.workspace, mse.workspace_bytes,
                    8 * ((mse.N * mse.F + 1023) / 1024));
}

Status validate(const frnn_sample& sample, const std::string& backend) {
  FRNN_TRY(check_element("sample.dtype", sample.dtype, backend));
  FRNN_TRY(at_least("sample.N", sample.N, 0));
  FRNN_TRY(at_least("sample.V", sample.V, 1));
  if (sample.V >= kMostClasses) {
    return Status::fail(FRNN_UNSUPPORTED,
                        format("sample.V: expected fewer than %lld classes, got %lld",
                               static_cast<Wide>(kMostClasses), static_cast<Wide>(sample.V)));
  }
  FRNN_TRY(check_product("sample: N * V", {sample.N, sample.V}));
  if (!(sample.temperature >= 0) || std::isinf(sample.temperature)) {
    return invalid(format("sample.temperature: expected a finite number of at least 0, got %g",
                          sample.temperature));
  }
  FRNN_TRY(at_least("sample.top_k", sample.top_k, 0));
  if (!(sample.top_p > 0 && sample.top_p <= 1)) {
    return invalid(format("sample.top_p: expected a share in (0, 1], got %g", sample.top_p));
  }
  const bool work = sample.N > 0;
  return check_addresses({{"sample.logits", sample.logits, work, bytes_of(sample.dtype)},
                          {"sample.ids", sample.ids, work, 4},
                          {"sample.offset_address", sample.offset_address, false, 8}});
}

}  // namespace frnn
