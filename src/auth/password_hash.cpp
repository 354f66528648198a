#include "auth/password_hash.hpp"

#include <argon2.h>
#include <sys/mman.h>
#include <sys/random.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "auth/encoded_hash.hpp"

namespace shoal::auth {
namespace {

constexpr std::size_t kSaltBytes = 16;
constexpr std::size_t kHashBytes = 32;

/// The memory that a thread hashes in, kept until the thread ends: fresh pages for each hash cost half
/// as much again as the hash, and through malloc they would stay with the process.
class HashMemory {
 public:
  HashMemory() = default;
  ~HashMemory() { release(); }
  HashMemory(const HashMemory&) = delete;
  HashMemory& operator=(const HashMemory&) = delete;

  std::uint8_t* get(std::size_t bytes) {
    if (bytes <= bytes_) return memory_;
    release();
    void* memory = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) return nullptr;
    memory_ = static_cast<std::uint8_t*>(memory);
    bytes_ = bytes;
    return memory_;
  }

 private:
  void release() {
    if (memory_ != nullptr) ::munmap(memory_, bytes_);
    memory_ = nullptr;
    bytes_ = 0;
  }

  std::uint8_t* memory_ = nullptr;
  std::size_t bytes_ = 0;
};

int lend_memory(std::uint8_t** memory, std::size_t bytes) {
  static thread_local HashMemory mine;
  *memory = mine.get(bytes);
  return *memory == nullptr ? ARGON2_MEMORY_ALLOCATION_ERROR : ARGON2_OK;
}

void keep_memory(std::uint8_t*, std::size_t) {}

/// Fills `hash.hash`, which has the wanted size, from password, salt and cost.
int run_argon2id(EncodedHash& hash, std::string_view password) {
  // libargon2 takes pointers to mutable bytes and, without its "clear" flags, only reads password and salt.
  argon2_context context{};
  context.out = hash.hash.data();
  context.outlen = static_cast<std::uint32_t>(hash.hash.size());
  context.pwd = reinterpret_cast<std::uint8_t*>(const_cast<char*>(password.data()));
  context.pwdlen = static_cast<std::uint32_t>(password.size());
  context.salt = hash.salt.data();
  context.saltlen = static_cast<std::uint32_t>(hash.salt.size());
  context.t_cost = hash.cost.passes;
  context.m_cost = hash.cost.memory_kib;
  context.lanes = hash.cost.lanes;
  context.threads = 1;
  context.version = ARGON2_VERSION_13;
  context.allocate_cbk = lend_memory;
  context.free_cbk = keep_memory;
  return argon2id_ctx(&context);
}

}  // namespace

Result<std::string> hash_password(std::string_view password) {
  EncodedHash hash{kHashCost, std::vector<std::uint8_t>(kSaltBytes), std::vector<std::uint8_t>(kHashBytes)};
  if (::getrandom(hash.salt.data(), hash.salt.size(), 0) != static_cast<ssize_t>(hash.salt.size())) {
    return Error{ErrorCode::io, std::string("cannot get random bytes for a salt: ") + std::strerror(errno)};
  }
  if (const int status = run_argon2id(hash, password); status != ARGON2_OK) {
    return Error{ErrorCode::resource_exhausted, std::string("cannot hash a password: ") + argon2_error_message(status)};
  }
  return hash.text();
}

bool verify_password(std::string_view encoded, std::string_view password) {
  EncodedHash claimed;
  if (claimed.parse(encoded)) return false;
  const std::vector<std::uint8_t> stored = claimed.hash;
  if (run_argon2id(claimed, password) != ARGON2_OK) return false;
  unsigned difference = 0;
  for (std::size_t i = 0; i < stored.size(); ++i) difference |= stored[i] ^ claimed.hash[i];
  return difference == 0;
}

std::optional<HashProblem> find_hash_problem(std::string_view encoded) { return EncodedHash{}.parse(encoded); }

}  // namespace shoal::auth
