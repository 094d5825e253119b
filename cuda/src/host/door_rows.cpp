// The C door: what stands around a recurrent net.

#include "host/door.h"
#include "host/empty.h"

using frnn::Device;
using frnn::Pass;
using frnn::Status;

namespace {

// A question for a workspace's size, which needs no device.
template <typename Struct, typename Bytes>
int answer_bytes(const char* operation, const char* type, const char* backend, const Struct* given,
                 int64_t* workspace_bytes, Bytes bytes) {
  return frnn::guarded(operation, [&]() -> Status {
    FRNN_TRY(frnn::need("backend", backend));
    FRNN_TRY(frnn::need("workspace_bytes", workspace_bytes));
    Struct args;
    FRNN_TRY(frnn::load(type, given, &args));
    FRNN_TRY(frnn::validate(args, Pass::kSizes, backend));
    *workspace_bytes = bytes(args, backend);
    return Status::success();
  });
}

template <typename Struct, Pass pass>
Status check(const Struct& args, const Device&, const std::string& backend) {
  return frnn::validate(args, pass, backend);
}
template <typename Struct>
Status check_only(const Struct& args, const Device&, const std::string& backend) {
  return frnn::validate(args, backend);
}

}  // namespace

int frnn_linear_bytes(const char* backend, const frnn_linear* linear, int64_t* workspace_bytes) {
  return answer_bytes("frnn_linear_bytes", "frnn_linear", backend, linear, workspace_bytes,
                      frnn::linear_workspace_bytes);
}

int frnn_linear_forward(int64_t device, const frnn_linear* linear) {
  return frnn::operate("frnn_linear_forward", "frnn_linear", device, linear,
                       check<frnn_linear, Pass::kForward>, [](Device& d, const frnn_linear& args) {
                         return args.N == 0 ? Status::success() : d.linear_forward(args);
                       });
}

int frnn_linear_backward(int64_t device, const frnn_linear* linear) {
  return frnn::operate("frnn_linear_backward", "frnn_linear", device, linear,
                       check<frnn_linear, Pass::kBackward>, [](Device& d, const frnn_linear& args) {
                         return args.N == 0 ? frnn::empty_linear_backward(d, args)
                                            : d.linear_backward(args);
                       });
}

int frnn_embedding_bytes(const char* backend, const frnn_embedding* embedding,
                         int64_t* workspace_bytes) {
  return answer_bytes("frnn_embedding_bytes", "frnn_embedding", backend, embedding, workspace_bytes,
                      frnn::embedding_workspace_bytes);
}

int frnn_embedding_forward(int64_t device, const frnn_embedding* embedding) {
  return frnn::operate("frnn_embedding_forward", "frnn_embedding", device, embedding,
                       check<frnn_embedding, Pass::kForward>,
                       [](Device& d, const frnn_embedding& args) {
                         return args.N == 0 ? Status::success() : d.embedding_forward(args);
                       });
}

int frnn_embedding_backward(int64_t device, const frnn_embedding* embedding) {
  return frnn::operate(
      "frnn_embedding_backward", "frnn_embedding", device, embedding,
      check<frnn_embedding, Pass::kBackward>, [](Device& d, const frnn_embedding& args) {
        return args.N == 0 ? frnn::empty_embedding_backward(d, args) : d.embedding_backward(args);
      });
}

int frnn_softmax_xent_forward_backward(int64_t device, const frnn_softmax_xent* xent) {
  return frnn::operate("frnn_softmax_xent_forward_backward", "frnn_softmax_xent", device, xent,
                       check_only<frnn_softmax_xent>, [](Device& d, const frnn_softmax_xent& args) {
                         return args.N == 0 ? frnn::empty_loss(d, args.result, args.stream)
                                            : d.softmax_xent_forward_backward(args);
                       });
}

int frnn_mse_forward_backward(int64_t device, const frnn_mse* mse) {
  return frnn::operate("frnn_mse_forward_backward", "frnn_mse", device, mse, check_only<frnn_mse>,
                       [](Device& d, const frnn_mse& args) {
                         return args.N == 0 ? frnn::empty_loss(d, args.result, args.stream)
                                            : d.mse_forward_backward(args);
                       });
}

int frnn_sample_rows(int64_t device, const frnn_sample* sample) {
  return frnn::operate("frnn_sample_rows", "frnn_sample", device, sample, check_only<frnn_sample>,
                       [](Device& d, const frnn_sample& args) {
                         return args.N == 0 ? Status::success() : d.sample(args);
                       });
}
