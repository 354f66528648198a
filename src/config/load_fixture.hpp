#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "config/fleet_config.hpp"

namespace shoal::config {

namespace fs = std::filesystem;

/// A folder with files, where the test works; gone at the end.
class Load : public testing::Test {
 protected:
  Load() {
    std::string path = fs::temp_directory_path() / "shoal-config-XXXXXX";
    folder_ = ::mkdtemp(path.data());
    previous_ = fs::current_path();
    fs::current_path(folder_);
  }
  ~Load() override {
    fs::current_path(previous_);
    fs::remove_all(folder_);
  }

  void write(const std::string& name, const std::string& text) {
    fs::create_directories((folder_ / name).parent_path());
    std::ofstream(folder_ / name) << text;
  }

  Loaded load_main(const std::string& text, UsersFiles users = UsersFiles::required) {
    write("shoal.toml", text);
    return load(Places::find("shoal.toml", "", "home"), users);
  }

  std::vector<std::string> problems(const std::string& text) {
    std::vector<std::string> lines;
    for (const Problem& problem : load_main(text).problems) lines.push_back(problem.text());
    return lines;
  }

  /// The configuration; a problem fails the test.
  FleetConfig good(const std::string& text) {
    Loaded loaded = load_main(text);
    for (const Problem& problem : loaded.problems) ADD_FAILURE() << problem.text();
    return loaded.config.value_or(FleetConfig{});
  }

  fs::path folder_;
  fs::path previous_;
};

inline const std::string kLab = "[instances.lab]\nlisteners = ['mqtt://127.0.0.1:auto']\nauth = { anonymous = true }\n";

}  // namespace shoal::config
