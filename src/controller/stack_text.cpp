#include "controller/stack_text.hpp"

#include <cxxabi.h>
#include <elfutils/libdwfl.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <memory>

namespace shoal::controller {
namespace {

/// The names in a program's file.
class Names {
 public:
  Names(const std::string& executable, std::uint64_t load_bias) : dwfl_(::dwfl_begin(&kCallbacks)) {
    if (!dwfl_) return;
    ::dwfl_report_begin(dwfl_.get());
    ::dwfl_report_elf(dwfl_.get(), "shoal-worker", executable.c_str(), -1, load_bias, true);
    ::dwfl_report_end(dwfl_.get(), nullptr, nullptr);
  }

  /// `NAME+OFFSET (FILE:LINE)` as far as it is known.
  std::string of(std::uint64_t address) const {
    char text[64];
    std::snprintf(text, sizeof text, "0x%llx", static_cast<unsigned long long>(address));
    Dwfl_Module* const module = dwfl_ ? ::dwfl_addrmodule(dwfl_.get(), address) : nullptr;
    if (!module) return text;
    GElf_Off offset = 0;
    GElf_Sym symbol{};
    const char* name = ::dwfl_module_addrinfo(module, address, &offset, &symbol, nullptr, nullptr, nullptr);
    std::string found = name ? demangled(name) : std::string("shoal-worker ") + text;
    if (Dwfl_Line* const line = ::dwfl_module_getsrc(module, address)) {
      int number = 0;
      const char* file = ::dwfl_lineinfo(line, nullptr, &number, nullptr, nullptr, nullptr);
      if (file) found += " (" + std::string(file) + ':' + std::to_string(number) + ')';
    }
    return found;
  }

 private:
  struct End {
    void operator()(Dwfl* dwfl) const { ::dwfl_end(dwfl); }
  };

  static std::string demangled(const char* name) {
    int status = 0;
    const std::unique_ptr<char, decltype(&std::free)> text(abi::__cxa_demangle(name, nullptr, nullptr, &status),
                                                           &std::free);
    return status == 0 && text ? text.get() : name;
  }

  static inline const Dwfl_Callbacks kCallbacks{.find_elf = ::dwfl_build_id_find_elf,
                                                .find_debuginfo = ::dwfl_standard_find_debuginfo,
                                                .section_address = nullptr,
                                                .debuginfo_path = nullptr};
  std::unique_ptr<Dwfl, End> dwfl_;
};

}  // namespace

std::vector<std::string> stack_text(const link::WorkerPage& page, const std::string& executable) {
  std::vector<std::string> lines;
  if (page.stacks_taken == 0) return lines;
  ::unsetenv("DEBUGINFOD_URLS");  // nothing is fetched from a network while a fleet waits
  const Names names(executable, page.load_bias);
  for (const link::ThreadStack& stack : page.stacks) {
    const std::uint32_t frames =
        std::min<std::uint32_t>(stack.frames.load(std::memory_order_acquire), link::ThreadStack::kFramesMax);
    if (frames == 0) continue;
    const std::string name(stack.name, std::find(stack.name, stack.name + sizeof stack.name, '\0'));
    lines.push_back("thread " + std::to_string(stack.thread) + " (" + name + ")");
    for (std::uint32_t i = 0; i < frames; ++i) lines.push_back("  " + names.of(stack.at[i]));
  }
  return lines;
}

}  // namespace shoal::controller
