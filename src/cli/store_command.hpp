#pragma once

#include <string>

#include "cli/context.hpp"

// Commands about what instances keep on disk. They work on files; store_commands.cpp gives them their options.
namespace shoal::cli {

/// `shoal backup NAME FILE`: what is in the instance's store, which may be in use, into one file. When the store is
/// damaged the rest of it is written, and that is a failure. Exit: 0, 1, 4.
void back_up(Context& context, const std::string& instance, const std::string& file);

/// `shoal restore NAME FILE [--force]`: makes what is in the file the content of the instance's store. The instance
/// must not run. Exit: 0, 1, 4.
void restore(Context& context, const std::string& instance, const std::string& file, bool force);

enum class InspectForm {
  totals,
  json,     ///< totals, as an object
  all,      ///< everything there is, a line for each thing
  records,  ///< everything that is written, a line for each record
};
/// `shoal store inspect NAME|DIR|FILE`. `what` is an instance, else the folder of a store or of an instance's state, or
/// a backup. Damage is shown and is no failure. Exit: 0, 1, 4.
void inspect_store(Context& context, const std::string& what, InspectForm form);

/// `shoal store check NAME|DIR|FILE`: 0 when everything in it can be read and nothing is missing; else 1, and a line on
/// `err` for each part that is damaged and each kind of thing that is missing. A batch that was being written when the
/// process ended is neither.
void check_store(Context& context, const std::string& what);

}  // namespace shoal::cli
