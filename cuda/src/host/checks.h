// The pieces that argument checks are made of. Every failure names the field, what was expected and
// what came.

#ifndef FUSEDRNN_SRC_HOST_CHECKS_H_
#define FUSEDRNN_SRC_HOST_CHECKS_H_

#include <initializer_list>
#include <string>

#include "fusedrnn.h"
#include "host/status.h"

namespace frnn {

using Wide = long long;  // what printf takes

// One tensor argument: where it must be present, it is; where present, it is aligned.
struct Address {
  const char* field;
  int64_t value;
  bool required;
  int64_t alignment;
};

Status invalid(std::string text);
Status at_least(const char* field, int64_t value, int64_t least);
Status check_addresses(std::initializer_list<Address> addresses);
// The product of the sizes, in bytes of 8, must fit 63 bits: no later computation can overflow.
Status check_product(const char* what, std::initializer_list<int64_t> sizes);
Status check_flags(const char* field, int64_t flags, int64_t known);
Status check_backend(const std::string& backend);
// fp32 alone, or bf16 and f16 too.
Status check_dtype(const char* field, int64_t dtype, bool narrow);
// `address` has room for `needed` bytes; `what` is its field, without "_bytes".
Status check_room(const char* what, int64_t address, int64_t given, int64_t needed);
Status check_probability(const char* field, double p);  // in [0, 1)

}  // namespace frnn

#endif  // FUSEDRNN_SRC_HOST_CHECKS_H_
