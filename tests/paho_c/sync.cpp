#include <MQTTClient.h>

#include <chrono>
#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>

#include "client.hpp"

// The synchronous library: calls return when they are answered. Messages and the ends of handshakes come by
// callbacks: without them the library looks for packets every 100 ms.

namespace paho_c {
namespace {

constexpr std::chrono::milliseconds kPatience{kPatience_ms};

class SyncClient final : public Client {
 public:
  SyncClient(int port, const std::string& id, int version) : v5_(version == 5) {
    const std::string uri = "tcp://127.0.0.1:" + std::to_string(port);
    MQTTClient_createOptions options = MQTTClient_createOptions_initializer;
    options.MQTTVersion = version;
    CHECK(MQTTClient_createWithOptions(&handle_, uri.c_str(), id.c_str(), MQTTCLIENT_PERSISTENCE_NONE, nullptr,
                                       &options) == MQTTCLIENT_SUCCESS);
    CHECK(MQTTClient_setCallbacks(handle_, this, nullptr, on_message, v5_ ? nullptr : on_complete) ==
          MQTTCLIENT_SUCCESS);
    if (v5_) CHECK(MQTTClient_setPublished(handle_, this, on_published) == MQTTCLIENT_SUCCESS);
  }
  ~SyncClient() override {
    if (connected()) disconnect({}, false);
    MQTTClient_destroy(&handle_);
  }

  Connected connect(const Connect& how) override {
    MQTTClient_connectOptions options = MQTTClient_connectOptions_initializer;
    if (v5_) options = MQTTClient_connectOptions_initializer5;
    else options.MQTTVersion = MQTTVERSION_3_1_1;
    (v5_ ? options.cleanstart : options.cleansession) = how.clean;
    options.keepAliveInterval = how.keep_alive_s;
    options.reliable = 0;
    MQTTClient_willOptions will = MQTTClient_willOptions_initializer;
    if (how.will) {
      will.topicName = how.will->topic.c_str();
      will.message = how.will->payload.c_str();
      will.qos = how.will->qos;
      will.retained = how.will->retained;
      options.will = &will;
    }
    if (how.login) {
      options.username = how.login->user.c_str();
      options.password = how.login->password.c_str();
    }
    Connected connected;
    if (v5_) {
      NativeProperties properties(how.properties);
      NativeProperties will_properties(how.will ? how.will->properties : Properties{});
      MQTTResponse response =
          MQTTClient_connect5(handle_, &options, properties.get(), how.will ? will_properties.get() : nullptr);
      connected.code = response.reasonCode;
      if (response.properties) connected.properties = to_properties(*response.properties);
      MQTTResponse_free(response);
    } else {
      connected.code = MQTTClient_connect(handle_, &options);
      connected.session_present = options.returned.sessionPresent != 0;
    }
    return connected;
  }

  void disconnect(const Properties& properties, bool with_will) override {
    NativeProperties native(properties);
    const auto reason = with_will ? MQTTREASONCODE_DISCONNECT_WITH_WILL_MESSAGE : MQTTREASONCODE_SUCCESS;
    const int code = v5_ ? MQTTClient_disconnect5(handle_, kPatience_ms, reason, native.get())
                         : MQTTClient_disconnect(handle_, kPatience_ms);
    CHECK(code == MQTTCLIENT_SUCCESS);
  }

  bool connected() override { return MQTTClient_isConnected(handle_) != 0; }

  int subscribe(const std::string& filter, int qos, SubscribeOptions options, const Properties& properties) override {
    if (!v5_) {
      const int code = MQTTClient_subscribe(handle_, filter.c_str(), qos);
      return code == MQTTCLIENT_SUCCESS ? qos : code;
    }
    MQTTSubscribe_options native = MQTTSubscribe_options_initializer;
    native.noLocal = options.no_local;
    native.retainAsPublished = options.retain_as_published;
    native.retainHandling = static_cast<unsigned char>(options.retain_handling);
    NativeProperties given(properties);
    return code(MQTTClient_subscribe5(handle_, filter.c_str(), qos, &native, given.get()));
  }

  int unsubscribe(const std::string& filter) override {
    return v5_ ? code(MQTTClient_unsubscribe5(handle_, filter.c_str(), nullptr))
               : MQTTClient_unsubscribe(handle_, filter.c_str());
  }

  int publish(const Message& message) override {
    const MQTTClient_deliveryToken token = start(message);
    if (message.qos == 0) return 0;
    std::unique_lock lock(mutex_);
    CHECK(came_.wait_for(lock, kPatience, [&] { return complete_.contains(token); }));
    const int code = complete_.at(token);
    complete_.erase(token);
    return code;
  }
  void send(const Message& message) override { start(message); }

  std::optional<Message> receive(int timeout_ms) override {
    std::unique_lock lock(mutex_);
    if (!came_.wait_for(lock, std::chrono::milliseconds(timeout_ms), [&] { return !messages_.empty(); })) return {};
    Message message = std::move(messages_.front());
    messages_.pop_front();
    return message;
  }

 private:
  static int code(MQTTResponse response) {
    const int value = response.reasonCodes ? response.reasonCodes[0] : response.reasonCode;
    MQTTResponse_free(response);
    return value;
  }

  MQTTClient_deliveryToken start(const Message& message) {
    MQTTClient_deliveryToken token = 0;
    const int size = static_cast<int>(message.payload.size());
    if (v5_) {
      NativeProperties properties(message.properties);
      CHECK(code(MQTTClient_publish5(handle_, message.topic.c_str(), size, message.payload.data(), message.qos,
                                     message.retained, properties.get(), &token)) == MQTTCLIENT_SUCCESS);
    } else {
      CHECK(MQTTClient_publish(handle_, message.topic.c_str(), size, message.payload.data(), message.qos,
                               message.retained, &token) == MQTTCLIENT_SUCCESS);
    }
    return token;
  }

  static int on_message(void* context, char* topic, int, MQTTClient_message* native) {
    auto& self = *static_cast<SyncClient*>(context);
    {
      const std::lock_guard lock(self.mutex_);
      self.messages_.push_back({topic,
                                {static_cast<char*>(native->payload), static_cast<std::size_t>(native->payloadlen)},
                                native->qos,
                                native->retained != 0,
                                to_properties(native->properties)});
    }
    self.came_.notify_all();
    MQTTClient_freeMessage(&native);
    MQTTClient_free(topic);
    return 1;
  }
  static void on_complete(void* context, MQTTClient_deliveryToken token) {
    on_published(context, token, 0, nullptr, MQTTREASONCODE_SUCCESS);
  }
  static void on_published(void* context, int token, int, MQTTProperties*, MQTTReasonCodes code) {
    auto& self = *static_cast<SyncClient*>(context);
    const std::lock_guard lock(self.mutex_);
    self.complete_[token] = code;
    self.came_.notify_all();
  }

  const bool v5_;
  MQTTClient handle_ = nullptr;
  std::mutex mutex_;
  std::condition_variable came_;
  std::deque<Message> messages_;
  std::map<MQTTClient_deliveryToken, int> complete_;
};

}  // namespace

std::unique_ptr<Client> make_client(int port, const std::string& id, int version) {
  return std::make_unique<SyncClient>(port, id, version);
}

}  // namespace paho_c
