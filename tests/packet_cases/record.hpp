#pragma once

#include "packet_cases/packet_case.hpp"

namespace shoal::packet_cases {

/// The running test shows what `packet` says about MQTT `version`: its statements go to docs/conformance.md.
/// Only what clients may send counts; the page is about a server.
void record(const PacketCase& packet, mqtt::Version version);

}  // namespace shoal::packet_cases
