#include "controller/worker_sockets.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>

namespace shoal::controller {
namespace {

constexpr std::string_view kSuffix = ".sock";

std::string file_of(const std::string& slot) {
  std::string file = slot;
  std::replace(file.begin(), file.end(), ' ', '.');  // there is one; names have none
  return file + std::string(kSuffix);
}

// By way of the folder's descriptor: the path of a socket has a length that folders may exceed.
sockaddr_un address_of(int folder, const std::string& slot) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string path = "/proc/self/fd/" + std::to_string(folder) + '/' + file_of(slot);
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  return address;
}

Error system_error(const std::string& what, ErrorCode code = ErrorCode::io) {
  return {code, what + ": " + std::strerror(errno)};
}

}  // namespace

WorkerProcess process_behind(const base::UniqueFd& socket) {
  ucred peer{};
  socklen_t size = sizeof peer;
  ::getsockopt(socket.get(), SOL_SOCKET, SO_PEERCRED, &peer, &size);
  return {peer.pid, base::UniqueFd(static_cast<int>(::syscall(SYS_pidfd_open, peer.pid, 0)))};
}

Result<WorkerSockets> WorkerSockets::open(const std::string& folder, Missing missing) {
  // Not by somebody who only looks: root's folder would be in the way of a controller that somebody else runs.
  if (missing == Missing::make) ::mkdir(folder.c_str(), 0700);
  base::UniqueFd fd(::open(folder.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!fd) return system_error("the folder " + folder + " cannot be used");
  return WorkerSockets(std::move(fd));
}

Result<base::UniqueFd> WorkerSockets::bind(const std::string& slot) {
  remove(slot);
  base::UniqueFd socket(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
  const sockaddr_un address = address_of(folder_.get(), slot);
  if (!socket || ::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      ::listen(socket.get(), 8) != 0) {
    return system_error("no socket for the worker " + slot);
  }
  return socket;
}

Result<base::UniqueFd> WorkerSockets::connect(const std::string& slot) const {
  base::UniqueFd socket(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
  const sockaddr_un address = address_of(folder_.get(), slot);
  if (socket && ::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0)
    return socket;
  const bool nobody = errno == ECONNREFUSED || errno == ENOENT;
  return system_error("the worker " + slot + " cannot be reached", nobody ? ErrorCode::unavailable : ErrorCode::io);
}

// A socket of another type is not let in, which tells that there is one.
bool WorkerSockets::has_worker(const std::string& slot) const {
  const base::UniqueFd socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  const sockaddr_un address = address_of(folder_.get(), slot);
  return socket && ::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 &&
         errno == EPROTOTYPE;
}

std::vector<std::string> WorkerSockets::slots() const {
  std::vector<std::string> found;
  std::error_code error;
  const std::string folder = "/proc/self/fd/" + std::to_string(folder_.get());
  for (std::filesystem::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    std::string slot = it->path().filename();
    if (!slot.ends_with(kSuffix)) continue;
    slot.resize(slot.size() - kSuffix.size());
    const std::size_t dot = slot.find('.');
    if (dot == std::string::npos) continue;
    slot[dot] = ' ';
    if (slot.starts_with("own ") || slot.starts_with("group ")) found.push_back(std::move(slot));
  }
  std::sort(found.begin(), found.end());
  return found;
}

void WorkerSockets::remove(const std::string& slot) { ::unlinkat(folder_.get(), file_of(slot).c_str(), 0); }

}  // namespace shoal::controller
