#pragma once

#include <string_view>
#include <utility>
#include <vector>

#include "topic/level_tree.hpp"

namespace shoal::topic {

/// The retained messages of an instance by topic. `Ref` refers to a message; an empty one (`!ref`)
/// means none. A resource of one thread.
template <class Ref>
class RetainedTree {
 public:
  explicit RetainedTree(base::TextHash hash = base::TextHash()) : tree_(hash) {}

  std::size_t size() const { return size_; }

  /// The message of a topic; empty when there is none.
  Ref find(std::string_view topic) const {
    const auto node = tree_.find(topic);
    return node == Tree::kNone ? Ref{} : tree_.value(node);
  }

  /// Stores (not empty) or removes (empty) the message of a topic; returns what was there.
  Ref set(std::string_view topic, Ref ref) {
    if (!ref) {
      const auto node = tree_.find(topic);
      if (node == Tree::kNone) return {};
      Ref old = std::exchange(tree_.value(node), Ref{});
      if (!!old) --size_;
      tree_.prune(node);
      return old;
    }
    const auto node = tree_.insert(topic);
    Ref old = std::exchange(tree_.value(node), std::move(ref));
    if (!old) ++size_;
    return old;
  }

  /// Calls `visit(const Ref&)` for every message. The tree must not change meanwhile.
  template <class Visit>
  void each(Visit visit) const {
    each_below(Tree::kRoot, false, visit);
  }

  /// Calls `visit(const Ref&)` for every message whose topic matches a valid filter. The tree must
  /// not change meanwhile. Returns how many nodes that took.
  template <class Visit>
  std::size_t each(std::string_view filter, Visit visit) const {
    std::size_t seen = 0;
    std::vector<Node> frontier{Tree::kRoot};
    std::vector<Node> next;
    mqtt::Levels levels(filter);
    bool first = true;
    for (std::string_view text; levels.next(text) && !frontier.empty(); first = false) {
      next.clear();
      if (text == "#") {
        for (const Node node : frontier) seen += each_below(node, first, visit);
        return seen;
      }
      const std::uint32_t level = tree_.names().find(text);
      seen += frontier.size();
      for (const Node node : frontier) {
        if (text == "+") {
          for (Node child = tree_.first_child(node); child != Tree::kNone; child = tree_.next_sibling(child)) {
            if (!(first && dollar(child))) next.push_back(child);
            ++seen;
          }
        } else if (const Node child = tree_.child(node, level); child != Tree::kNone) {
          next.push_back(child);
        }
      }
      frontier.swap(next);
    }
    for (const Node node : frontier) {
      if (!!tree_.value(node)) visit(tree_.value(node));
    }
    return seen;
  }

 private:
  using Tree = LevelTree<Ref>;
  using Node = typename Tree::Node;

  bool dollar(Node node) const { return mqtt::starts_with_dollar(tree_.names().text(tree_.level(node))); }

  // Everything from `top` down, `top` included, without recursion: the tree may be deep.
  template <class Visit>
  std::size_t each_below(Node top, bool skip_dollar, Visit& visit) const {
    Node node = top;
    for (std::size_t seen = 1;; ++seen) {
      if (!!tree_.value(node)) visit(tree_.value(node));
      Node step = tree_.first_child(node);
      if (node == top && skip_dollar) step = not_dollar(step);
      while (step == Tree::kNone) {
        if (node == top) return seen;
        step = tree_.next_sibling(node);
        node = tree_.parent(node);
        if (node == top && skip_dollar) step = not_dollar(step);
      }
      node = step;
    }
  }

  Node not_dollar(Node node) const {
    while (node != Tree::kNone && dollar(node)) node = tree_.next_sibling(node);
    return node;
  }

  Tree tree_;
  std::size_t size_ = 0;
};

}  // namespace shoal::topic
