#include "cli/top_table.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <map>
#include <ostream>
#include <sstream>

#include "cli/table.hpp"

namespace shoal::cli {
namespace {

using Number = std::optional<double> TopRow::*;

// 950, 12.3k, 4.56M
std::string count_text(double number) {
  constexpr std::array kUnits{"", "k", "M", "G"};
  std::size_t unit = 0;
  for (; number >= 10'000 && unit + 1 < kUnits.size(); ++unit) number /= 1'000;
  char text[32];
  std::snprintf(text, sizeof text, unit == 0 ? "%.0f%s" : "%.1f%s", number, kUnits[unit]);
  return text;
}

std::string bytes_text(double number) {
  constexpr std::array kUnits{" B", " KiB", " MiB", " GiB"};
  std::size_t unit = 0;
  for (; number >= 1'024 && unit + 1 < kUnits.size(); ++unit) number /= 1'024;
  char text[32];
  std::snprintf(text, sizeof text, unit == 0 ? "%.0f%s" : "%.1f%s", number, kUnits[unit]);
  return text;
}

std::string percent_text(double number) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f", number);
  return text;
}

struct Column {
  const char* name;
  const char* heading;
  Number number = nullptr;
  std::string (*text)(double) = nullptr;
};

constexpr Column kColumns[] = {
    {"name", "NAME"},
    {"state", "STATE"},
    {"clients", "CLIENTS", &TopRow::clients, count_text},
    {"in", "IN/S", &TopRow::in, count_text},
    {"out", "OUT/S", &TopRow::out, count_text},
    {"bytes_in", "BYTES IN/S", &TopRow::bytes_in, bytes_text},
    {"bytes_out", "BYTES OUT/S", &TopRow::bytes_out, bytes_text},
    {"queued", "QUEUED", &TopRow::queued, count_text},
    {"cpu", "CPU %", &TopRow::cpu, percent_text},
    {"memory", "MEMORY", &TopRow::memory, bytes_text},
};

std::optional<double> stat(const api::Instance& instance, std::string_view name) {
  for (const auto& [key, value] : instance.stats)
    if (key == name) return static_cast<double>(value);
  return std::nullopt;
}

// One that started again counts from 0.
std::optional<double> rate(std::optional<double> before, std::optional<double> now, double seconds) {
  if (!before || !now || seconds <= 0) return std::nullopt;
  return std::max(0.0, *now - (*now < *before ? 0 : *before)) / seconds;
}

TopRow row_of(const api::Instance* before, const api::Instance& now, double seconds) {
  TopRow row{.name = now.name, .state = now.state};
  if (now.state == "ready" && now.clients) row.clients = static_cast<double>(*now.clients);
  if (now.state == "ready") row.queued = stat(now, "queued_messages_now");
  if (now.worker_memory_bytes) row.memory = static_cast<double>(*now.worker_memory_bytes);
  if (!before) return row;
  const auto rate_of = [&](std::string_view name) { return rate(stat(*before, name), stat(now, name), seconds); };
  row.in = rate_of("messages_received");
  row.out = rate_of("messages_delivered");
  row.bytes_in = rate_of("bytes_received");
  row.bytes_out = rate_of("bytes_sent");
  row.cpu = rate_of("cpu_us");
  if (row.cpu) *row.cpu /= 10'000;  // microseconds to percent of a second
  if (now.engine == "external" && before->pid == now.pid) {
    row.cpu = rate(before->worker_cpu_s, now.worker_cpu_s, seconds);
    if (row.cpu) *row.cpu *= 100;
  }
  return row;
}

const std::string& text_of(const TopRow& row, std::string_view column) {
  return column == "state" ? row.state : row.name;
}

}  // namespace

std::vector<std::string> top_columns() {
  std::vector<std::string> names;
  for (const Column& column : kColumns) names.emplace_back(column.name);
  return names;
}

std::vector<TopRow> top_rows(const std::vector<api::Instance>& before, const std::vector<api::Instance>& now,
                             double seconds) {
  std::map<std::string_view, const api::Instance*> known;
  for (const api::Instance& instance : before) known.emplace(instance.name, &instance);
  std::vector<TopRow> rows;
  for (const api::Instance& instance : now) {
    const auto found = known.find(instance.name);
    rows.push_back(row_of(found == known.end() ? nullptr : found->second, instance, seconds));
  }
  return rows;
}

void sort_rows(std::vector<TopRow>& rows, std::string_view name) {
  const auto column =
      std::find_if(std::begin(kColumns), std::end(kColumns), [&](const Column& c) { return c.name == name; });
  if (column == std::end(kColumns)) return;
  std::sort(rows.begin(), rows.end(), [](const TopRow& a, const TopRow& b) { return a.name < b.name; });
  std::stable_sort(rows.begin(), rows.end(), [&](const TopRow& a, const TopRow& b) {
    if (column->number == nullptr) return text_of(a, name) < text_of(b, name);
    return (a.*column->number).value_or(-1) > (b.*column->number).value_or(-1);
  });
}

void print_top(std::ostream& out, const std::vector<TopRow>& rows, std::size_t lines, std::size_t width) {
  std::vector<std::vector<std::string>> cells;
  auto& heading = cells.emplace_back();
  for (const Column& column : kColumns) heading.emplace_back(column.heading);
  for (const TopRow& row : rows) {
    if (cells.size() >= lines) break;
    auto& line = cells.emplace_back();
    for (const Column& column : kColumns) {
      if (column.number == nullptr) line.push_back(text_of(row, column.name));
      else line.push_back(row.*column.number ? column.text(*(row.*column.number)) : "-");
    }
  }
  std::ostringstream table;
  print_table(table, cells);
  std::istringstream text(table.str());
  for (std::string line; std::getline(text, line);) out << line.substr(0, width) << '\n';
}

}  // namespace shoal::cli
