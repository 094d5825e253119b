// fusedrnn-micro [--quick] [--only barriers|exchanges|throughput|products] [--json FILE]
// Prints a row for each measurement; the file holds the same. Ends with 0, with 1 where something
// failed or came out wrong (what was measured before it is written all the same), with 2 on a wrong
// command line or without a device.

#include <cstdio>
#include <cstring>

#include "host/json_text.h"
#include "micro.h"

using frnn::Status;
using frnn::micro::Bench;

namespace {

struct Options {
  bool quick = false;
  std::string only;
  std::string json;
};

struct Part {
  const char* name;
  Status (*run)(Bench&);
};
constexpr Part kParts[] = {{"barriers", frnn::micro::barriers},
                           {"exchanges", frnn::micro::exchanges},
                           {"throughput", frnn::micro::throughput},
                           {"products", frnn::micro::products}};

int usage(const std::string& fault) {
  std::fprintf(stderr,
               "fusedrnn-micro: %s\nusage: fusedrnn-micro [--quick] [--only "
               "barriers|exchanges|throughput|products] [--json FILE]\n",
               fault.c_str());
  return 2;
}

bool is_part(const std::string& name) {
  for (const Part& part : kParts) {
    if (name == part.name) return true;
  }
  return false;
}

bool write(const std::string& file, const Bench& bench) {
  const frnn::machine::Properties& p = bench.properties();
  std::string text =
      "{\"device\": " + frnn::json_text(p.name) +
      frnn::format(", \"emulated\": %s, \"driver\": %d, \"runtime\": %d, \"rows\": [",
                   p.emulated ? "true" : "false", p.driver_version, p.runtime_version);
  const char* comma = "";
  for (const frnn::micro::Row& row : bench.rows()) {
    text += std::string(comma) + "\n  {\"name\": " + frnn::json_text(row.name);
    for (const auto& [name, value] : row.settings) {
      text += ", " + frnn::json_text(name) + frnn::format(": %lld", static_cast<long long>(value));
    }
    text +=
        frnn::format(", \"value\": %.6g, \"unit\": ", row.value) + frnn::json_text(row.unit) + "}";
    comma = ",";
  }
  text += "\n]}\n";
  std::FILE* to = std::fopen(file.c_str(), "w");
  if (to == nullptr) return false;
  const bool written = std::fwrite(text.data(), 1, text.size(), to) == text.size();
  return std::fclose(to) == 0 && written;
}

int run(const Options& options) {
  std::unique_ptr<Bench> bench;
  const Status opened = Bench::open(options.quick, &bench);
  if (!opened.ok()) {
    std::fprintf(stderr, "fusedrnn-micro: %s\n", opened.text.c_str());
    return 2;
  }
  std::printf("%s%s\n", bench->properties().name.c_str(),
              bench->properties().emulated ? " (emulated: the times mean nothing)" : "");
  int code = 0;
  for (const Part& part : kParts) {
    if (!options.only.empty() && options.only != part.name) continue;
    const Status status = part.run(*bench);
    if (status.ok()) continue;
    std::fprintf(stderr, "fusedrnn-micro: %s: %s\n", part.name, status.text.c_str());
    code = 1;
  }
  if (!options.json.empty() && !write(options.json, *bench)) {
    std::fprintf(stderr, "fusedrnn-micro: %s cannot be written\n", options.json.c_str());
    code = 1;
  }
  return code;
}

}  // namespace

int main(int count, char** arguments) {
  Options options;
  for (int k = 1; k < count; ++k) {
    const std::string name = arguments[k];
    if (name == "--quick") {
      options.quick = true;
    } else if ((name == "--only" || name == "--json") && k + 1 < count) {
      (name == "--only" ? options.only : options.json) = arguments[++k];
    } else {
      return usage("expected an option, got " + name);
    }
  }
  if (!options.only.empty() && !is_part(options.only)) {
    return usage("--only: there is no part " + options.only);
  }
  return run(options);
}
