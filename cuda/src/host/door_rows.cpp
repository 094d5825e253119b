// The C door: what stands around a recurrent net.

#include "host/door.h"
#include "host/empty.h"

using frnn::Device;
using frnn::Pass;
using frnn::Status;

int frnn_linear_bytes(const char* backend, const frnn_linear* linear, int64_t* workspace_bytes) {
  return frnn::guarded("frnn_linear_bytes", [&]() -> Status {
    FRNN_TRY(frnn::need("backend", backend));
    FRNN_TRY(frnn::need("workspace_bytes", workspace_bytes));
    frnn_linear args;
    FRNN_TRY(frnn::load("frnn_linear", linear, &args));
    FRNN_TRY(frnn::validate(args, Pass::kSizes, backend));
    *workspace_bytes = frnn::linear_workspace_bytes(args, backend);
    return Status::success();
  });
}

int frnn_linear_forward(int64_t device, const frnn_linear* linear) {
  return frnn::operate(
      "frnn_linear_forward", "frnn_linear", device, linear,
      [](const frnn_linear& args, const Device&, const std::string& backend) {
        return frnn::validate(args, Pass::kForward, backend);
      },
      [](Device& d, const frnn_linear& args) {
        return args.N == 0 ? Status::success() : d.linear_forward(args);
      });
}

int frnn_linear_backward(int64_t device, const frnn_linear* linear) {
  return frnn::operate(
      "frnn_linear_backward", "frnn_linear", device, linear,
      [](const frnn_linear& args, const Device&, const std::string& backend) {
        return frnn::validate(args, Pass::kBackward, backend);
      },
      [](Device& d, const frnn_linear& args) {
        return args.N == 0 ? frnn::empty_linear_backward(d, args) : d.linear_backward(args);
      });
}

int frnn_embedding_forward(int64_t device, const frnn_embedding* embedding) {
  return frnn::operate(
      "frnn_embedding_forward", "frnn_embedding", device, embedding,
      [](const frnn_embedding& args, const Device&, const std::string&) {
        return frnn::validate(args, Pass::kForward);
      },
      [](Device& d, const frnn_embedding& args) {
        return args.N == 0 ? Status::success() : d.embedding_forward(args);
      });
}

int frnn_embedding_backward(int64_t device, const frnn_embedding* embedding) {
  return frnn::operate(
      "frnn_embedding_backward", "frnn_embedding", device, embedding,
      [](const frnn_embedding& args, const Device&, const std::string&) {
        return frnn::validate(args, Pass::kBackward);
      },
      [](Device& d, const frnn_embedding& args) {
        return args.N == 0 ? frnn::empty_embedding_backward(d, args) : d.embedding_backward(args);
      });
}

int frnn_softmax_xent_forward_backward(int64_t device, const frnn_softmax_xent* xent) {
  return frnn::operate(
      "frnn_softmax_xent_forward_backward", "frnn_softmax_xent", device, xent,
      [](const frnn_softmax_xent& args, const Device&, const std::string&) {
        return frnn::validate(args);
      },
      [](Device& d, const frnn_softmax_xent& args) {
        return args.N == 0 ? frnn::empty_softmax_xent(d, args)
                           : d.softmax_xent_forward_backward(args);
      });
}
