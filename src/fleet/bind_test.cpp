#include "fleet/bind.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <random>

#include "fleet/port_holder.hpp"

namespace shoal::fleet {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

base::UniqueFd socket_on(const std::string& host, std::uint16_t port, bool listening) {
  base::UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  ::inet_pton(AF_INET, host.c_str(), &address.sin_addr);
  if (::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) return {};
  if (listening && ::listen(fd.get(), 1) != 0) return {};
  return fd;
}

std::uint16_t port_of(int fd) {
  sockaddr_storage address{};
  socklen_t length = sizeof address;
  ::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length);
  return ntohs(reinterpret_cast<sockaddr_in&>(address).sin_port);  // the same place in both families
}

/// Ports that were free a moment ago, in a row.
std::uint16_t free_ports(unsigned count) {
  std::random_device random;
  for (int attempt = 0; attempt < 200; ++attempt) {
    // The kernel gives none of these to a connection of somebody else's meanwhile.
    const auto first = static_cast<std::uint16_t>(10'000 + random() % 20'000);
    unsigned free = 0;
    while (free < count && first + free <= 65535 &&
           socket_on("0.0.0.0", static_cast<std::uint16_t>(first + free), true))
      ++free;
    if (free == count) return first;
  }
  ADD_FAILURE() << "no free ports";
  return 0;
}

bool has_ipv6() {
  const base::UniqueFd fd(::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in6 address{};
  address.sin6_family = AF_INET6;
  address.sin6_addr = in6addr_loopback;
  return fd && ::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
}

unsigned open_descriptors() {
  unsigned count = 0;
  for ([[maybe_unused]] const auto& entry : fs::directory_iterator("/proc/self/fd")) ++count;
  return count;
}

std::string here() {
  std::string path = fs::read_symlink("/proc/self/exe").filename();
  return path.substr(0, 15) + " (pid " + std::to_string(::getpid()) + ')';
}

class Bind : public testing::Test {
 protected:
  Bind() {
    std::string path = fs::temp_directory_path() / "shoal-bind-XXXXXX";
    folder_ = ::mkdtemp(path.data());
  }
  ~Bind() override { fs::remove_all(folder_); }

  void add(const std::string& name, const std::string& host, std::optional<std::uint16_t> port) {
    config::InstanceConfig* instance = nullptr;
    for (auto& known : fleet_.instances)
      if (known.name == name) instance = &known;
    if (!instance) instance = &fleet_.instances.emplace_back();
    instance->name = name;
    instance->state_dir = folder_ / name;
    instance->at = {"shoal.toml", ++line_, 2};
    instance->listeners.push_back(
        {.host = host, .ipv6 = host.find(':') != std::string::npos, .port = port, .at = {"shoal.toml", ++line_, 14}});
  }
  void range(unsigned first, unsigned count) {
    fleet_.port_range = {static_cast<std::uint16_t>(first), static_cast<std::uint16_t>(first + count - 1)};
  }
  Bound bind(PortBook& book) {
    std::vector<const config::InstanceConfig*> plan;
    for (const auto& instance : fleet_.instances) plan.push_back(&instance);
    return bind_all(plan, book);
  }
  Bound bind() {
    PortBook book(fleet_);
    return bind(book);
  }
  static std::vector<std::string> texts(const std::vector<config::Problem>& problems) {
    std::vector<std::string> lines;
    for (const auto& problem : problems) lines.push_back(problem.text());
    return lines;
  }

  fs::path folder_;
  config::FleetConfig fleet_;
  unsigned line_ = 0;
};

TEST_F(Bind, FixedAndAutomaticPortsServe) {
  const std::uint16_t first = free_ports(3);
  range(first, 3);
  add("a", "127.0.0.1", first);
  add("a", "127.0.0.1", {});
  add("b", "0.0.0.0", {});
  const Bound bound = bind();
  ASSERT_THAT(texts(bound.problems), IsEmpty());
  EXPECT_THAT(bound.notes, IsEmpty());
  ASSERT_EQ(bound.instances.size(), 2u);
  EXPECT_EQ(bound.instances[0].name, "a");
  ASSERT_EQ(bound.instances[0].listeners.size(), 2u);
  const auto at = [&](unsigned offset) { return std::to_string(first + offset); };
  EXPECT_EQ(bound.instances[0].listeners[0].url, "mqtt://127.0.0.1:" + at(0));
  EXPECT_EQ(bound.instances[0].listeners[1].url, "mqtt://127.0.0.1:" + at(1));
  EXPECT_EQ(bound.instances[1].listeners[0].url, "mqtt://0.0.0.0:" + at(2));
  for (const BoundInstance& instance : bound.instances) {
    for (const BoundListener& listener : instance.listeners) {
      const int fd = listener.fd.get();
      EXPECT_EQ(port_of(fd), listener.port);
      EXPECT_TRUE(::fcntl(fd, F_GETFL) & O_NONBLOCK);
      EXPECT_TRUE(::fcntl(fd, F_GETFD) & FD_CLOEXEC);
      int listening = 0;
      socklen_t length = sizeof listening;
      ::getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &length);
      EXPECT_EQ(listening, 1);
    }
  }
}

TEST_F(Bind, BothFamiliesShareAPort) {
  if (!has_ipv6()) GTEST_SKIP() << "no IPv6 here";
  const std::uint16_t port = free_ports(1);
  add("a", "0.0.0.0", port);
  add("b", "::", port);
  const Bound bound = bind();
  ASSERT_THAT(texts(bound.problems), IsEmpty());
  EXPECT_EQ(bound.instances[1].listeners[0].url, "mqtt://[::]:" + std::to_string(port));
}

TEST_F(Bind, AllOrNothing) {
  const std::uint16_t first = free_ports(3);
  const auto stranger = socket_on("127.0.0.1", static_cast<std::uint16_t>(first + 1), true);
  ASSERT_TRUE(stranger);
  add("a", "127.0.0.1", first);
  add("b", "127.0.0.1", static_cast<std::uint16_t>(first + 1));
  add("c", "192.0.2.1", static_cast<std::uint16_t>(first + 2));
  const unsigned before = open_descriptors();
  const Bound bound = bind();
  EXPECT_THAT(texts(bound.problems),
              ElementsAre("shoal.toml:4:14: instance b: port " + std::to_string(first + 1) + " is held by " + here() +
                              "; stop it, or choose another port or auto",
                          "shoal.toml:6:14: instance c: address 192.0.2.1 is not one of this machine; see `ip addr`"));
  EXPECT_THAT(bound.instances, IsEmpty());
  EXPECT_EQ(open_descriptors(), before);
}

TEST_F(Bind, TheControllersOwnListenerIsBoundOrSaysWhoHasItsPort) {
  const std::uint16_t first = free_ports(2);
  const auto own = [&](std::uint16_t port) {
    const config::ListenerConfig at{.host = "127.0.0.1", .ipv6 = false, .port = port, .at = {"shoal.toml", 2, 11}};
    return bind_own("fleet.metrics", at, PortBook(fleet_));
  };
  const auto bound = own(first);
  ASSERT_TRUE(std::holds_alternative<BoundListener>(bound));
  EXPECT_EQ(std::get<BoundListener>(bound).port, first);
  const auto refused = own(first);
  ASSERT_TRUE(std::holds_alternative<config::Problem>(refused));
  EXPECT_EQ(std::get<config::Problem>(refused).text(), "shoal.toml:2:11: fleet.metrics: port " + std::to_string(first) +
                                                           " is held by " + here() +
                                                           "; stop it, or choose another port");
}

TEST_F(Bind, AnInstanceThatHoldsThePortIsNamed) {
  const std::uint16_t port = free_ports(1);
  range(port, 1);
  add("lab", "127.0.0.1", {});
  const Bound running = bind();
  ASSERT_THAT(texts(running.problems), IsEmpty());
  add("plant-a", "127.0.0.1", port);
  PortBook book(fleet_);
  const config::InstanceConfig* plan[] = {&fleet_.instances[1]};
  EXPECT_THAT(texts(bind_all(plan, book).problems),
              ElementsAre("shoal.toml:4:14: instance plant-a: port " + std::to_string(port) +
                          " is held by instance lab (shoal.toml:2); stop it, or choose another port or auto"));
}

TEST_F(Bind, AnAutomaticPortIsKeptForLife) {
  const std::uint16_t first = free_ports(3);
  range(first, 3);
  add("a", "127.0.0.1", {});
  add("b", "127.0.0.1", {});
  EXPECT_EQ(bind().instances.at(1).listeners[0].port, first + 1);
  fleet_.instances.erase(fleet_.instances.begin());
  range(free_ports(1), 1);
  const Bound again = bind();
  ASSERT_THAT(texts(again.problems), IsEmpty());
  EXPECT_EQ(again.instances.at(0).listeners[0].port, first + 1);
  EXPECT_THAT(again.notes, IsEmpty());
}

TEST_F(Bind, ARememberedPortThatAStrangerTookIsReplacedAndTold) {
  const std::uint16_t first = free_ports(2);
  range(first, 2);
  add("lab", "127.0.0.1", {});
  ASSERT_EQ(bind().instances.at(0).listeners[0].port, first);
  const auto stranger = socket_on("127.0.0.1", first, true);
  ASSERT_TRUE(stranger);
  const Bound bound = bind();
  EXPECT_THAT(bound.notes, ElementsAre("instance lab: port " + std::to_string(first) + " is held by " + here() +
                                       "; its port is " + std::to_string(first + 1) + " now"));
  ASSERT_EQ(bound.instances.at(0).listeners[0].port, first + 1);
  EXPECT_EQ(PortBook(fleet_).remembered("lab", 0), first + 1);
}

TEST_F(Bind, ARememberedPortThatAnotherInstanceNowWritesIsReplaced) {
  const std::uint16_t first = free_ports(2);
  range(first, 2);
  add("lab", "127.0.0.1", {});
  ASSERT_EQ(bind().instances.at(0).listeners[0].port, first);
  add("plant-a", "0.0.0.0", first);
  const Bound bound = bind();
  ASSERT_THAT(texts(bound.problems), IsEmpty());
  EXPECT_EQ(bound.instances[0].listeners[0].port, first + 1);
  EXPECT_EQ(bound.instances[1].listeners[0].port, first);
  EXPECT_THAT(bound.notes, ElementsAre("instance lab: port " + std::to_string(first) +
                                       " was given to instance plant-a (shoal.toml:4); its port is " +
                                       std::to_string(first + 1) + " now"));
}

TEST_F(Bind, AnAutomaticPortIsNeverOneOfAnInstanceThatDoesNotRun) {
  const std::uint16_t first = free_ports(3);
  range(first, 3);
  add("remembers", "127.0.0.2", {});
  ASSERT_EQ(bind().instances.at(0).listeners[0].port, first);
  add("writes", "127.0.0.2", static_cast<std::uint16_t>(first + 1));
  add("new", "127.0.0.1", {});
  PortBook book(fleet_);
  const config::InstanceConfig* plan[] = {&fleet_.instances[2]};
  EXPECT_EQ(bind_all(plan, book).instances.at(0).listeners[0].port, first + 2);
}

TEST_F(Bind, AForeignPortIsFreeOnEveryAddressAndIsNotKept) {
  const std::uint16_t port = free_ports(1);
  add("foreign", "127.0.0.1", port);
  fleet_.instances[0].listeners[0].foreign = true;
  {
    const Bound bound = bind();
    ASSERT_THAT(texts(bound.problems), IsEmpty());
    EXPECT_EQ(bound.instances.at(0).listeners.at(0).port, port);
    EXPECT_FALSE(bound.instances[0].listeners[0].fd) << "its broker binds it";
    EXPECT_TRUE(socket_on("127.0.0.1", port, true));
  }
  const base::UniqueFd elsewhere = socket_on("127.0.0.3", port, true);
  EXPECT_THAT(texts(bind().problems),
              ElementsAre(HasSubstr("port " + std::to_string(port) + " is held by fleet_test (")));
}

TEST_F(Bind, AFullRangeIsAProblem) {
  const std::uint16_t port = free_ports(1);
  range(port, 1);
  add("a", "127.0.0.1", port);
  add("b", "127.0.0.1", {});
  EXPECT_THAT(texts(bind().problems),
              ElementsAre("shoal.toml:4:14: instance b: no free port in " + std::to_string(port) + '-' +
                          std::to_string(port) + "; choose a wider fleet.port_range"));
}

TEST_F(Bind, PortsThatCannotBeRememberedKeepNobodyFromListening) {
  fs::remove_all(folder_);
  range(free_ports(1), 1);
  add("a", "127.0.0.1", {});
  fleet_.instances[0].state_dir = "/proc/none";
  const Bound bound = bind();
  EXPECT_THAT(bound.problems, IsEmpty());
  EXPECT_THAT(bound.notes, ElementsAre(HasSubstr("cannot write /proc/none/ports: ")));
  EXPECT_EQ(bound.instances.size(), 1u);
}

}  // namespace
}  // namespace shoal::fleet
