// A status code with its sentence, as every internal host function returns it. Nothing throws
// across a library boundary.

#ifndef FUSEDRNN_SRC_HOST_STATUS_H_
#define FUSEDRNN_SRC_HOST_STATUS_H_

#include <string>
#include <utility>

#include "fusedrnn.h"

namespace frnn {

struct [[nodiscard]] Status {
  int code = FRNN_OK;
  std::string text;

  bool ok() const { return code == FRNN_OK; }
  static Status success() { return {}; }
  static Status fail(int code, std::string text) { return {code, std::move(text)}; }
};

// printf into a std::string.
std::string format(const char* pattern, ...) __attribute__((format(printf, 1, 2)));

}  // namespace frnn

// Returns the status of the expression from the enclosing function unless it is a success.
#define FRNN_TRY(...)                                  \
  do {                                                 \
    ::frnn::Status frnn_try_status = (__VA_ARGS__);    \
    if (!frnn_try_status.ok()) return frnn_try_status; \
  } while (0)

#endif  // FUSEDRNN_SRC_HOST_STATUS_H_
