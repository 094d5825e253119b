// A string as JSON has it, quotes included.

#ifndef FUSEDRNN_SRC_HOST_JSON_TEXT_H_
#define FUSEDRNN_SRC_HOST_JSON_TEXT_H_

#include <string>

#include "host/status.h"

namespace frnn {

inline std::string json_text(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      out += format("\\u%04x", static_cast<unsigned>(c));
    } else {
      out += c;
    }
  }
  return out + "\"";
}

}  // namespace frnn

#endif  // FUSEDRNN_SRC_HOST_JSON_TEXT_H_
