#include "bench/mapping.hpp"

#include <gtest/gtest.h>

#include <set>

#include "bench/pattern.hpp"
#include "mqtt/topic_name.hpp"

namespace shoal::bench {
namespace {

using Kind = Mapping::Kind;

std::string plain(const std::string& filter) {
  const auto shared = mqtt::split_shared(filter);
  return shared ? std::string(shared->filter) : filter;
}

TEST(Mapping, FiltersMatchExactlyTheTopicsOfThoseWhoAreHeard) {
  for (const Kind kind : {Kind::pairs, Kind::fanin, Kind::fanout, Kind::shared}) {
    for (const auto& [pubs, subs] : {std::pair{1u, 1u}, {3u, 3u}, {7u, 3u}, {3u, 7u}, {1u, 5u}, {5u, 1u}}) {
      const Mapping mapping{kind, pubs, subs};
      std::vector<std::uint32_t> copies(pubs);
      for (std::uint32_t s = 0; s < subs; ++s) {
        std::set<std::uint32_t> places;
        for (std::uint32_t p = 0; p < pubs; ++p) {
          const auto place = mapping.place(p, s);
          EXPECT_EQ(place.has_value(), mqtt::matches(plain(mapping.filter("root", s)), mapping.topic("root", p)));
          if (!place) continue;
          EXPECT_LT(*place, mapping.heard(s));
          EXPECT_TRUE(places.insert(*place).second);
          ++copies[p];
        }
        EXPECT_EQ(places.size(), mapping.heard(s)) << to_string(kind) << ' ' << pubs << ' ' << subs;
        EXPECT_FALSE(mapping.place(pubs, s));
      }
      for (std::uint32_t p = 0; p < pubs; ++p) {
        EXPECT_EQ(mapping.copies(p), kind == Kind::shared ? 1 : copies[p])
            << to_string(kind) << ' ' << pubs << ' ' << subs;
      }
    }
  }
}

TEST(Pattern, EveryNumberIsFilledIn) {
  EXPECT_EQ(numbered("a/%i/%i", 12), "a/12/12");
  EXPECT_EQ(numbered("a", 1), "a");
  EXPECT_EQ(numbered("%%i", 3), "%3");
}

}  // namespace
}  // namespace shoal::bench
