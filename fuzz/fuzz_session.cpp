// A program for up to four clients, time and the host of one instance's protocol core. Everything the
// broker says and counts is checked against what the clients know (conversation/).
#include "conversation/program.hpp"
#include "target.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  shoal::fuzz::Program(data, size).run();
  return 0;
}
