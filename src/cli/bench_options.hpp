#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <string>

#include "base/time.hpp"
#include "cli/bench_session.hpp"
#include "cli/bench_values.hpp"

// Options that several kinds of `shoal bench` have.

namespace shoal::cli {

/// An option whose value is a number from 1 to `most`, also as `10k`.
template <class T>
CLI::Option* add_count(CLI::App& command, const std::string& names, T& value, std::uint64_t most,
                       const std::string& help) {
  const std::string standing = value == T{} ? "" : std::to_string(value);
  return command
      .add_option_function<std::string>(
          names,
          [&value, names, most](const std::string& text) {
            const auto count = parse_count(text);
            if (!count || *count > most) {
              throw CLI::ValidationError(names, "'" + text + "' is not a number from 1 to " + std::to_string(most));
            }
            value = static_cast<T>(*count);
          },
          help)
      ->type_name("N")
      ->default_str(standing);
}

/// An option of up to `most` seconds; what `value` has is its default, if above 0.
void add_seconds(CLI::App& command, const std::string& name, base::Duration& value, double most,
                 const std::string& help);
void add_qos(CLI::App& command, unsigned& qos);
void add_payload(CLI::App& command, std::size_t& bytes);
/// Where to, as whom, and how it is told.
void add_common(CLI::App& command, BenchOptions& options);

}  // namespace shoal::cli
