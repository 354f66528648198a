#include "packet_cases/packet_case.hpp"

namespace shoal::packet_cases {
namespace {

constexpr auto kClient = Sender::client;
constexpr auto kMalformed = mqtt::ReasonCode::malformed_packet;
constexpr auto kProtocol = mqtt::ReasonCode::protocol_error;

}  // namespace

std::vector<PacketCase> connect_cases() {
  constexpr auto kVersion = mqtt::ReasonCode::unsupported_protocol_version;
  constexpr auto kTopic = mqtt::ReasonCode::topic_name_invalid;
  return {
      // Version, flags, keep alive, client id.
      good("connect: least", k5, kClient, "10 (s'MQTT' 05 02 0000 () s'')", "CONNECT 5 clean id=''", "MQTT-3.1.3-6"),
      good("connect: least", k311, kClient, "10 (s'MQTT' 04 02 0000 s'')", "CONNECT 3.1.1 clean id=''", "MQTT-3.1.3-6"),
      good("connect: least", k31, kClient, "10 (s'MQIsdp' 03 02 0000 s'a')", "CONNECT 3.1 clean id='a'", "3.1 3.1"),
      good("connect: resume", k5, kClient, "10 (s'MQTT' 05 00 003c () s'plant-7')",
           "CONNECT 5 keep_alive=60 id='plant-7'", "MQTT-3.1.2-5"),
      good("connect: resume", k311, kClient, "10 (s'MQTT' 04 00 ffff s'plant-7')",
           "CONNECT 3.1.1 keep_alive=65535 id='plant-7'", "MQTT-3.1.2-4"),
      good("connect: client id of 23 characters", kAll, kClient, "10 (s'MQTT' 04 02 003c s'0123456789abcdefghijklm')",
           "CONNECT 3.1.1 clean keep_alive=60 id='0123456789abcdefghijklm'", "MQTT-3.1.3-5"),
      good("connect: client id in UTF-8", k5, kClient, "10 (s'MQTT' 05 02 0000 () 0005 c3a4 e282ac)",
           "CONNECT 5 clean id='\\xc3\\xa4\\xe2\\x82\\xac'", "MQTT-3.1.3-4"),
      good("connect: user name", k5, kClient, "10 (s'MQTT' 05 82 0000 () s'c' s'anna')",
           "CONNECT 5 clean id='c' user='anna'", "MQTT-3.1.2-17"),
      good("connect: user name and password", k5, kClient, "10 (s'MQTT' 05 c2 0000 () s'c' s'anna' s'secret')",
           "CONNECT 5 clean id='c' user='anna' password='secret'", "MQTT-3.1.2-19"),
      good("connect: user name and password", k311, kClient, "10 (s'MQTT' 04 c2 0000 s'c' s'anna' s'secret')",
           "CONNECT 3.1.1 clean id='c' user='anna' password='secret'", "MQTT-3.1.2-21"),
      good("connect: user name and password", k31, kClient, "10 (s'MQIsdp' 03 c2 0000 s'c' s'anna' s'secret')",
           "CONNECT 3.1 clean id='c' user='anna' password='secret'", "3.1 3.1"),
      good("connect: user name and password are empty", k5, kClient, "10 (s'MQTT' 05 c2 0000 () s'c' s'' s'')",
           "CONNECT 5 clean id='c' user='' password=''", "MQTT-3.1.2-17"),
      good("connect: password alone", k5, kClient, "10 (s'MQTT' 05 42 0000 () s'c' s'token')",
           "CONNECT 5 clean id='c' password='token'", "MQTT-3.1.2-19"),
      good("connect: password is binary", k5, kClient, "10 (s'MQTT' 05 c2 0000 () s'c' s'u' 0004 00 ff c0 80)",
           "CONNECT 5 clean id='c' user='u' password='\\x00\\xff\\xc0\\x80'", "MQTT-3.1.3.6"),

      // Wills.
      good("connect: will", k5, kClient, "10 (s'MQTT' 05 06 0000 () s'c' () s'will/c' s'gone')",
           "CONNECT 5 clean id='c' will='will/c':'gone' will_qos=0", "MQTT-3.1.2-9"),
      good("connect: will", k311, kClient, "10 (s'MQTT' 04 06 0000 s'c' s'will/c' s'gone')",
           "CONNECT 3.1.1 clean id='c' will='will/c':'gone' will_qos=0", "MQTT-3.1.2-9"),
      good("connect: will, QoS 1", k311, kClient, "10 (s'MQTT' 04 0e 0000 s'c' s'w' s'')",
           "CONNECT 3.1.1 clean id='c' will='w':'' will_qos=1", "MQTT-3.1.2-14"),
      good("connect: will, QoS 2, retained", k5, kClient, "10 (s'MQTT' 05 36 0000 () s'c' () s'w' s'x')",
           "CONNECT 5 clean id='c' will='w':'x' will_qos=2 will_retain", "MQTT-3.1.2-12"),
      good("connect: will of bytes", k31, kClient, "10 (s'MQIsdp' 03 26 0000 s'c' s'w' 0002 00 ff)",
           "CONNECT 3.1 clean id='c' will='w':'\\x00\\xff' will_qos=0 will_retain", "3.1 3.1"),
      good("connect: everything", k5, kClient,
           "10 (s'MQTT' 05 ee 000a (11 0000000a | 26 s'k' s'v') s'c' (18 00000005 | 01 01) s'w' s'x' s'u' s'p')",
           "CONNECT 5 clean keep_alive=10 id='c' will='w':'x' will_qos=1 will_retain "
           "{will_delay_interval=5 payload_format_indicator=1} user='u' password='p' "
           "{session_expiry_interval=10 user_property='k':'v'}",
           "MQTT-3.1.3-1"),

      // What other servers speak.
      bad("connect: version 6", kAll, kClient, "10 (s'MQTT' 06 02 0000 () s'c')", kVersion, "MQTT-3.1.2-2"),
      bad("connect: version 0", kAll, kClient, "10 (s'MQTT' 00 02 0000 s'c')", kVersion, "MQTT-3.1.2-2"),
      bad("connect: level 3 by the new name", kAll, kClient, "10 (s'MQTT' 03 02 0000 s'c')", kVersion, "MQTT-3.1.2-2"),
      bad("connect: level 4 by the old name", kAll, kClient, "10 (s'MQIsdp' 04 02 0000 s'c')", kVersion,
          "MQTT-3.1.2-2"),
      bad("connect: the bridge bit of some servers", kAll, kClient, "10 (s'MQTT' 84 02 0000 s'c')", kVersion,
          "MQTT-3.1.2-2"),
      bad("connect: the rest does not matter in an unknown version", kAll, kClient, "10 (s'MQTT' 07)", kVersion,
          "MQTT-3.1.2-2"),
      bad("connect: lower-case name", kAll, kClient, "10 (s'mqtt' 05 02 0000 () s'c')", kMalformed, "MQTT-3.1.2-1"),
      bad("connect: longer name", kAll, kClient, "10 (s'MQTTS' 05 02 0000 () s'c')", kMalformed, "MQTT-3.1.2-1"),
      bad("connect: no name", kAll, kClient, "10 (s'' 05 02 0000 () s'c')", kMalformed, "MQTT-3.1.2-1"),
      bad("connect: HTTP", kAll, kClient, "10 ('GET / HTTP/1.1')", kMalformed, "MQTT-2.1.4"),

      // Flags.
      bad("connect: fixed header flags", kAll, kClient, "11 (s'MQTT' 05 02 0000 () s'c')", kMalformed, "MQTT-2.1.3-1"),
      bad("connect: fixed header flags", kAll, kClient, "18 (s'MQTT' 04 02 0000 s'c')", kMalformed, "MQTT-2.1.3-1"),
      bad("connect: reserved flag", kAll, kClient, "10 (s'MQTT' 05 03 0000 () s'c')", kMalformed, "MQTT-3.1.2-3"),
      bad("connect: reserved flag", kAll, kClient, "10 (s'MQTT' 04 03 0000 s'c')", kMalformed, "MQTT-3.1.2-3"),
      bad("connect: will QoS 1 without a will", kAll, kClient, "10 (s'MQTT' 05 0a 0000 () s'c')", kMalformed,
          "MQTT-3.1.2-11"),
      bad("connect: will QoS 2 without a will", kAll, kClient, "10 (s'MQTT' 04 12 0000 s'c')", kMalformed,
          "MQTT-3.1.2-11"),
      bad("connect: will QoS 3", kAll, kClient, "10 (s'MQTT' 05 1e 0000 () s'c' () s'w' s'')", kMalformed,
          "MQTT-3.1.2-12"),
      bad("connect: will QoS 3 without a will", kAll, kClient, "10 (s'MQTT' 04 1a 0000 s'c')", kMalformed,
          "MQTT-3.1.2-12"),
      bad("connect: will retain without a will", kAll, kClient, "10 (s'MQTT' 05 22 0000 () s'c')", kMalformed,
          "MQTT-3.1.2-13"),
      bad("connect: password without a user name", kAll, kClient, "10 (s'MQTT' 04 42 0000 s'c' s'p')", kMalformed,
          "MQTT-3.1.2-22"),
      bad("connect: password without a user name", kAll, kClient, "10 (s'MQIsdp' 03 42 0000 s'c' s'p')", kMalformed,
          "MQTT-3.1.2-22"),

      // Fields that are not there, and what should not be.
      bad("connect: empty", kAll, kClient, "10 ()", kMalformed, "MQTT-2.1.4"),
      bad("connect: ends in the name", kAll, kClient, "10 (0004 'MQT')", kMalformed, "MQTT-2.1.4"),
      bad("connect: ends behind the name", kAll, kClient, "10 (s'MQTT')", kMalformed, "MQTT-2.1.4"),
      bad("connect: ends behind the flags", kAll, kClient, "10 (s'MQTT' 05 02)", kMalformed, "MQTT-2.1.4"),
      bad("connect: ends in keep alive", kAll, kClient, "10 (s'MQTT' 05 02 00)", kMalformed, "MQTT-2.1.4"),
      bad("connect: no properties", kAll, kClient, "10 (s'MQTT' 05 02 0000)", kMalformed, "MQTT-2.1.4"),
      bad("connect: no client id", kAll, kClient, "10 (s'MQTT' 05 02 0000 ())", kMalformed, "MQTT-2.1.4"),
      bad("connect: no client id", kAll, kClient, "10 (s'MQTT' 04 02 0000)", kMalformed, "MQTT-2.1.4"),
      bad("connect: client id too short", kAll, kClient, "10 (s'MQTT' 04 02 0000 0005 'abcd')", kMalformed,
          "MQTT-2.1.4"),
      bad("connect: no will topic", kAll, kClient, "10 (s'MQTT' 04 06 0000 s'c')", kMalformed, "MQTT-2.1.4"),
      bad("connect: no will payload", kAll, kClient, "10 (s'MQTT' 04 06 0000 s'c' s'w')", kMalformed, "MQTT-2.1.4"),
      bad("connect: no user name", kAll, kClient, "10 (s'MQTT' 04 82 0000 s'c')", kMalformed, "MQTT-2.1.4"),
      bad("connect: no password", kAll, kClient, "10 (s'MQTT' 04 c2 0000 s'c' s'u')", kMalformed, "MQTT-2.1.4"),
      bad("connect: something behind it", kAll, kClient, "10 (s'MQTT' 04 02 0000 s'c' 00)", kMalformed, "MQTT-2.1.4"),
      bad("connect: user name without its flag", kAll, kClient, "10 (s'MQTT' 05 02 0000 () s'c' s'u')", kMalformed,
          "MQTT-2.1.4"),

      // Strings.
      bad("connect: client id is not UTF-8", kAll, kClient, "10 (s'MQTT' 05 02 0000 () 0001 ff)", kMalformed,
          "MQTT-3.1.3-4"),
      bad("connect: client id with NUL", kAll, kClient, "10 (s'MQTT' 04 02 0000 0003 'a' 00 'b')", kMalformed,
          "MQTT-3.1.3-4"),
      bad("connect: will topic with a surrogate", kAll, kClient, "10 (s'MQTT' 04 06 0000 s'c' 0003 eda080 s'')",
          kMalformed, "MQTT-3.1.3-11"),
      bad("connect: user name is overlong UTF-8", kAll, kClient, "10 (s'MQTT' 04 82 0000 s'c' 0002 c0af)", kMalformed,
          "MQTT-3.1.3-12"),
      bad("connect: will topic with a wildcard", kAll, kClient, "10 (s'MQTT' 05 06 0000 () s'c' () s'will/+' s'')",
          kTopic, "MQTT-3.1.3-11"),
      bad("connect: will topic is empty", kAll, kClient, "10 (s'MQTT' 04 06 0000 s'c' s'' s'')", kTopic,
          "MQTT-3.1.3-11"),
      bad("connect: authentication data without a method", kAll, kClient, "10 (s'MQTT' 05 02 0000 (16 0002 0102) s'c')",
          kProtocol, "MQTT-3.1.2.11.10"),
      bad("connect: will property among the connect properties", kAll, kClient,
          "10 (s'MQTT' 05 02 0000 (18 00000001) s'c')", kMalformed, "MQTT-2.2.2.2"),
      bad("connect: connect property among the will properties", kAll, kClient,
          "10 (s'MQTT' 05 06 0000 () s'c' (11 00000001) s'w' s'')", kMalformed, "MQTT-2.2.2.2"),
      bad("connect: property length goes past the packet", kAll, kClient, "10 (s'MQTT' 05 02 0000 7f 1100)", kMalformed,
          "MQTT-2.1.4"),
      bad("connect: property length is overlong", kAll, kClient, "10 (s'MQTT' 05 02 0000 8000 s'c')", kMalformed,
          "MQTT-1.5.5-1"),
  };
}

}  // namespace shoal::packet_cases
