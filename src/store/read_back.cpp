#include "store/read_back.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <numeric>
#include <span>
#include <utility>

#include "store/crc32c.hpp"
#include "store/record.hpp"
#include "store/segment.hpp"

namespace shoal::store {
namespace {

/// One segment that is read from.
class OpenSegment {
 public:
  OpenSegment(Directory& directory, std::uint64_t number) : number_(number) {
    error_ = directory.open(segment_name(number), file_);
    // Gone, which is an answer.
    if (error_ == ENOENT || is_damage(error_)) error_ = 0;
  }

  std::uint64_t number() const { return number_; }

  Errno read(const Wanted& wanted, Body& body) {
    if (!file_) return error_;
    span_.resize(body_span(wanted.topic_size, wanted.properties_size, wanted.payload_size));
    std::size_t got = 0;
    Errno error = file_->read(wanted.offset, span_, got);
    if (is_damage(error)) error = file_->read(wanted.offset, span_, got);
    if (is_damage(error)) return 0;
    if (error != 0) return error;
    body = take_body(wanted, std::span(span_).first(got));
    return body.empty() ? search(wanted, body) : 0;
  }

 private:
  Errno search(const Wanted& wanted, Body& body) {
    if (const Errno error = load()) return error;
    const base::Bytes all(whole_);
    const auto header = decode_segment_header(all);
    if (!header || header->number != number_) return 0;
    BatchScanner scanner(all, header->salt, 0);
    for (Batch batch; scanner.next(batch);) {
      RecordReader reader(batch.records);
      for (Record record; reader.next(record);) {
        const auto* const message = std::get_if<MessageRecord>(&record);
        if (!message || message->number != wanted.message) continue;
        const auto* const topic = reinterpret_cast<const std::uint8_t*>(message->topic.data());
        const std::size_t span = body_span(wanted.topic_size, wanted.properties_size, wanted.payload_size);
        const auto offset = static_cast<std::size_t>(topic - all.data());
        body = take_body(wanted, all.subspan(offset, std::min(span, all.size() - offset)));
        if (!body.empty()) return 0;
      }
    }
    return 0;
  }

  // What cannot be read of it is left out.
  Errno load() {
    if (!whole_.empty()) return 0;
    whole_.resize(file_->size());
    std::size_t got = 0;
    const Errno error = file_->read(0, whole_, got);
    if (error != 0 && !is_damage(error)) return error;
    whole_.resize(error == 0 ? got : 0);
    return 0;
  }

  std::uint64_t number_;
  std::unique_ptr<File> file_;  // null: it is gone
  Errno error_ = 0;
  std::vector<std::uint8_t> span_;
  std::vector<std::uint8_t> whole_;
};

// The size that is written before a text, and where it ends.
std::size_t put_size(std::uint8_t* to, std::size_t value) {
  std::size_t size = 0;
  for (; value >= 0x80; value >>= 7) to[size++] = static_cast<std::uint8_t>(value | 0x80);
  to[size++] = static_cast<std::uint8_t>(value);
  return size;
}

}  // namespace

std::size_t body_span(std::size_t topic_size, std::size_t properties_size, std::size_t payload_size) {
  std::uint8_t size[10];
  return topic_size + put_size(size, properties_size) + properties_size + put_size(size, payload_size) + payload_size;
}

Body take_body(const Wanted& wanted, base::Bytes span) {
  if (span.size() != body_span(wanted.topic_size, wanted.properties_size, wanted.payload_size)) return {};
  Body body;
  body.reserve(wanted.body_size());
  const auto take = [&](std::size_t size) {
    body.insert(body.end(), span.begin(), span.begin() + static_cast<std::ptrdiff_t>(size));
    span = span.subspan(size);
  };
  take(wanted.topic_size);
  for (const std::size_t part : {wanted.properties_size, wanted.payload_size}) {
    std::uint8_t size[10];
    const std::size_t size_bytes = put_size(size, part);
    if (std::memcmp(size, span.data(), size_bytes) != 0) return {};
    span = span.subspan(size_bytes);
    take(part);
  }
  if (crc32c(0, body) != wanted.checksum) return {};
  return body;
}

Errno read_back(Directory& directory, const std::vector<WantedFrom>& wanted, std::vector<Body>& bodies) {
  bodies.assign(wanted.size(), {});
  std::vector<std::size_t> order(wanted.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  // As they are on the disk.
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    const auto place = [&](std::size_t i) { return std::pair(wanted[i].segment, wanted[i].wanted.offset); };
    return place(a) < place(b);
  });
  std::unique_ptr<OpenSegment> segment;
  for (const std::size_t i : order) {
    if (wanted[i].segment == 0) continue;
    if (!segment || segment->number() != wanted[i].segment) {
      segment = std::make_unique<OpenSegment>(directory, wanted[i].segment);
    }
    if (const Errno error = segment->read(wanted[i].wanted, bodies[i])) return error;
  }
  return 0;
}

}  // namespace shoal::store
