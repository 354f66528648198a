#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <filesystem>

#include "store/backup.hpp"

// The way back from a backup. While it goes on the store is locked, and nobody starts on half of it.

namespace shoal::store {
namespace {

constexpr const char* kUnderWay = "restore.tmp";

Error restore_error(const std::string& store, const std::string& what, Errno error) {
  const ErrorCode code =
      error == EACCES || error == EPERM || error == EROFS ? ErrorCode::permission_denied : ErrorCode::io;
  return {code, "the store " + store + " cannot be restored: " + what + ": " + std::strerror(error)};
}

std::string count_of(std::uint64_t count, const char* noun) {
  return std::to_string(count) + ' ' + noun + (count == 1 ? "" : "s");
}

// What would be lost; empty: nothing. A store that was only started has segments, and nothing in them.
std::string find_content(Directory& directory) {
  auto content = read_log(directory);
  if (!content) return content.error().message;
  const Reading reading = comes_to(std::move(*content));
  if (!reading.content.report.damages.empty() || reading.missing.all() != 0) return "it is damaged";
  const Totals totals = count(reading.image);
  if (totals == Totals()) return "";
  return "it has " + count_of(totals.sessions, "session") + " and " + count_of(totals.retained, "retained message");
}

// Segments, and those that were set aside for being damaged.
bool is_of_a_store(const std::string& name) {
  return segment_number(name.ends_with(kSetAside) ? name.substr(0, name.size() - kSetAside.size()) : name).has_value();
}

std::string stamp(WallMs now) {
  const auto seconds = static_cast<std::time_t>(now / 1000);
  std::tm utc{};
  ::gmtime_r(&seconds, &utc);
  char text[32];
  return {text, std::strftime(text, sizeof text, "%Y%m%dT%H%M%SZ", &utc)};
}

// Empty where the path has none.
std::string parent_of(const std::string& path) { return std::filesystem::path(path).parent_path().string(); }

// Root may restore for the user of the fleet: what it makes belongs to whoever has the folder it is in.
void give_away(const std::string& path) {
  struct stat folder {};
  if (::geteuid() != 0 || ::stat(parent_of(path).c_str(), &folder) != 0) return;
  (void)!::lchown(path.c_str(), folder.st_uid, folder.st_gid);
}

// Whoever opens the folder says why it cannot be.
void make_folder(const std::string& path, mode_t mode) {
  struct stat status {};
  if (path.empty() || ::stat(path.c_str(), &status) == 0) return;
  make_folder(parent_of(path), 0750);
  if (::mkdir(path.c_str(), mode) == 0) give_away(path);
}

class Restoring {
 public:
  Restoring(Directory& directory, WallMs now) : directory_(directory), now_(now) {}

  Result<void> run(const LogContent::Segment& backup, bool keep, std::string& kept_aside) {
    std::vector<std::string> names;
    if (const Errno error = directory_.list(names)) return failed("it cannot be read", error);
    std::erase_if(names, [](const std::string& name) { return !is_of_a_store(name); });
    // The newest first: what is left when this is interrupted is what there was at some time before.
    std::sort(names.rbegin(), names.rend());
    if (const Errno error = write(backup)) {
      (void)directory_.remove(kUnderWay);
      return failed("the backup cannot be written into it", error);
    }
    if (keep && !names.empty()) {
      if (auto moved = move_aside(names, kept_aside); !moved) {
        (void)directory_.remove(kUnderWay);
        return moved;
      }
    } else {
      for (const std::string& name : names) {
        if (!segment_number(name)) continue;
        if (const Errno error = directory_.remove(name)) return failed(name + " cannot be removed", error);
      }
    }
    Errno error = directory_.rename(kUnderWay, segment_name(1));
    if (error == 0) error = directory_.sync();
    if (error != 0) return failed("the backup cannot be put in its place; do it again", error);
    return {};
  }

 private:
  Error failed(const std::string& what, Errno error) const { return restore_error(directory_.path(), what, error); }

  Errno write(const LogContent::Segment& backup) {
    (void)directory_.remove(kUnderWay);
    std::unique_ptr<File> file;
    Errno error = directory_.create(kUnderWay, file);
    if (error == 0) error = file->append({backup.memory.get(), backup.size});
    if (error == 0) error = file->sync();
    give_away(directory_.path() + '/' + kUnderWay);
    return error;
  }

  Result<void> move_aside(const std::vector<std::string>& names, std::string& folder) {
    const std::string base = directory_.path() + ".before-restore-" + stamp(now_);
    folder = base;
    for (int again = 2; ::mkdir(folder.c_str(), 0700) != 0; ++again) {
      if (errno != EEXIST) return failed("the folder " + folder + " cannot be made", errno);
      folder = base + '-' + std::to_string(again);
    }
    give_away(folder);
    for (const std::string& name : names) {
      if (::rename((directory_.path() + '/' + name).c_str(), (folder + '/' + name).c_str()) != 0) {
        return failed(name + " cannot be moved to " + folder + "; what was moved is there", errno);
      }
    }
    for (const std::string& each : {folder, parent_of(folder)}) {
      if (const auto opened = read_directory(each)) (void)(*opened)->sync();
    }
    return {};
  }

  Directory& directory_;
  WallMs now_;
};

}  // namespace

Result<Restored> restore_backup(const std::string& file, const std::string& store, bool force, WallMs now) {
  auto read = read_backup(file);
  if (!read) return std::move(read).error();
  const Reading backup = comes_to(std::move(*read));
  const auto damaged = [&](const std::string& what) {
    return Error{ErrorCode::io, "the backup " + file + " is damaged and not used: " + what};
  };
  if (const auto& damages = backup.content.report.damages; !damages.empty()) return damaged(damages.front().what);
  if (backup.missing.all() != 0) return damaged("something in it refers to what is not there");

  make_folder(store, 0700);
  auto directory = open_directory(store);
  if (!directory) return std::move(directory).error();
  const std::string content = find_content(**directory);
  if (!content.empty() && !force) {
    return Error{ErrorCode::invalid_argument, "the store " + store + " is not empty: " + content};
  }
  Restored restored{.totals = count(backup.image), .kept_aside = ""};
  auto done = Restoring(**directory, now).run(backup.content.segments.front(), !content.empty(), restored.kept_aside);
  if (!done) return std::move(done).error();
  return restored;
}

}  // namespace shoal::store
