#include "metrics/exposition.hpp"

#include <algorithm>
#include <cassert>
#include <charconv>

namespace shoal::metrics {
namespace {

[[maybe_unused]] bool is_name(std::string_view name) {
  return name.starts_with("shoal_") && std::all_of(name.begin(), name.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
         });
}

std::string_view to_string(Kind kind) {
  switch (kind) {
    case Kind::counter: return "counter";
    case Kind::gauge: return "gauge";
    case Kind::histogram: break;
  }
  return "histogram";
}

void append_escaped(std::string& out, std::string_view value, bool quotes) {
  for (const char c : value) {
    if (c == '\\') out += "\\\\";
    else if (c == '\n') out += "\\n";
    else if (c == '"' && quotes) out += "\\\"";
    else out += c;
  }
}

void append_number(std::string& out, std::uint64_t value) {
  char digits[20];
  const auto [end, error] = std::to_chars(digits, digits + sizeof digits, value);
  assert(error == std::errc());
  out.append(digits, end);
}

// The shortest text that is this number; without exponent, "." whatever the locale is.
void append_number(std::string& out, double value) {
  char digits[400];
  const auto [end, error] = std::to_chars(digits, digits + sizeof digits, value, std::chars_format::fixed);
  assert(error == std::errc());
  out.append(digits, end);
}

}  // namespace

void Exposition::family(const Family& family) {
  assert(is_name(family.name) && family.name.ends_with("_total") == (family.kind == Kind::counter));
  name_ = family.name;
  kind_ = family.kind;
  ((text_ += "# HELP ") += name_) += ' ';
  append_escaped(text_, family.help, false);
  ((((text_ += "\n# TYPE ") += name_) += ' ') += to_string(kind_)) += '\n';
}

// Up to the blank before the value.
void Exposition::begin(std::string_view suffix, Labels labels, std::string_view le) {
  (text_ += name_) += suffix;
  char before = '{';
  const auto label = [&](std::string_view name, std::string_view value) {
    ((text_ += before) += name) += "=\"";
    append_escaped(text_, value, true);
    text_ += '"';
    before = ',';
  };
  for (const auto& [name, value] : labels) label(name, value);
  if (!le.empty()) label("le", le);
  if (before == ',') text_ += '}';
  text_ += ' ';
}

void Exposition::sample(Labels labels, std::uint64_t value) {
  assert(kind_ != Kind::histogram);
  begin({}, labels);
  append_number(text_, value);
  text_ += '\n';
}

void Exposition::sample(Labels labels, double value) {
  assert(kind_ != Kind::histogram);
  begin({}, labels);
  append_number(text_, value);
  text_ += '\n';
}

void Exposition::histogram(Labels labels, const Histogram& value) {
  assert(kind_ == Kind::histogram);
  constexpr double kMicro = 1e6;
  constexpr double kNano = 1e9;
  std::uint64_t so_far = 0;
  for (std::size_t i = 0; i < Histogram::kBuckets; ++i) {
    std::string le;
    if (i < Histogram::kBounds_us.size()) append_number(le, Histogram::kBounds_us[i] / kMicro);
    else le = "+Inf";
    begin("_bucket", labels, le);
    append_number(text_, so_far += value.counts[i]);
    text_ += '\n';
  }
  begin("_sum", labels);
  append_number(text_, static_cast<double>(value.sum_ns) / kNano);
  text_ += '\n';
  begin("_count", labels);
  append_number(text_, so_far);
  text_ += '\n';
}

}  // namespace shoal::metrics
