#pragma once

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <vector>

// Unlike the library's other headers this one does not say it itself.
extern "C" {
#include <MQTTProperties.h>
}

// What the scenarios ask of a client, whichever of Paho's two libraries it is made with.

/// Ends the program when something is not as it has to be.
#define CHECK(...)                                                                   \
  do {                                                                               \
    if (!(__VA_ARGS__)) {                                                            \
      std::fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #__VA_ARGS__); \
      std::exit(1);                                                                  \
    }                                                                                \
  } while (false)

namespace paho_c {

/// Far more than anything that works needs.
inline constexpr int kPatience_ms = 20'000;

struct Property {
  MQTTPropertyCodes id{};
  long long number = 0;  ///< of numeric properties
  std::string text{};    ///< of the others; the name of a user property
  std::string value{};   ///< of a user property
  bool operator==(const Property&) const = default;
};
using Properties = std::vector<Property>;

/// The library's form of properties.
class NativeProperties {
 public:
  explicit NativeProperties(const Properties& properties);
  ~NativeProperties() { MQTTProperties_free(&native_); }
  NativeProperties(const NativeProperties&) = delete;
  NativeProperties& operator=(const NativeProperties&) = delete;

  MQTTProperties* get() { return &native_; }

 private:
  MQTTProperties native_ = MQTTProperties_initializer;
};
Properties to_properties(const MQTTProperties& native);

struct Message {
  std::string topic;
  std::string payload;
  int qos = 0;
  bool retained = false;
  Properties properties{};
};

struct Will {
  std::string topic;
  std::string payload;
  int qos = 0;
  bool retained = false;
  Properties properties{};
};

struct Login {
  std::string user;
  std::string password;
};

/// How a client connects.
struct Connect {
  bool clean = true;
  std::optional<Will> will{};
  std::optional<Login> login{};
  Properties properties{};
  int keep_alive_s = 60;
};

/// CONNACK.
struct Connected {
  int code = 0;
  std::optional<bool> session_present{};  ///< where the library tells
  Properties properties{};
};

struct SubscribeOptions {
  bool no_local = false;
  bool retain_as_published = false;
  int retain_handling = 0;
};

/// One client of a broker on 127.0.0.1. Its destruction disconnects.
class Client {
 public:
  virtual ~Client() = default;
  virtual Connected connect(const Connect& how = {}) = 0;
  /// `with_will`: asks the broker to send the will; 5.0 only.
  virtual void disconnect(const Properties& properties = {}, bool with_will = false) = 0;
  virtual bool connected() = 0;
  /// Return the broker's code; 0x80 for any refusal before 5.0.
  virtual int subscribe(const std::string& filter, int qos, SubscribeOptions options = {},
                        const Properties& properties = {}) = 0;
  virtual int unsubscribe(const std::string& filter) = 0;
  /// Returns when the handshake of the QoS is done, with its code, an error at least.
  virtual int publish(const Message& message) = 0;
  /// Does not wait.
  virtual void send(const Message& message) = 0;
  /// The next message; nothing when none comes within the time.
  virtual std::optional<Message> receive(int timeout_ms) = 0;

  /// The next message. There has to be one.
  Message get();
  /// What came until now: it sends a message to itself, and everything in front of that has come.
  std::vector<Message> fence();
};

/// Defined once per library.
std::unique_ptr<Client> make_client(int port, const std::string& id, int version);

}  // namespace paho_c
