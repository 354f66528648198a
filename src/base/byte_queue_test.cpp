#include "base/byte_queue.hpp"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

namespace shoal::base {
namespace {

struct Text final : Shared {
  explicit Text(std::string t, int& destroyed_count) : text(std::move(t)), destroyed(destroyed_count) {}
  std::string text;
  int& destroyed;

 private:
  void destroy() override {
    ++destroyed;
    delete this;
  }
};

std::string all(const ByteQueue& queue) {
  std::vector<Bytes> pieces(4096);
  std::string text;
  for (std::size_t i = 0, n = queue.peek(pieces.data(), pieces.size()); i < n; ++i) text += as_text(pieces[i]);
  return text;
}

TEST(ByteQueue, KeepsOrderOfCopiedAndSharedBytesWhateverIsConsumed) {
  std::mt19937 random(7);
  ChunkPool pool;
  int destroyed = 0;
  int made = 0;
  {
    ByteQueue queue(pool);
    std::string expected;
    for (int round = 0; round < 3000; ++round) {
      const std::size_t size = random() % (round % 50 == 0 ? 40'000 : 300);
      const std::string text(size, static_cast<char>('a' + round % 26));
      if (round % 5 == 0) {
        auto shared = Ref<Text>::adopt(new Text(text, destroyed));
        ++made;
        queue.append_shared(as_bytes(shared->text), *shared);
      } else {
        queue.append(as_bytes(text));
      }
      expected += text;
      const std::size_t sent = random() % (expected.size() + 1);
      queue.consume(sent);
      expected.erase(0, sent);
      ASSERT_EQ(queue.size(), expected.size());
      if (round % 100 == 0) {
        ASSERT_EQ(all(queue), expected);
      }
    }
    ASSERT_EQ(all(queue), expected);
  }
  EXPECT_EQ(destroyed, made);
}

TEST(ByteQueue, ReserveBehindSharedBytesDoesNotWriteIntoThem) {
  ChunkPool pool;
  int destroyed = 0;
  ByteQueue queue(pool);
  auto shared = Ref<Text>::adopt(new Text("shared", destroyed));
  queue.append_shared(as_bytes(shared->text), *shared);
  queue.append(as_bytes("own"));
  EXPECT_EQ(all(queue), "sharedown");
  EXPECT_EQ(shared->text, "shared");
}

}  // namespace
}  // namespace shoal::base
