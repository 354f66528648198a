#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "topic/level_tree.hpp"

namespace shoal::topic {

/// The retained messages of an instance by topic. `Ref` refers to a message; an empty one (`!ref`)
/// means none. A resource of one thread.
template <class Ref>
class RetainedTree {
  using Tree = LevelTree<Ref>;
  using Node = typename Tree::Node;

 public:
  class Walk;

  explicit RetainedTree(base::TextHash hash = base::TextHash()) : tree_(hash) {}
  RetainedTree(const RetainedTree&) = delete;
  RetainedTree& operator=(const RetainedTree&) = delete;

  std::size_t size() const { return size_; }
  /// Memory of the tree itself, without the messages.
  std::size_t index_bytes() const { return tree_.bytes(); }

  /// Gives back what it took when there were more. Places stay, and walks go on.
  void shrink() { tree_.shrink(); }

  /// The message of a topic; empty when there is none.
  Ref find(std::string_view topic) const {
    const auto node = tree_.find(topic);
    return node == Tree::kNone ? Ref{} : tree_.value(node);
  }

  /// Where a topic's message is, while it is there.
  using Place = Node;
  /// What is at that place; null when the tree has no such place.
  Ref* at(Place place) { return tree_.has(place) ? &tree_.value(place) : nullptr; }

  /// Stores (not empty) or removes (empty) the message of a topic; returns what was there. `where`, unless null, is
  /// set to the place of what is stored.
  Ref set(std::string_view topic, Ref ref, Place* where = nullptr) {
    if (!ref) {
      const auto node = tree_.find(topic);
      if (node == Tree::kNone) return {};
      Ref old = std::exchange(tree_.value(node), Ref{});
      if (!!old) --size_;
      tree_.prune(node, [&](Node removed) {
        for (Walk* walk : walks_) walk->leave(removed);
      });
      return old;
    }
    const auto node = tree_.insert(topic);
    if (where) *where = node;
    Ref old = std::exchange(tree_.value(node), std::move(ref));
    if (!old) ++size_;
    return old;
  }

  /// Calls `visit(const Ref&)` for every message whose topic matches a valid filter. The tree must
  /// not change meanwhile.
  template <class Visit>
  void each(std::string_view filter, Visit visit) {
    Walk walk(*this, std::string(filter));
    visit_all(walk, visit);
  }
  /// The same for every message there is.
  template <class Visit>
  void each(Visit visit) {
    Walk walk(*this);
    visit_all(walk, visit);
  }

 private:
  template <class Visit>
  static void visit_all(Walk& walk, Visit& visit) {
    for (std::size_t steps = SIZE_MAX; const Ref* ref = walk.seek(steps); walk.advance()) visit(*ref);
  }

  Tree tree_;
  std::size_t size_ = 0;
  std::vector<Walk*> walks_;
};

/// A way through the messages whose topics match a filter, one by one, with as much time between the
/// steps as anybody likes. The tree may change meanwhile: what is stored and stays is met exactly once;
/// what comes later may be met or not. A resource of one thread; the tree outlives it.
template <class Ref>
class RetainedTree<Ref>::Walk {
 public:
  /// The filter is valid (`mqtt::is_topic_filter`).
  Walk(RetainedTree& tree, std::string filter) : owner_(&tree), filter_(std::move(filter)) {
    mqtt::Levels levels(filter_);
    for (std::string_view level; levels.next(level);) levels_.push_back(level);
    if (levels_.back() == "#") {
      below_ = true;
      levels_.pop_back();
    }
    begin();
  }
  /// Through everything, topics that start with `$` included.
  explicit Walk(RetainedTree& tree) : owner_(&tree), below_(true), skips_dollar_(false) { begin(); }
  ~Walk() {
    owner_->walks_[place_] = owner_->walks_.back();
    owner_->walks_[place_]->place_ = place_;
    owner_->walks_.pop_back();
  }
  Walk(const Walk&) = delete;
  Walk& operator=(const Walk&) = delete;

  /// The next message; the same until `advance`. Looks at no more than `steps` nodes and takes from
  /// `steps` those it looked at: null with none left to look at means to call again, otherwise the end.
  const Ref* seek(std::size_t& steps) {
    for (; node_ != Tree::kNone && steps > 0; --steps) {
      const Ref& ref = owner_->tree_.value(node_);
      if (!!ref && (depth_ == levels_.size() || (below_ && depth_ > levels_.size()))) return &ref;
      advance();
    }
    return nullptr;
  }
  void advance() {
    const Node child = first_child();
    if (child == Tree::kNone) return pass();
    node_ = child;
    ++depth_;
  }
  bool done() const { return node_ == Tree::kNone; }

 private:
  friend class RetainedTree;

  void begin() {
    place_ = owner_->walks_.size();
    owner_->walks_.push_back(this);
  }

  // The tree is about to remove a node, which has no children any more.
  void leave(Node removed) {
    if (node_ == removed) pass();
  }

  // On to what follows the node and everything below it.
  void pass() {
    const Tree& tree = owner_->tree_;
    while (depth_ > 0) {
      const Node next = any_at(depth_ - 1) ? allowed(tree.next_sibling(node_), depth_) : Tree::kNone;
      if (next != Tree::kNone) {
        node_ = next;
        return;
      }
      node_ = tree.parent(node_);
      --depth_;
    }
    node_ = Tree::kNone;
  }

  Node first_child() const {
    const Tree& tree = owner_->tree_;
    if (any_at(depth_)) return allowed(tree.first_child(node_), depth_ + 1);
    return depth_ < levels_.size() ? tree.child(node_, tree.names().find(levels_[depth_])) : Tree::kNone;
  }

  // Whether the level behind `depth` may be any.
  bool any_at(std::size_t depth) const { return depth < levels_.size() ? levels_[depth] == "+" : below_; }

  // From this sibling on, the first that wildcards match (MQTT-4.7.2-1).
  Node allowed(Node node, std::size_t depth) const {
    const Tree& tree = owner_->tree_;
    if (depth > 1 || !skips_dollar_) return node;
    while (node != Tree::kNone && mqtt::starts_with_dollar(tree.names().text(tree.level(node)))) {
      node = tree.next_sibling(node);
    }
    return node;
  }

  RetainedTree* owner_;
  std::size_t place_ = 0;
  std::string filter_;
  std::vector<std::string_view> levels_;  // without a `#` at the end
  bool below_ = false;                    // there is one
  bool skips_dollar_ = true;
  Node node_ = Tree::kRoot;  // to be looked at next
  std::size_t depth_ = 0;
};

}  // namespace shoal::topic
