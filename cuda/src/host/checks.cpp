#include "host/checks.h"

namespace frnn {

Status invalid(std::string text) {
  return Status::fail(FRNN_INVALID_ARGUMENT, std::move(text));
}

Status at_least(const char* field, int64_t value, int64_t least) {
  if (value >= least) return Status::success();
  return invalid(format("%s: expected at least %lld, got %lld", field, static_cast<Wide>(least),
                        static_cast<Wide>(value)));
}

Status check_addresses(std::initializer_list<Address> addresses) {
  for (const Address& a : addresses) {
    if (a.value == 0) {
      if (a.required) {
        return invalid(
            format("%s: expected the address of a tensor, got 0: this call needs it", a.field));
      }
    } else if (a.value < 0 || a.value % a.alignment != 0) {
      return invalid(format("%s: expected an address aligned to %lld bytes, got 0x%llx", a.field,
                            static_cast<Wide>(a.alignment),
                            static_cast<unsigned long long>(a.value)));
    }
  }
  return Status::success();
}

Status check_product(const char* what, std::initializer_list<int64_t> sizes) {
  int64_t product = 8;
  for (int64_t size : sizes) {
    if (size == 0) return Status::success();
    if (__builtin_mul_overflow(product, size, &product)) {
      return invalid(format("%s: the sizes multiply to more than 2^60 elements", what));
    }
  }
  return Status::success();
}

Status check_flags(const char* field, int64_t flags, int64_t known) {
  if ((flags & ~known) == 0) return Status::success();
  return invalid(format("%s: expected only bits of 0x%llx here, got 0x%llx", field,
                        static_cast<unsigned long long>(known),
                        static_cast<unsigned long long>(flags)));
}

Status check_backend(const std::string& backend) {
  if (backend == "cpu" || backend == "cuda" || backend == "emulated") return Status::success();
  return invalid(format("backend: expected cpu, cuda or emulated, got '%s'", backend.c_str()));
}

Status check_dtype(const char* field, int64_t dtype, bool narrow) {
  if (dtype == FRNN_F32) return Status::success();
  if (narrow && (dtype == FRNN_BF16 || dtype == FRNN_F16)) return Status::success();
  static const char* const names[] = {"f64", "f32", "bf16", "f16", "i32"};
  if (dtype < 0 || dtype > FRNN_I32) {
    return invalid(format("%s: expected an frnn_dtype from 0 to %d, got %lld", field, FRNN_I32,
                          static_cast<Wide>(dtype)));
  }
  return Status::fail(
      FRNN_UNSUPPORTED,
      format("%s: the native backends compute this in %s, got %s: convert to f32, or use the "
             "reference backend for f64",
             field, narrow ? "f32, bf16 or f16" : "f32", names[dtype]));
}

Status check_room(const char* what, int64_t address, int64_t given, int64_t needed) {
  if (needed == 0) return Status::success();
  if (given < needed) {
    return Status::fail(FRNN_WORKSPACE_TOO_SMALL,
                        format("%s_bytes: expected at least %lld bytes for this call, got %lld",
                               what, static_cast<Wide>(needed), static_cast<Wide>(given)));
  }
  if (address == 0 || address % 16 != 0) {
    return invalid(format("%s: expected an address aligned to 16 bytes, got 0x%llx", what,
                          static_cast<unsigned long long>(address)));
  }
  return Status::success();
}

Status check_probability(const char* field, double p) {
  if (p >= 0 && p < 1) return Status::success();
  return invalid(format("%s: expected a probability in [0, 1), got %g", field, p));
}

}  // namespace frnn
