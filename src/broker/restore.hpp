#pragma once

#include "broker/router.hpp"
#include "broker/session_table.hpp"
#include "broker/store_journal.hpp"
#include "store/image.hpp"

namespace shoal::broker {

/// Makes sessions, subscriptions, queues, retained messages and groups as the image says, in an instance that has
/// none. The journal learns what it knows already; router and table do not tell it anything. Sessions that had a
/// connection lost it at `alive_until`.
void restore(const store::Image& image, store::WallMs alive_until, StoreJournal& journal, Router& router,
             SessionTable& sessions);

}  // namespace shoal::broker
