#include "base/intrusive_list.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <string>

namespace shoal::base {
namespace {

struct Named : ListLink<Named> {
  explicit Named(char n) : name(n) {}
  char name;
};

std::string names(IntrusiveList<Named>& list) {
  std::string all;
  list.each([&](Named& one) { all += one.name; });
  return all;
}

TEST(IntrusiveList, KeepsTheOrder) {
  IntrusiveList<Named> list;
  EXPECT_TRUE(list.empty());
  Named a('a');
  auto b = std::make_unique<Named>('b');
  Named c('c');
  for (Named* one : {&a, b.get(), &c}) list.push_back(*one);
  EXPECT_EQ(names(list), "abc");
  EXPECT_EQ(list.front().name, 'a');
  b.reset();
  EXPECT_EQ(names(list), "ac");
  list.push_back(a);
  EXPECT_EQ(names(list), "ca");
}

TEST(IntrusiveList, MovesToAnother) {
  IntrusiveList<Named> from;
  Named a('a');
  Named b('b');
  from.push_back(a);
  from.push_back(b);
  {
    IntrusiveList<Named> to;
    from.each([&](Named& one) { to.push_back(one); });
    EXPECT_TRUE(from.empty());
    EXPECT_EQ(names(to), "ab");
  }
  from.push_back(b);
  EXPECT_EQ(names(from), "b");
}

}  // namespace
}  // namespace shoal::base
