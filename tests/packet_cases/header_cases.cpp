#include "packet_cases/packet_case.hpp"

namespace shoal::packet_cases {
namespace {

constexpr auto kClient = Sender::client;
constexpr auto kServer = Sender::server;
constexpr auto kBoth = Sender::both;
constexpr auto kMalformed = mqtt::ReasonCode::malformed_packet;
constexpr auto kProtocol = mqtt::ReasonCode::protocol_error;

}  // namespace

std::vector<PacketCase> header_cases() {
  return {
      good("connack", kOld, kServer, "20 (00 00)", "CONNACK", "MQTT-3.2.2-3"),
      good("connack", k5, kServer, "20 (00 00 ())", "CONNACK", "MQTT-3.2.2-3"),
      good("connack: session present", k311, kServer, "20 (01 00)", "CONNACK session_present", "MQTT-3.2.2-2"),
      good("connack: session present", k5, kServer, "20 (01 00 ())", "CONNACK session_present", "MQTT-3.2.2-3"),
      good("connack: refused", kOld, kServer, "20 (00 05)", "CONNACK 0x05", "MQTT-3.2.2-4"),
      good("connack: refused", k5, kServer, "20 (00 87 (1f s'no'))", "CONNACK 0x87 {reason_string='no'}",
           "MQTT-3.2.2-8"),
      good("connack: go elsewhere", k5, kServer, "20 (00 9d (1c s'b.example'))",
           "CONNACK 0x9d {server_reference='b.example'}", "MQTT-3.2.2.3.16"),
      bad("connack: flags", kAll, kServer, "21 (00 00)", kMalformed, "MQTT-2.1.3-1"),
      bad("connack: empty", kAll, kServer, "20 ()", kMalformed, "MQTT-2.1.4"),
      bad("connack: no code", kAll, kServer, "20 (00)", kMalformed, "MQTT-2.1.4"),
      bad("connack: no properties", k5, kServer, "20 (00 00)", kMalformed, "MQTT-2.1.4"),
      bad("connack: something behind it", kOld, kServer, "20 (00 00 00)", kMalformed, "MQTT-2.1.4"),
      bad("connack: something behind it", k5, kServer, "20 (00 00 () 00)", kMalformed, "MQTT-2.1.4"),
      bad("connack: reserved acknowledge flags", kOld, kServer, "20 (02 00)", kMalformed, "MQTT-3.2.2-1"),
      bad("connack: reserved acknowledge flags", k5, kServer, "20 (81 00 ())", kMalformed, "MQTT-3.2.2-1"),
      bad("connack: refused with a session", kOld, kServer, "20 (01 02)", kProtocol, "MQTT-3.2.2-6"),
      bad("connack: refused with a session", k5, kServer, "20 (01 87 ())", kProtocol, "MQTT-3.2.2-6"),
      bad("connack: unknown code", kOld, kServer, "20 (00 06)", kMalformed, "MQTT-2.4"),
      bad("connack: code of DISCONNECT", k5, kServer, "20 (00 8d ())", kMalformed, "MQTT-2.4"),
      bad("connack: code of 3.1.1", k5, kServer, "20 (00 05 ())", kMalformed, "MQTT-2.4"),

      good("pingreq", kAll, kClient, "c0 ()", "PINGREQ", "MQTT-3.12"),
      good("pingresp", kAll, kServer, "d0 ()", "PINGRESP", "MQTT-3.12.4-1"),
      bad("pingreq: flags", kAll, kClient, "c1 ()", kMalformed, "MQTT-2.1.3-1"),
      bad("pingresp: flags", kAll, kServer, "d8 ()", kMalformed, "MQTT-2.1.3-1"),
      bad("pingreq: with a body", kAll, kClient, "c0 (00)", kMalformed, "MQTT-2.1.4"),
      bad("pingresp: with a body", kAll, kServer, "d0 (0001)", kMalformed, "MQTT-2.1.4"),

      good("disconnect", kAll, kBoth, "e0 ()", "DISCONNECT", "MQTT-3.14.2.1"),
      good("disconnect: normal in full", k5, kBoth, "e0 (00 ())", "DISCONNECT", "MQTT-3.14.2.1", false),
      good("disconnect: normal without properties", k5, kBoth, "e0 (00)", "DISCONNECT", "MQTT-3.14.2.2.1", false),
      good("disconnect: with the will", k5, kClient, "e0 (04)", "DISCONNECT 0x04", "MQTT-3.14.2.1"),
      good("disconnect: taken over", k5, kServer, "e0 (8e (1f s'bye'))", "DISCONNECT 0x8e {reason_string='bye'}",
           "MQTT-3.14.2-1"),
      good("disconnect: shorter session", k5, kClient, "e0 (00 (11 00000000))",
           "DISCONNECT {session_expiry_interval=0}", "MQTT-3.14.2.2.2"),
      good("disconnect: last of the codes", k5, kServer, "e0 (a2)", "DISCONNECT 0xa2", "MQTT-3.14.2-1"),
      bad("disconnect: flags", kAll, kBoth, "e2 ()", kMalformed, "MQTT-3.14.1-1"),
      bad("disconnect: with a code", kOld, kClient, "e0 (00)", kMalformed, "MQTT-2.1.4"),
      bad("disconnect: code 1", k5, kBoth, "e0 (01)", kMalformed, "MQTT-2.4", "MQTT-3.14.2-1"),
      bad("disconnect: code of CONNACK", k5, kServer, "e0 (86)", kMalformed, "MQTT-2.4"),
      bad("disconnect: code of PUBREL", k5, kBoth, "e0 (92)", kMalformed, "MQTT-2.4", "MQTT-3.14.2-1"),
      bad("disconnect: unknown code", k5, kServer, "e0 (a3)", kMalformed, "MQTT-2.4"),
      bad("disconnect: something behind it", k5, kBoth, "e0 (00 () 00)", kMalformed, "MQTT-2.1.4"),
      bad("disconnect: properties go past the packet", k5, kBoth, "e0 (00 05)", kMalformed, "MQTT-2.1.4"),

      good("auth: empty", k5, kBoth, "f0 ()", "AUTH", "MQTT-3.15.2.1"),
      good("auth: continue", k5, kBoth, "f0 (18 (15 s'SCRAM' | 16 0002 00ff))",
           "AUTH 0x18 {authentication_method='SCRAM' authentication_data='\\x00\\xff'}", "MQTT-3.15.2-1"),
      good("auth: again", k5, kClient, "f0 (19 (15 s'SCRAM'))", "AUTH 0x19 {authentication_method='SCRAM'}",
           "MQTT-3.15.2-1"),
      good("auth: done", k5, kServer, "f0 (00 (15 s'SCRAM' | 1f s'ok' | 26 s'k' s'v'))",
           "AUTH {authentication_method='SCRAM' reason_string='ok' user_property='k':'v'}", "MQTT-3.15.2-1"),
      bad("auth: before 5.0", kOld, kBoth, "f0 ()", kMalformed, "MQTT-2.1.2"),
      bad("auth: flags", k5, kBoth, "f1 ()", kMalformed, "MQTT-3.15.1-1"),
      bad("auth: no method", k5, kBoth, "f0 (18)", kProtocol, "MQTT-3.15.2.2.2"),
      bad("auth: no method but data", k5, kBoth, "f0 (18 (16 s'x'))", kProtocol, "MQTT-3.15.2.2.2"),
      bad("auth: method twice", k5, kBoth, "f0 (18 (15 s'a' | 15 s'a'))", kProtocol, "MQTT-2.2.2.2"),
      bad("auth: unknown code", k5, kBoth, "f0 (01 (15 s'a'))", kMalformed, "MQTT-2.4", "MQTT-3.15.2-1"),
      bad("auth: something behind it", k5, kBoth, "f0 (18 (15 s'a') 00)", kMalformed, "MQTT-2.1.4"),
  };
}

}  // namespace shoal::packet_cases
