#include "packet_cases/packet_case.hpp"

namespace shoal::packet_cases {
namespace {

constexpr auto kClient = Sender::client;
constexpr auto kServer = Sender::server;
constexpr auto kBoth = Sender::both;
constexpr auto kMalformed = mqtt::ReasonCode::malformed_packet;
constexpr auto kProtocol = mqtt::ReasonCode::protocol_error;

}  // namespace

// Every property once in every kind of packet that may have it, and every rule on values.
std::vector<PacketCase> property_cases() {
  return {
      good("properties of CONNECT", k5, kClient,
           "10 (s'MQTT' 05 02 0000 (11 ffffffff | 15 s'm' | 16 s'd' | 17 00 | 19 01 | 21 0001 | 22 ffff | 26 s'k' s'v' "
           "| 27 00000001) s'c')",
           "CONNECT 5 clean id='c' {session_expiry_interval=4294967295 authentication_method='m' "
           "authentication_data='d' request_problem_information=0 request_response_information=1 receive_maximum=1 "
           "topic_alias_maximum=65535 user_property='k':'v' maximum_packet_size=1}",
           "MQTT-3.1.2.11"),
      good("properties of the will", k5, kClient,
           "10 (s'MQTT' 05 06 0000 () s'c' (01 00 | 02 00000001 | 03 s'text' | 08 s'r' | 09 s'c' | 18 ffffffff | "
           "26 s'k' s'v' | 26 s'k' s'v') s'w' s'')",
           "CONNECT 5 clean id='c' will='w':'' will_qos=0 {payload_format_indicator=0 message_expiry_interval=1 "
           "content_type='text' response_topic='r' correlation_data='c' will_delay_interval=4294967295 "
           "user_property='k':'v' user_property='k':'v'}",
           "MQTT-3.1.3.2"),
      good("properties of CONNACK", k5, kServer,
           "20 (00 00 (11 00000e10 | 12 s'auto-1' | 13 003c | 15 s'm' | 16 s'd' | 1a s'info' | 1c s'other' | 1f s'why' "
           "| 21 0064 | 22 0010 | 24 01 | 25 01 | 26 s'k' s'v' | 27 00100000 | 28 01 | 29 00 | 2a 01))",
           "CONNACK {session_expiry_interval=3600 assigned_client_identifier='auto-1' server_keep_alive=60 "
           "authentication_method='m' authentication_data='d' response_information='info' server_reference='other' "
           "reason_string='why' receive_maximum=100 topic_alias_maximum=16 maximum_qos=1 retain_available=1 "
           "user_property='k':'v' maximum_packet_size=1048576 wildcard_subscription_available=1 "
           "subscription_identifier_available=0 shared_subscription_available=1}",
           "MQTT-3.2.2.3"),
      good("properties of DISCONNECT", k5, kServer, "e0 (9c (11 00000001 | 1c s'other' | 1f s'why' | 26 s'k' s'v'))",
           "DISCONNECT 0x9c {session_expiry_interval=1 server_reference='other' reason_string='why' "
           "user_property='k':'v'}",
           "MQTT-3.14.2.2"),
      good("empty strings", k5, kBoth, "30 (s'a' (03 s'' | 09 s'' | 26 s'' s''))",
           "PUBLISH qos=0 'a':'' {content_type='' correlation_data='' user_property='':''}", "MQTT-1.5.4"),

      bad("payload format indicator 2", k5, kBoth, "30 (s'a' (01 02))", kProtocol, "MQTT-2.2.2.2"),
      bad("request problem information 2", k5, kClient, "10 (s'MQTT' 05 02 0000 (17 02) s'c')", kProtocol,
          "MQTT-2.2.2.2"),
      bad("request response information 255", k5, kClient, "10 (s'MQTT' 05 02 0000 (19 ff) s'c')", kProtocol,
          "MQTT-2.2.2.2"),
      bad("receive maximum 0", k5, kClient, "10 (s'MQTT' 05 02 0000 (21 0000) s'c')", kProtocol, "MQTT-3.1.2.11.3"),
      bad("maximum packet size 0", k5, kClient, "10 (s'MQTT' 05 02 0000 (27 00000000) s'c')", kProtocol,
          "MQTT-3.1.2.11.4"),
      bad("maximum QoS 2", k5, kServer, "20 (00 00 (24 02))", kProtocol, "MQTT-2.2.2.2"),
      bad("retain available 2", k5, kServer, "20 (00 00 (25 02))", kProtocol, "MQTT-2.2.2.2"),
      bad("wildcard subscription available 2", k5, kServer, "20 (00 00 (28 02))", kProtocol, "MQTT-2.2.2.2"),
      bad("subscription identifier available 2", k5, kServer, "20 (00 00 (29 02))", kProtocol, "MQTT-2.2.2.2"),
      bad("shared subscription available 2", k5, kServer, "20 (00 00 (2a 02))", kProtocol, "MQTT-2.2.2.2"),

      bad("session expiry twice", k5, kClient, "10 (s'MQTT' 05 02 0000 (11 00000001 | 11 00000001) s'c')", kProtocol,
          "MQTT-2.2.2.2"),
      bad("message expiry twice", k5, kBoth, "30 (s'a' (02 00000001 | 26 s'k' s'v' | 02 00000001))", kProtocol,
          "MQTT-2.2.2.2"),
      bad("content type twice", k5, kBoth, "30 (s'a' (03 s'x' | 03 s'x'))", kProtocol, "MQTT-2.2.2.2"),
      bad("correlation data twice", k5, kBoth, "30 (s'a' (09 s'x' | 09 s'x'))", kProtocol, "MQTT-2.2.2.2"),
      bad("will delay twice", k5, kClient, "10 (s'MQTT' 05 06 0000 () s'c' (18 00000001 | 18 00000001) s'w' s'')",
          kProtocol, "MQTT-2.2.2.2"),
      bad("receive maximum twice", k5, kServer, "20 (00 00 (21 0001 | 21 0001))", kProtocol, "MQTT-2.2.2.2"),

      bad("property 0", k5, kBoth, "30 (s'a' (00 00))", kMalformed, "MQTT-2.2.2.2"),
      bad("property 0x04", k5, kBoth, "30 (s'a' (04 00))", kMalformed, "MQTT-2.2.2.2"),
      bad("property 0x2b", k5, kBoth, "30 (s'a' (2b 00))", kMalformed, "MQTT-2.2.2.2"),
      bad("property 0x7f", k5, kBoth, "30 (s'a' (7f 00))", kMalformed, "MQTT-2.2.2.2"),
      bad("property 0xff", k5, kBoth, "30 (s'a' (ff 7f 00))", kMalformed, "MQTT-2.2.2.2"),
      bad("identifier longer than needed", k5, kBoth, "30 (s'a' (8100 01))", kMalformed, "MQTT-2.2.2.2"),
      bad("session expiry in PUBLISH", k5, kBoth, "30 (s'a' (11 00000001))", kMalformed, "MQTT-2.2.2.2"),
      bad("topic alias in CONNECT", k5, kClient, "10 (s'MQTT' 05 02 0000 (23 0001) s'c')", kMalformed, "MQTT-2.2.2.2"),
      bad("server keep alive in CONNECT", k5, kClient, "10 (s'MQTT' 05 02 0000 (13 0001) s'c')", kMalformed,
          "MQTT-2.2.2.2"),
      bad("request problem information in CONNACK", k5, kServer, "20 (00 00 (17 01))", kMalformed, "MQTT-2.2.2.2"),
      bad("authentication method in DISCONNECT", k5, kBoth, "e0 (00 (15 s'm'))", kMalformed, "MQTT-2.2.2.2"),
      bad("topic alias in a will", k5, kClient, "10 (s'MQTT' 05 06 0000 () s'c' (23 0001) s'w' s'')", kMalformed,
          "MQTT-2.2.2.2"),

      bad("identifier and nothing else", k5, kBoth, "30 (s'a' (01))", kMalformed, "MQTT-2.2.2.1"),
      bad("two bytes, one there", k5, kBoth, "30 (s'a' (23 00))", kMalformed, "MQTT-2.2.2.1"),
      bad("four bytes, three there", k5, kBoth, "30 (s'a' (02 000000))", kMalformed, "MQTT-2.2.2.1"),
      bad("string without its length", k5, kBoth, "30 (s'a' (03 00))", kMalformed, "MQTT-2.2.2.1"),
      bad("string goes past the properties", k5, kBoth, "30 (s'a' (03 0003 'ab') 'cdef')", kMalformed, "MQTT-2.2.2.1"),
      bad("binary goes past the properties", k5, kBoth, "30 (s'a' (09 ffff 'ab') 'cdef')", kMalformed, "MQTT-2.2.2.1"),
      bad("user property without a value", k5, kBoth, "30 (s'a' (26 s'k'))", kMalformed, "MQTT-2.2.2.1"),
      bad("user property, half a length", k5, kBoth, "30 (s'a' (26 s'k' 00))", kMalformed, "MQTT-2.2.2.1"),
      bad("user property, value cut", k5, kBoth, "30 (s'a' (26 s'k' 0002 'v'))", kMalformed, "MQTT-2.2.2.1"),
      bad("user property, name cut", k5, kBoth, "30 (s'a' (26 0002 'k'))", kMalformed, "MQTT-2.2.2.1"),
      bad("subscription identifier cut", k5, kServer, "30 (s'a' (0b 80))", kMalformed, "MQTT-1.5.5-1"),
      bad("subscription identifier longer than needed", k5, kServer, "30 (s'a' (0b 8100))", kMalformed, "MQTT-1.5.5-1"),

      bad("reason string is not UTF-8", k5, kBoth, "40 (0001 80 (1f 0001 80))", kMalformed, "MQTT-1.5.4-1"),
      bad("reason string with NUL", k5, kBoth, "40 (0001 80 (1f 0001 00))", kMalformed, "MQTT-1.5.4-1", "MQTT-1.5.4-2"),
      bad("response topic is not UTF-8", k5, kBoth, "30 (s'a' (08 0001 ff))", kMalformed, "MQTT-1.5.4-1",
          "MQTT-3.3.2-13"),
      bad("user property's name is not UTF-8", k5, kBoth, "30 (s'a' (26 0001 ff s'v'))", kMalformed, "MQTT-1.5.7-1"),
      bad("user property's value is not UTF-8", k5, kBoth, "30 (s'a' (26 s'k' 0003 edbfbf))", kMalformed,
          "MQTT-1.5.7-1"),
      bad("authentication method is not UTF-8", k5, kBoth, "f0 (18 (15 0001 c0))", kMalformed, "MQTT-1.5.4-1"),
  };
}

}  // namespace shoal::packet_cases
