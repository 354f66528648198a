#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <map>
#include <set>
#include <tuple>
#include <utility>

#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "config/external.hpp"
#include "config/layer.hpp"
#include "config/listener.hpp"

namespace shoal::config {
namespace {

namespace fs = std::filesystem;

/// The folder that people would write paths from; empty: from the root.
fs::path working_folder() {
  std::error_code error;
  fs::path here = fs::current_path(error);
  return error || here == here.root_path() ? fs::path() : here;
}

class Loader {
 public:
  /// `names`: what is read of the instances, the others are those of `known`; null: all.
  Loader(const Places& places, UsersFiles users_files, const std::vector<std::string>* names = nullptr,
         const FleetConfig* known = nullptr)
      : users_files_(users_files),
        names_(names),
        known_(known),
        logs_to_stdout_(places.logs_to_stdout),
        here_(working_folder()),
        main_(places.file),
        folder_(main_.parent_path()),
        main_shown_(shown(main_)) {
    fleet_.file = places.file;
    fleet_.state_dir = places.state_dir;
    fleet_.log_dir = places.log_dir;
    fleet_.run_dir = places.run_dir;
  }

  Loaded load() {
    auto parsed = parse_file(main_, main_shown_);
    if (auto* problem = std::get_if<Problem>(&parsed)) {
      if (problem->at.line == 0) problem->message += "; name another one with -c FILE, SHOAL_CONFIG or SHOAL_HOME";
      problems_.push_back(std::move(*problem));
    } else {
      read_main(std::get<Node>(parsed));
      if (names_) read_named();
      else read_folder();
      check_run_dir();
      check_listeners();
    }
    place_log(fleet_.log, fleet_.controller_log());
    Loaded loaded;
    loaded.run_dir = fleet_.run_dir;
    sort_problems();
    loaded.problems = std::move(problems_);
    if (loaded.problems.empty()) loaded.config = std::move(fleet_);
    return loaded;
  }

 private:
  /// As people would write it from here.
  std::string shown(const fs::path& path) const {
    const std::string near = here_.empty() ? std::string() : path.lexically_relative(here_).string();
    return near.empty() || near == "." || near.starts_with("..") ? path.string() : near;
  }

  void report(Position at, std::string message) { problems_.push_back({std::move(at), std::move(message)}); }

  /// The table below `entry`, or null after reporting that it is something else.
  const Node* table(const Entry& entry, const std::string& name) {
    if (entry.value.kind == Kind::table) return &entry.value;
    report(entry.value.at, name + ": expected a table, found " + entry.value.describe());
    return nullptr;
  }

  void read_main(const Node& root) {
    // [instances] may stand before the templates they use.
    for (const Entry& entry : root.entries) {
      if (entry.key == "routes") report(entry.at, "routes do not exist yet; remove them");
      else if (entry.key == "fleet") read_fleet(entry);
      else if (entry.key == "templates") read_templates(entry);
      else if (entry.key == "workers") read_workers(entry);
      else if (entry.key == "defaults") {
        if (const Node* node = table(entry, "defaults")) defaults_ = read_shared(*node, "[defaults]");
      } else if (entry.key != "instances") {
        static constexpr std::string_view kTables[] = {"fleet", "defaults", "templates", "workers", "instances"};
        report(entry.at, unknown_name("key", entry.key, kTables));
      }
    }
    const Entry* instances = root.find("instances");
    if (!instances || !table(*instances, "instances")) return;
    for (const Entry& entry : instances->value.entries) {
      if (!is_read(entry.key)) continue;
      if (const Node* node = table(entry, "instances." + entry.key)) read_instance(entry.key, entry.at, *node, folder_);
    }
  }

  void read_fleet(const Entry& entry) {
    const Node* node = table(entry, "fleet");
    if (!node) return;
    const Layer layer = read_layer(Scope::fleet, *node, folder_, problems_);
    layer.apply(fleet_);
    if (const Setting* run_dir = layer.find("run_dir")) run_dir_at_ = run_dir->value_at;
  }

  void place_log(LogOptions& log, std::string file) const {
    if (logs_to_stdout_) log.fd = STDOUT_FILENO;
    else log.file = std::move(file);
  }

  void check_run_dir() {
    const std::size_t length = fleet_.control_socket().size();
    constexpr std::size_t kLongest = sizeof(sockaddr_un::sun_path) - 1;
    if (length > kLongest)
      report(run_dir_at_, "run_dir: " + fleet_.run_dir + " is too long for a socket in it (" + std::to_string(length) +
                              " bytes of at most " + std::to_string(kLongest) +
                              "); choose a shorter one, or a shorter SHOAL_HOME");
  }

  void read_templates(const Entry& entry) {
    if (!table(entry, "templates")) return;
    for (const Entry& one : entry.value.entries) {
      const std::string name = "templates." + one.key;
      if (!valid_name(one.key)) report(one.at, bad_name("template", one.key));
      else if (const Node* node = table(one, name)) templates_[one.key] = read_shared(*node, '[' + name + ']');
    }
  }

  void read_workers(const Entry& entry) {
    if (!table(entry, "workers")) return;
    for (const Entry& one : entry.value.entries) {
      if (one.key == "own")
        report(one.at, "[workers.own] would be nobody's: write worker_limits in [defaults] or in an instance");
      else if (!valid_name(one.key)) report(one.at, bad_name("worker", one.key));
      else if (const Node* node = table(one, "workers." + one.key))
        workers_[one.key] = read_layer(Scope::worker, *node, folder_, problems_);
    }
  }

  // What a shared worker may take is nothing that one of its instances can say.
  void place_worker_limits(InstanceConfig& instance, const Layer& own) {
    constexpr std::string_view kPrefix = "worker_limits.";
    if (instance.worker == "own") return;
    for (const Setting& setting : own.settings) {
      if (setting.key->path.starts_with(kPrefix))
        report(setting.key_at, "instance " + instance.name + " shares the worker " + in_quotes(instance.worker) +
                                   "; write " + std::string(setting.key->path.substr(kPrefix.size())) +
                                   " in [workers." + instance.worker + "] of " + main_shown_);
    }
    instance.worker_limits = {};
    std::erase_if(instance.values, [&](const auto& value) { return value.first.starts_with(kPrefix); });
    const auto found = workers_.find(instance.worker);
    if (found != workers_.end()) found->second.apply_worker(instance);
  }

  /// A layer for several instances.
  Layer read_shared(const Node& node, const std::string& name) {
    Layer layer = read_layer(Scope::instance, node, folder_, problems_);
    if (const Setting* setting = layer.find("template"))
      report(setting->key_at, name + " cannot use a template; write the keys here");
    return layer;
  }

  void read_folder() {
    const fs::path folder = folder_ / "instances.d";
    std::error_code error;
    std::vector<fs::path> files;
    for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
      const fs::path& path = it->path();
      if (path.extension() == ".toml" && !path.filename().string().starts_with('.')) files.push_back(path);
    }
    if (error && error != std::errc::no_such_file_or_directory)
      return report({shown(folder)}, "cannot read this folder: " + error.message());
    std::sort(files.begin(), files.end());
    for (const fs::path& path : files) read_file(path);
  }

  void read_file(const fs::path& path) {
    const std::string file = shown(path);
    auto parsed = parse_file(path, file);
    if (auto* problem = std::get_if<Problem>(&parsed)) problems_.push_back(std::move(*problem));
    else read_instance(path.stem(), {file}, std::get<Node>(parsed), path.parent_path());
  }

  bool is_read(const std::string& name) const {
    return !names_ || std::find(names_->begin(), names_->end(), name) != names_->end();
  }

  void read_named() {
    for (const std::string& name : std::set(names_->begin(), names_->end())) {
      if (!valid_name(name)) continue;
      const fs::path path = folder_ / "instances.d" / (name + ".toml");
      std::error_code error;
      if (fs::exists(path, error)) read_file(path);
      else if (error) report({shown(path)}, "cannot read this file: " + error.message());
    }
    for (const InstanceConfig& instance : known_->instances)
      if (!is_read(instance.name)) fleet_.instances.push_back(instance);
    // As `load` has them: those of the main file by where they are in it, then those of the folder by file.
    const auto before = [](const InstanceConfig& a, const InstanceConfig& b) {
      if (a.at.line == 0 && b.at.line == 0) return a.name + ".toml" < b.name + ".toml";
      return a.at.line != 0 && (b.at.line == 0 || std::tie(a.at.line, a.at.column) < std::tie(b.at.line, b.at.column));
    };
    std::stable_sort(fleet_.instances.begin(), fleet_.instances.end(), before);
  }

  static std::string bad_name(const std::string& what, const std::string& name) {
    return in_quotes(name) + " cannot be the name of " + (what == "instance" ? "an " : "a ") + what +
           "; use 1 to 64 of a-z A-Z 0-9 . _ - and no . or - in front";
  }

  void read_instance(const std::string& name, const Position& at, const Node& node, const fs::path& folder) {
    if (!valid_name(name)) return report(at, bad_name("instance", name));
    if (name == "controller")
      return report(at, "\"controller\" cannot be the name of an instance: it is the controller's log");
    if (const auto* other = fleet_.find(name))
      return report(at, "instance " + name + " is already defined (" + other->at.line_text() + "); remove one of them");

    const Layer own = read_layer(Scope::instance, node, folder, problems_);
    bool complete = !own.broken && !defaults_.broken;
    InstanceConfig instance;
    instance.options.persistence = Persistence::crash_safe;
    instance.name = name;
    instance.at = at;
    const Layer* shared = nullptr;
    if (const Setting* setting = own.find("template")) {
      const auto found = templates_.find(setting->value.text);
      if (found == templates_.end()) {
        std::vector<std::string_view> names;
        for (const auto& [known, layer] : templates_) names.push_back(known);
        report(setting->value_at, unknown_name("template", setting->value.text, names));
        complete = false;
      } else {
        shared = &found->second;
        complete = complete && !found->second.broken;
      }
    }
    const LayersOfInstance layers{.own = own, .shared = shared, .defaults = defaults_};
    instance.engine = engine_of(layers);
    defaults_.apply(instance);
    if (shared) shared->apply(instance);
    own.apply(instance);
    place_worker_limits(instance, own);
    instance.options.name = name;
    place_log(instance.options.log, fleet_.log_dir + '/' + name + ".log");
    instance.state_dir = fleet_.state_dir + '/' + name;
    instance.options.store_dir = instance.state_dir + "/store";
    report_foreign_keys(instance, layers, problems_);
    if (instance.engine == Engine::external) {
      if (complete) check_external(instance, layers, problems_);
    } else {
      if (complete) check_complete(instance);
      if (complete) check_threads(instance, layers);
      check_users_file(instance);
    }
    fleet_.instances.push_back(std::move(instance));
  }

  void check_complete(const InstanceConfig& instance) {
    if (instance.listeners.empty())
      report(instance.at,
             "instance " + instance.name + R"( has no listeners; write listeners = ["mqtt://127.0.0.1:auto"])");
    const AuthOptions& auth = instance.options.auth;
    if (!auth.anonymous && auth.users_file.empty())
      report(instance.at, "instance " + instance.name + " lets nobody in; write auth = { users_file = \"" +
                              instance.name + ".users\" } or, for clients without a name, auth = { anonymous = true }");
  }

  void check_threads(const InstanceConfig& instance, const LayersOfInstance& layers) {
    const unsigned threads = instance.options.threads;
    if (threads == 1) return;
    const Setting* const setting = layers.find("threads");
    const Position& at = setting ? setting->value_at : instance.at;
    const std::string what = "instance " + instance.name + ": threads = " + std::to_string(threads);
    if (instance.options.persistence != Persistence::none) {
      report(at, what + R"( needs persistence = "none")");
    }
    if (instance.worker != "own" && threads > instance.worker_threads) {
      report(at, what + " is more than its worker has; write threads = " + std::to_string(threads) + " in [workers." +
                     instance.worker + "] of " + main_shown_);
    }
  }

  void check_users_file(const InstanceConfig& instance) {
    const std::string& path = instance.options.auth.users_file;
    if (path.empty()) return;
    const std::string what = "users file " + shown(path) + " of instance " + instance.name;
    const std::string command = "`shoal users add " + instance.name + " USER`";
    struct stat status {};
    const int failure = ::stat(path.c_str(), &status) == 0 ? 0 : errno;
    if (failure == ENOENT) {
      if (users_files_ == UsersFiles::required)
        report(instance.users_at, what + " does not exist; make it with " + command);
    } else if (failure == 0 && !S_ISREG(status.st_mode)) {
      report(instance.users_at, what + " is not a file; name one that " + command + " can make");
    } else if (failure != 0 || ::access(path.c_str(), R_OK) != 0) {
      report(instance.users_at, what + " cannot be read: " + std::strerror(failure ? failure : errno));
    }
  }

  void check_listeners() {
    using Held = std::pair<const InstanceConfig*, const ListenerConfig*>;  // null: the fleet itself
    std::map<std::uint16_t, std::vector<Held>> by_port;
    if (fleet_.metrics) by_port[*fleet_.metrics->port].emplace_back(nullptr, &*fleet_.metrics);
    for (const InstanceConfig& instance : fleet_.instances) {
      for (const ListenerConfig& listener : instance.listeners) {
        if (!listener.port) continue;
        std::vector<Held>& held = by_port[*listener.port];
        const auto other =
            std::find_if(held.begin(), held.end(), [&](const Held& h) { return overlaps(*h.second, listener); });
        if (other != held.end())
          report(listener.at, "instance " + instance.name + ": port " + std::to_string(*listener.port) +
                                  " is held by " + (other->first ? "instance " + other->first->name : "fleet.metrics") +
                                  " (" + other->second->at.line_text() + "); choose another, or auto");
        held.emplace_back(&instance, &listener);
      }
    }
  }

  /// Main file first, then by name; line by line.
  void sort_problems() {
    const auto key = [this](const Problem& p) {
      return std::tuple(p.at.file != main_shown_, std::string_view(p.at.file), p.at.line, p.at.column);
    };
    std::stable_sort(problems_.begin(), problems_.end(),
                     [&](const Problem& a, const Problem& b) { return key(a) < key(b); });
  }

  UsersFiles users_files_;
  const std::vector<std::string>* names_;
  const FleetConfig* known_;
  bool logs_to_stdout_;
  fs::path here_;
  fs::path main_;
  fs::path folder_;
  std::string main_shown_;
  Position run_dir_at_{main_shown_};
  FleetConfig fleet_;
  Layer defaults_;
  std::map<std::string, Layer, std::less<>> templates_;
  std::map<std::string, Layer, std::less<>> workers_;
  std::vector<Problem> problems_;
};

}  // namespace

Loaded load(const Places& places, UsersFiles users_files) { return Loader(places, users_files).load(); }

Loaded load_some(const Places& places, const std::vector<std::string>& names, const FleetConfig& known,
                 UsersFiles users_files) {
  return Loader(places, users_files, &names, &known).load();
}

}  // namespace shoal::config
