#include "cli/store_command.hpp"

#include <algorithm>
#include <boost/json.hpp>
#include <cstdio>
#include <ctime>
#include <filesystem>
#include <ostream>

#include "cli/table.hpp"
#include "store/backup.hpp"
#include "store/describe.hpp"

namespace shoal::cli {
namespace {

/// What is looked at.
struct Source {
  std::string path;
  bool is_file = false;  // a backup, not the folder of a store
};

bool has_segments(const std::string& folder) {
  const auto directory = store::read_directory(folder);
  std::vector<std::string> names;
  if (!directory || (*directory)->list(names) != 0) return false;
  return std::any_of(names.begin(), names.end(), [](const auto& name) { return store::segment_number(name); });
}

std::optional<Source> find_source(Context& context, const std::string& what) {
  const bool may_be_name = what.find('/') == std::string::npos;
  if (may_be_name) {
    const auto loaded = config::load(context.places(), config::UsersFiles::may_be_missing);
    const auto* instance = loaded.config ? loaded.config->find(what) : nullptr;
    if (instance && !context.find_own_instance(*loaded.config, what, "it has no store of Shoal")) return {};
    if (instance) return Source{instance->options.store_dir};
  }
  std::error_code error;
  const auto status = std::filesystem::status(what, error);
  if (std::filesystem::is_directory(status)) {
    const std::string inner = what + "/store";
    const bool is_state = !has_segments(what) && std::filesystem::is_directory(inner, error);
    return Source{is_state ? inner : what};
  }
  if (std::filesystem::exists(status)) return Source{what, true};
  if (!may_be_name) {
    context.fail(kFailed, what + " does not exist; name an instance, the folder of a store, or a backup");
    return {};
  }
  // Says what is wrong with the configuration, or that there is no such instance.
  if (const auto config = context.load_config(config::UsersFiles::may_be_missing)) context.find_instance(*config, what);
  return {};
}

std::optional<store::Reading> read(Context& context, const Source& source) {
  auto content = source.is_file ? store::read_backup(source.path) : store::read_running(source.path);
  if (content) return store::comes_to(std::move(*content));
  const bool missing = content.error().code == ErrorCode::not_found;
  context.fail(kFailed, content.error().message + (missing ? "; its instance has never run, or keeps nothing" : ""));
  return {};
}

std::uint32_t format_of(const store::LogContent& content) {
  return content.segments.empty() ? store::kFormatVersion : content.segments.back().header.version;
}

std::uint64_t count_set_aside(const Source& source) {
  if (source.is_file) return 0;
  const auto directory = store::read_directory(source.path);
  std::vector<std::string> names;
  if (!directory || (*directory)->list(names) != 0) return 0;
  const auto is_bad = [](const std::string& name) { return name.ends_with(".log.bad"); };
  return static_cast<std::uint64_t>(std::count_if(names.begin(), names.end(), is_bad));
}

std::string time_text(store::WallMs time) {
  if (time == 0) return "never";
  const auto seconds = static_cast<std::time_t>(time / 1000);
  std::tm utc{};
  ::gmtime_r(&seconds, &utc);
  char text[64];
  const std::size_t size = std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &utc);
  std::snprintf(text + size, sizeof text - size, ".%03uZ", static_cast<unsigned>(time % 1000));
  return text;
}

using Missing = std::vector<std::pair<const char*, std::uint64_t>>;
Missing missing_of(const store::Image::Missing& missing) {
  return {{"sessions", missing.sessions}, {"messages", missing.messages}, {"groups", missing.groups}};
}

using Numbers = std::vector<std::pair<const char*, std::uint64_t>>;
Numbers numbers_of(const store::Reading& reading, std::uint64_t set_aside) {
  const store::LogReport& report = reading.content.report;
  const store::Totals totals = store::count(reading.image);
  return {{"format", format_of(reading.content)},
          {"segments", report.segments},
          {"bytes", report.bytes},
          {"batches", report.batches},
          {"sessions", totals.sessions},
          {"subscriptions", totals.subscriptions},
          {"queued", totals.queued},
          {"in_flight", totals.in_flight},
          {"taken", totals.taken},
          {"retained", totals.retained},
          {"groups", totals.groups},
          {"messages", totals.messages},
          {"torn_bytes", report.torn_bytes},
          {"missing_batches", report.missing_batches},
          {"set_aside", set_aside}};
}

std::string place_of(const Source& source, const store::Damage& damage) {
  return source.is_file ? source.path : source.path + '/' + damage.file;
}

void print_totals(Context& context, const Source& source, const store::Reading& reading) {
  std::vector<std::vector<std::string>> rows{{source.is_file ? "backup" : "store", source.path}};
  for (const auto& [name, number] : numbers_of(reading, count_set_aside(source))) {
    std::string words = name;
    std::replace(words.begin(), words.end(), '_', ' ');
    rows.push_back({words, std::to_string(number)});
  }
  rows.push_back({"last written", time_text(reading.alive_until)});
  for (const auto& [name, number] : missing_of(reading.missing)) {
    if (number != 0) rows.push_back({std::string("missing ") + name, std::to_string(number)});
  }
  const auto& damages = reading.content.report.damages;
  if (damages.empty()) rows.push_back({"damage", "none"});
  for (const store::Damage& damage : damages) {
    rows.push_back({"damage", (source.is_file ? "" : damage.file + ' ') + damage.what});
  }
  print_table(context.out, rows);
}

void print_json(Context& context, const Source& source, const store::Reading& reading) {
  boost::json::object object;
  object["path"] = source.path;
  object["backup"] = source.is_file;
  for (const auto& [name, number] : numbers_of(reading, count_set_aside(source))) object[name] = number;
  object["last_written_ms"] = reading.alive_until;
  boost::json::object missing;
  for (const auto& [name, number] : missing_of(reading.missing)) missing[name] = number;
  object["missing"] = std::move(missing);
  boost::json::array damages;
  for (const store::Damage& damage : reading.content.report.damages) {
    damages.push_back(boost::json::object{{"file", damage.file}, {"what", damage.what}});
  }
  object["damages"] = std::move(damages);
  context.out << boost::json::serialize(object) << '\n';
}

void print_records(Context& context, const store::Reading& reading) {
  for (const store::LogContent::Segment& segment : reading.content.segments) {
    context.out << segment.name << ": segment " << segment.header.number << ", format " << segment.header.version
                << ", made " << time_text(segment.header.created) << '\n';
    for (const store::Batch& batch : segment.batches) {
      context.out << "  batch " << batch.number << " at byte " << batch.offset << ": " << batch.records.size()
                  << " bytes, " << time_text(batch.at) << '\n';
      store::RecordReader records(batch.records);
      for (store::Record record; records.next(record);) context.out << "    " << store::describe(record) << '\n';
      if (records.malformed()) context.out << "    the rest is no record\n";
    }
    if (segment.whole < segment.size) {
      context.out << "  " << segment.size - segment.whole << " bytes behind byte " << segment.whole
                  << " are no batch\n";
    }
  }
}

}  // namespace

void inspect_store(Context& context, const std::string& what, InspectForm form) {
  const auto source = find_source(context, what);
  if (!source) return;
  const auto reading = read(context, *source);
  if (!reading) return;
  switch (form) {
    case InspectForm::totals: return print_totals(context, *source, *reading);
    case InspectForm::json: return print_json(context, *source, *reading);
    case InspectForm::records: return print_records(context, *reading);
    case InspectForm::all: context.out << store::describe(reading->image);
  }
}

void check_store(Context& context, const std::string& what) {
  const auto source = find_source(context, what);
  if (!source) return;
  const auto reading = read(context, *source);
  if (!reading) return;
  const store::LogReport& report = reading->content.report;
  for (const store::Damage& damage : report.damages) {
    context.err << place_of(*source, damage) << ": " << damage.what << '\n';
  }
  for (const auto& [name, number] : missing_of(reading->missing)) {
    if (number == 0) continue;
    context.err << source->path << ": " << number << ' ' << name << " that something refers to are missing\n";
  }
  if (!report.damages.empty() || reading->missing.all() != 0) {
    context.exit_code = kFailed;
    return;
  }
  context.out << source->path << ": sound, " << report.segments << (report.segments == 1 ? " segment, " : " segments, ")
              << report.batches << (report.batches == 1 ? " batch" : " batches");
  if (report.torn_bytes != 0) context.out << ", " << report.torn_bytes << " bytes of one that was not finished";
  context.out << '\n';
}

}  // namespace shoal::cli
