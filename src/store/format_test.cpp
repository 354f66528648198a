#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "store/describe.hpp"
#include "store/segment.hpp"

// The example of docs/formats/store.md is what is written, byte by byte, and the page explains each of them.

namespace shoal::store {
namespace {

using Content = std::vector<std::uint8_t>;

constexpr WallMs kCreated = 1'738'319'400'000;
constexpr std::uint32_t kExampleSalt = 0x5eed1234;

std::vector<std::string> lines_of_page() {
  std::ifstream page(std::filesystem::path(__FILE__).parent_path() / "../../docs/formats/store.md");
  std::vector<std::string> lines;
  for (std::string line; std::getline(page, line);) lines.push_back(line);
  return lines;
}

/// Pairs of hexadecimal digits.
Content bytes_of(const std::string& text) {
  Content bytes;
  std::istringstream words(text);
  for (std::string word; words >> word;) bytes.push_back(static_cast<std::uint8_t>(std::stoul(word, nullptr, 16)));
  return bytes;
}

/// The lines of the page's block in `language`.
std::vector<std::string> block(const std::string& language) {
  std::vector<std::string> found;
  bool inside = false;
  for (const std::string& line : lines_of_page()) {
    if (line == "```" && inside) break;
    if (inside) found.push_back(line);
    else inside = line == "```" + language;
  }
  return found;
}

Content dumped() {
  Content bytes;
  for (const std::string& line : block("hex")) {
    EXPECT_EQ(std::stoul(line.substr(0, 8), nullptr, 16), bytes.size());
    const Content row = bytes_of(line.substr(10, 48));
    std::string shown;
    for (const std::uint8_t byte : row) shown += byte >= 0x20 && byte < 0x7f ? static_cast<char>(byte) : '.';
    EXPECT_EQ(line.substr(60), '|' + shown + '|');
    bytes.insert(bytes.end(), row.begin(), row.end());
  }
  return bytes;
}

template <class... Records>
void append_batch(Content& segment, std::uint64_t number, WallMs at, const Records&... records) {
  RecordWriter writer(kBatchHeaderBytes);
  (writer.put(records), ...);
  seal_batch(writer.bytes(), kExampleSalt, number, at);
  segment.insert(segment.end(), writer.bytes().begin(), writer.bytes().end());
}

Content written_segment() {
  Content segment(kSegmentHeaderBytes);
  encode({.salt = kExampleSalt, .number = 1, .created = kCreated}, segment.data());
  append_batch(segment, 1, kCreated + 5, SessionRecord{1, "pump", 3600, 0, {}},
               SubscriptionRecord{1, "t/#", 1, false, false, 0});
  append_batch(segment, 2, kCreated + 1000, MessageRecord{1, 0, 1, "t/1", {}, base::as_bytes("on")},
               Queued{1, 0, {1, 1, false, 0, {}}});
  append_batch(segment, 3, kCreated + 1001, Sent{1, 0, 1, 0});
  return segment;
}

TEST(StoreFormat, TheExampleOfThePageIsWhatIsWritten) { EXPECT_EQ(dumped(), written_segment()); }

TEST(StoreFormat, ThePageExplainsEveryByteOfIt) {
  const Content bytes = written_segment();
  std::size_t at = 0;
  for (const std::string& line : lines_of_page()) {
    // | 2c | `13 00 00 00` | 19 bytes of records |
    if (line.size() < 10 || !line.starts_with("| ") || line.substr(4, 4) != " | `") continue;
    ASSERT_EQ(std::stoul(line.substr(2, 2), nullptr, 16), at) << line;
    for (const std::uint8_t byte : bytes_of(line.substr(8, line.find('`', 8) - 8))) {
      ASSERT_LT(at, bytes.size());
      ASSERT_EQ(byte, bytes[at++]) << line;
    }
  }
  EXPECT_EQ(at, bytes.size());
}

TEST(StoreFormat, ThePageSaysWhatTheExampleComesTo) {
  const Content bytes = dumped();
  ASSERT_TRUE(decode_segment_header(bytes));
  Image image;
  BatchScanner scanner(bytes, kExampleSalt, 0);
  for (Batch batch; scanner.next(batch);) EXPECT_TRUE(image.apply_all(batch.records));
  EXPECT_EQ(scanner.end(), bytes.size());
  EXPECT_EQ(image.finish(), Image::Missing());
  std::string text;
  for (const std::string& line : block("text")) text += line + '\n';
  EXPECT_EQ(text, describe(image));
}

/// The number of a record's type in the page's table, by its words there.
std::size_t type_in_page(const std::string& words) {
  for (const std::string& line : lines_of_page()) {
    const std::size_t at = line.find(" | " + words + " | ");
    if (line.starts_with("| ") && at < 5) return std::stoul(line.substr(2));
  }
  return 0;
}

TEST(StoreFormat, ThePageHasEveryType) {
  const auto type = [](const auto& record) {
    RecordWriter writer;
    writer.put(record);
    return std::size_t{writer.bytes()[0]};
  };
  EXPECT_EQ(type_in_page("session"), type(SessionRecord{}));
  EXPECT_EQ(type_in_page("session gone"), type(SessionGone{}));
  EXPECT_EQ(type_in_page("subscription"), type(SubscriptionRecord{}));
  EXPECT_EQ(type_in_page("subscription gone"), type(SubscriptionGone{}));
  EXPECT_EQ(type_in_page("message"), type(MessageRecord{}));
  EXPECT_EQ(type_in_page("queued"), type(Queued{}));
  EXPECT_EQ(type_in_page("unqueued"), type(Unqueued{}));
  EXPECT_EQ(type_in_page("in flight"), type(InFlight{}));
  EXPECT_EQ(type_in_page("sent"), type(Sent{}));
  EXPECT_EQ(type_in_page("received"), type(Received{}));
  EXPECT_EQ(type_in_page("finished"), type(Finished{}));
  EXPECT_EQ(type_in_page("taken"), type(Taken{}));
  EXPECT_EQ(type_in_page("released"), type(Released{}));
  EXPECT_EQ(type_in_page("retained"), type(Retained{}));
  EXPECT_EQ(type_in_page("retained gone"), type(RetainedGone{}));
  EXPECT_EQ(type_in_page("group"), type(GroupRecord{}));
  EXPECT_EQ(type_in_page("group gone"), type(GroupGone{}));
  EXPECT_EQ(type_in_page("group queued"), type(GroupQueued{}));
  EXPECT_EQ(type_in_page("group unqueued"), type(GroupUnqueued{}));
  EXPECT_EQ(type_in_page("alive"), type(Alive{}));
  EXPECT_EQ(std::variant_size_v<Record>, 20u) << "the page, too";
}

}  // namespace
}  // namespace shoal::store
