#include <MQTTAsync.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>

#include "client.hpp"

// The asynchronous library: it has threads of its own, and answers by callbacks.

namespace paho_c {
namespace {

constexpr std::chrono::milliseconds kPatience{kPatience_ms};

// The answer to one request.
struct Answer {
  std::mutex mutex;
  std::condition_variable came;
  bool done = false;
  Connected result;

  void give(Connected given) {
    const std::lock_guard lock(mutex);
    result = std::move(given);
    done = true;
    came.notify_all();
  }
  Connected wait() {
    std::unique_lock lock(mutex);
    CHECK(came.wait_for(lock, kPatience, [&] { return done; }));
    return result;
  }
};

Answer& answer(void* context) { return *static_cast<Answer*>(context); }

void connect_done(void* context, MQTTAsync_successData* data) {
  answer(context).give({0, data->alt.connect.sessionPresent != 0, {}});
}
void connect_done5(void* context, MQTTAsync_successData5* data) {
  answer(context).give({data->reasonCode, data->alt.connect.sessionPresent != 0, to_properties(data->properties)});
}
void subscribe_done(void* context, MQTTAsync_successData* data) { answer(context).give({data->alt.qos, false, {}}); }
void subscribe_done5(void* context, MQTTAsync_successData5* data) {
  answer(context).give({data->reasonCode, false, to_properties(data->properties)});
}
void done(void* context, MQTTAsync_successData*) { answer(context).give({}); }
void done5(void* context, MQTTAsync_successData5* data) { answer(context).give({data->reasonCode, false, {}}); }
void failed(void* context, MQTTAsync_failureData* data) { answer(context).give({data->code, false, {}}); }
void failed5(void* context, MQTTAsync_failureData5* data) {
  answer(context).give({data->reasonCode != 0 ? data->reasonCode : data->code, false, {}});
}

class AsyncClient final : public Client {
 public:
  AsyncClient(int port, const std::string& id, int version) : v5_(version == 5) {
    const std::string uri = "tcp://127.0.0.1:" + std::to_string(port);
    MQTTAsync_createOptions options = MQTTAsync_createOptions_initializer;
    options.MQTTVersion = version;
    CHECK(MQTTAsync_createWithOptions(&handle_, uri.c_str(), id.c_str(), MQTTCLIENT_PERSISTENCE_NONE, nullptr,
                                      &options) == MQTTASYNC_SUCCESS);
    CHECK(MQTTAsync_setCallbacks(handle_, this, nullptr, on_message, nullptr) == MQTTASYNC_SUCCESS);
  }
  ~AsyncClient() override {
    if (connected()) disconnect({}, false);
    MQTTAsync_destroy(&handle_);
  }

  Connected connect(const Connect& how) override {
    MQTTAsync_connectOptions options = MQTTAsync_connectOptions_initializer;
    if (v5_) options = MQTTAsync_connectOptions_initializer5;
    else options.MQTTVersion = MQTTVERSION_3_1_1;
    (v5_ ? options.cleanstart : options.cleansession) = how.clean;
    options.keepAliveInterval = how.keep_alive_s;
    MQTTAsync_willOptions will = MQTTAsync_willOptions_initializer;
    NativeProperties properties(how.properties);
    NativeProperties will_properties(how.will ? how.will->properties : Properties{});
    if (how.will) {
      will.topicName = how.will->topic.c_str();
      will.message = how.will->payload.c_str();
      will.qos = how.will->qos;
      will.retained = how.will->retained;
      options.will = &will;
      if (v5_) options.willProperties = will_properties.get();
    }
    if (how.login) {
      options.username = how.login->user.c_str();
      options.password = how.login->password.c_str();
    }
    Answer connack;
    options.context = &connack;
    if (v5_) {
      options.connectProperties = properties.get();
      options.onSuccess5 = connect_done5;
      options.onFailure5 = failed5;
    } else {
      options.onSuccess = connect_done;
      options.onFailure = failed;
    }
    CHECK(MQTTAsync_connect(handle_, &options) == MQTTASYNC_SUCCESS);
    return connack.wait();
  }

  void disconnect(const Properties& properties, bool with_will) override {
    MQTTAsync_disconnectOptions options = MQTTAsync_disconnectOptions_initializer;
    if (v5_) options = MQTTAsync_disconnectOptions_initializer5;
    NativeProperties native(properties);
    options.properties = *native.get();
    options.timeout = kPatience_ms;
    if (with_will) options.reasonCode = MQTTREASONCODE_DISCONNECT_WITH_WILL_MESSAGE;
    Answer ended;
    options.context = &ended;
    if (v5_) options.onSuccess5 = done5;
    else options.onSuccess = done;
    CHECK(MQTTAsync_disconnect(handle_, &options) == MQTTASYNC_SUCCESS);
    ended.wait();
  }

  bool connected() override { return MQTTAsync_isConnected(handle_) != 0; }

  int subscribe(const std::string& filter, int qos, SubscribeOptions options, const Properties& properties) override {
    NativeProperties native(properties);
    Answer suback;
    MQTTAsync_responseOptions response = asking(suback, native);
    if (v5_) response.onSuccess5 = subscribe_done5;
    else response.onSuccess = subscribe_done;
    response.subscribeOptions.noLocal = options.no_local;
    response.subscribeOptions.retainAsPublished = options.retain_as_published;
    response.subscribeOptions.retainHandling = static_cast<unsigned char>(options.retain_handling);
    CHECK(MQTTAsync_subscribe(handle_, filter.c_str(), qos, &response) == MQTTASYNC_SUCCESS);
    return suback.wait().code;
  }

  int unsubscribe(const std::string& filter) override {
    NativeProperties none({});
    Answer unsuback;
    MQTTAsync_responseOptions response = asking(unsuback, none);
    CHECK(MQTTAsync_unsubscribe(handle_, filter.c_str(), &response) == MQTTASYNC_SUCCESS);
    return unsuback.wait().code;
  }

  int publish(const Message& message) override {
    NativeProperties properties(message.properties);
    Answer acknowledged;
    MQTTAsync_responseOptions response = asking(acknowledged, properties);
    start(message, response);
    return acknowledged.wait().code;
  }

  void send(const Message& message) override {
    NativeProperties properties(message.properties);
    MQTTAsync_responseOptions response = MQTTAsync_responseOptions_initializer;
    response.properties = *properties.get();
    start(message, response);
  }

  std::optional<Message> receive(int timeout_ms) override {
    std::unique_lock lock(mutex_);
    if (!came_.wait_for(lock, std::chrono::milliseconds(timeout_ms), [&] { return !messages_.empty(); })) return {};
    Message message = std::move(messages_.front());
    messages_.pop_front();
    return message;
  }

 private:
  MQTTAsync_responseOptions asking(Answer& answered, NativeProperties& properties) const {
    MQTTAsync_responseOptions response = MQTTAsync_responseOptions_initializer;
    response.context = &answered;
    response.properties = *properties.get();
    if (v5_) {
      response.onSuccess5 = done5;
      response.onFailure5 = failed5;
    } else {
      response.onSuccess = done;
      response.onFailure = failed;
    }
    return response;
  }

  void start(const Message& message, MQTTAsync_responseOptions& response) {
    CHECK(MQTTAsync_send(handle_, message.topic.c_str(), static_cast<int>(message.payload.size()),
                         message.payload.data(), message.qos, message.retained, &response) == MQTTASYNC_SUCCESS);
  }

  static int on_message(void* context, char* topic, int, MQTTAsync_message* native) {
    auto& self = *static_cast<AsyncClient*>(context);
    {
      const std::lock_guard lock(self.mutex_);
      self.messages_.push_back({topic,
                                {static_cast<char*>(native->payload), static_cast<std::size_t>(native->payloadlen)},
                                native->qos,
                                native->retained != 0,
                                to_properties(native->properties)});
    }
    self.came_.notify_all();
    MQTTAsync_freeMessage(&native);
    MQTTAsync_free(topic);
    return 1;
  }

  const bool v5_;
  MQTTAsync handle_ = nullptr;
  std::mutex mutex_;
  std::condition_variable came_;
  std::deque<Message> messages_;
};

}  // namespace

std::unique_ptr<Client> make_client(int port, const std::string& id, int version) {
  return std::make_unique<AsyncClient>(port, id, version);
}

}  // namespace paho_c
