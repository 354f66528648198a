#pragma once

#include <cassert>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "mqtt/topic_name.hpp"
#include "topic/level_names.hpp"

namespace shoal::topic {

/// A tree with one node per level of the names or filters put into it. Children are found by one hash
/// table for the whole tree, keyed by parent and level. `Value` sits in every node; a node whose
/// value is empty (`!value`) and which has no children can be pruned. A resource of one thread.
template <class Value>
class LevelTree {
 public:
  using Node = std::uint32_t;
  static constexpr Node kNone = UINT32_MAX;
  static constexpr Node kRoot = 0;

  explicit LevelTree(base::TextHash hash = base::TextHash()) : names_(hash), nodes_(1), edges_(8, kNone) {}

  /// False for what was never a node.
  bool has(Node node) const { return node < nodes_.size(); }
  Value& value(Node node) { return nodes_[node].value; }
  const Value& value(Node node) const { return nodes_[node].value; }
  Node parent(Node node) const { return nodes_[node].parent; }
  Node first_child(Node node) const { return nodes_[node].first_child; }
  Node next_sibling(Node node) const { return nodes_[node].next; }
  std::uint32_t level(Node node) const { return nodes_[node].level; }
  bool has_plus(Node node) const { return nodes_[node].has_plus; }
  bool has_hash(Node node) const { return nodes_[node].has_hash; }
  const LevelNames& names() const { return names_; }
  /// Nodes without the root.
  std::size_t size() const { return size_; }
  /// Memory: nodes, what finds them, and the texts of the levels.
  std::size_t bytes() const { return size_ * (sizeof(Entry) + 2 * sizeof(Node)) + names_.bytes(); }

  /// Child of `node` with that level, or `kNone`.
  Node child(Node node, std::uint32_t level) const {
    return level == LevelNames::kNone ? kNone : edges_[edge_of(node, level)];
  }

  /// Node of the whole path, or `kNone`.
  Node find(std::string_view path) const {
    mqtt::Levels levels(path);
    Node node = kRoot;
    for (std::string_view level; levels.next(level);) {
      node = child(node, names_.find(level));
      if (node == kNone) break;
    }
    return node;
  }

  /// Node of the whole path, made when missing.
  Node insert(std::string_view path) {
    mqtt::Levels levels(path);
    Node node = kRoot;
    for (std::string_view level; levels.next(level);) {
      const Node found = child(node, names_.find(level));
      node = found != kNone ? found : add(node, level);
    }
    return node;
  }

  /// Removes `node` and its ancestors as far as they are empty and without children; calls
  /// `before(Node)` for each while it is still there.
  template <class Before>
  void prune(Node node, Before before) {
    while (node != kRoot && !nodes_[node].value && nodes_[node].first_child == kNone) {
      const Node parent = nodes_[node].parent;
      before(node);
      remove(node);
      node = parent;
    }
  }

  void prune(Node node) {
    prune(node, [](Node) {});
  }

  /// Gives back what it took when there was more in it. Nodes stay where they are: what goes is free behind the last.
  void shrink() {
    std::size_t end = nodes_.size();
    while (end > 1 && is_free(nodes_[end - 1])) --end;
    nodes_.resize(end);
    nodes_.shrink_to_fit();
    free_ = kNone;
    for (std::size_t i = end; i-- > 1;) {
      if (!is_free(nodes_[i])) continue;
      nodes_[i].next = free_;
      free_ = static_cast<Node>(i);
    }
    std::size_t edges = 8;
    while (size_ * 2 > edges) edges *= 2;
    if (edges < edges_.size()) rehash(edges);
    names_.shrink();
  }

  /// The name or filter that leads to `node`.
  std::string path(Node node) const {
    std::vector<std::uint32_t> levels;
    for (; node != kRoot; node = nodes_[node].parent) levels.push_back(nodes_[node].level);
    std::string text;
    for (std::size_t i = levels.size(); i-- > 0;) {
      text += names_.text(levels[i]);
      if (i > 0) text += '/';
    }
    return text;
  }

 private:
  struct Entry {
    Node parent = kNone;
    Node first_child = kNone;
    Node next = kNone;
    Node previous = kNone;
    std::uint32_t level : 30 = 0;
    std::uint32_t has_plus : 1 = 0;
    std::uint32_t has_hash : 1 = 0;
    Value value{};
  };

  // But for the root, whoever is there has a parent.
  static bool is_free(const Entry& entry) { return entry.parent == kNone; }

  static std::size_t mix(Node parent, std::uint32_t level) {
    const std::uint64_t key = (static_cast<std::uint64_t>(parent) << 32 | level) * 0x9e3779b97f4a7c15u;
    return static_cast<std::size_t>(key ^ key >> 29);
  }

  std::size_t edge_of(Node parent, std::uint32_t level) const {
    const std::size_t mask = edges_.size() - 1;
    std::size_t slot = mix(parent, level) & mask;
    while (edges_[slot] != kNone && (nodes_[edges_[slot]].parent != parent || nodes_[edges_[slot]].level != level)) {
      slot = (slot + 1) & mask;
    }
    return slot;
  }

  Node add(Node parent, std::string_view text) {
    if ((size_ + 1) * 4 > edges_.size() * 3) rehash(edges_.size() * 2);
    Node node;
    if (free_ != kNone) {
      node = free_;
      free_ = nodes_[node].next;
    } else {
      node = static_cast<Node>(nodes_.size());
      nodes_.emplace_back();
    }
    const std::uint32_t level = names_.acquire(text);
    assert(level < (1u << 30));
    Entry& entry = nodes_[node];
    entry = Entry{};
    entry.parent = parent;
    entry.level = level & 0x3fffffffu;
    entry.next = nodes_[parent].first_child;
    if (entry.next != kNone) nodes_[entry.next].previous = node;
    nodes_[parent].first_child = node;
    if (level == LevelNames::kPlus) nodes_[parent].has_plus = 1;
    if (level == LevelNames::kHash) nodes_[parent].has_hash = 1;
    edges_[edge_of(parent, level)] = node;
    ++size_;
    return node;
  }

  void remove(Node node) {
    Entry& entry = nodes_[node];
    const std::size_t mask = edges_.size() - 1;
    std::size_t hole = edge_of(entry.parent, entry.level);
    // Entries behind the hole move up unless that would put them before their home slot.
    for (std::size_t next = (hole + 1) & mask; edges_[next] != kNone; next = (next + 1) & mask) {
      const Entry& other = nodes_[edges_[next]];
      const std::size_t home = mix(other.parent, other.level) & mask;
      if (((next - home) & mask) >= ((next - hole) & mask)) {
        edges_[hole] = edges_[next];
        hole = next;
      }
    }
    edges_[hole] = kNone;
    Entry& parent = nodes_[entry.parent];
    if (entry.level == LevelNames::kPlus) parent.has_plus = 0;
    if (entry.level == LevelNames::kHash) parent.has_hash = 0;
    if (entry.previous != kNone) nodes_[entry.previous].next = entry.next;
    else parent.first_child = entry.next;
    if (entry.next != kNone) nodes_[entry.next].previous = entry.previous;
    names_.release(entry.level);
    entry = Entry{};
    entry.next = free_;
    free_ = node;
    --size_;
  }

  void rehash(std::size_t size) {
    std::vector<Node> old(size, kNone);
    old.swap(edges_);
    for (const Node node : old) {
      if (node != kNone) edges_[edge_of(nodes_[node].parent, nodes_[node].level)] = node;
    }
  }

  LevelNames names_;
  std::vector<Entry> nodes_;
  std::vector<Node> edges_;  // open addressing, a power of two
  Node free_ = kNone;        // chained by `next`
  std::size_t size_ = 0;
};

}  // namespace shoal::topic
