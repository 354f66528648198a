#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <vector>

#include "auth/authenticator.hpp"
#include "auth/password_pool.hpp"
#include "base/log.hpp"
#include "broker/connection.hpp"
#include "broker/listener.hpp"
#include "broker/shard.hpp"
#include "broker/store_background.hpp"
#include "io/call_timer.hpp"
#include "io/reactor.hpp"
#include "store/backup.hpp"
#include "store/log.hpp"

namespace shoal::broker {

/// With a seed that nobody can guess.
base::TextHash random_hash();

/// A running broker, or its part on one of several reactors: a shard and its edges (listeners, connections, users,
/// log). All of it on the reactor's thread. Of several parts the first has the listeners; a connection goes to the one
/// that its client id belongs to.
class Instance final : private Authority, private io::TurnEnd, private io::Timer, private io::Inbox {
 public:
  using Users = std::shared_ptr<const auth::UserTable>;
  /// Null when there are none. Errors: the file cannot be read, or is wrong.
  static Result<Users> load_users(const AuthOptions& options);
  /// What the parts of a broker have in common.
  struct Together {
    std::shared_ptr<ShardSet> set;  ///< null: there is just one
    unsigned number = 0;
    base::Log log;
    Users users;
  };
  /// Another part. Its instance is looked at by its own thread only.
  struct Other {
    io::Reactor* reactor = nullptr;
    std::weak_ptr<Instance*> instance{};
  };

  /// What survived, with the folder it is in, whose lock this holds.
  struct Survived {
    std::unique_ptr<store::Directory> directory;
    store::Reading reading;
  };
  /// Reads the store, which may take long: on any thread. Null with Persistence::none. Errors: those of
  /// `store::open_directory` and `store::read_log`.
  static Result<std::unique_ptr<Survived>> read_store(const BrokerOptions& options);

  /// Checks nothing that `BrokerOptions` promises; `Broker::start` did. Serves nobody yet. `survived`: what
  /// `read_store` found; its folder is taken, the rest stays until `restore_some` is done.
  static Result<std::unique_ptr<Instance>> open(io::Reactor& reactor, auth::PasswordPool& pool, io::TaskPool& files,
                                                BrokerOptions options, Together together, Survived* survived);
  /// How the others find this part.
  Other self() { return {&reactor_, self_}; }
  /// All parts, this one too, by number. Before anybody connects.
  void set_parts(std::vector<Other> parts) { parts_ = std::move(parts); }
  /// For a millisecond or so: goes on with what survived. False when all is there.
  bool restore_some();
  /// Then: serves. Takes all of the sockets, or there is an error.
  Result<void> listen(std::vector<base::UniqueFd> sockets);
  ~Instance();
  /// Ends everything at once; nothing is called from here any more. What is left is memory, which must
  /// stay until the end of the turn (`Reactor::dispose`). Idempotent.
  void close();

  std::uint16_t port(std::size_t listener) const;
  Shard& shard() { return shard_; }
  /// Tries to write again what of the log could not be written.
  Stats stats();
  /// As `Broker::clients`; `next` is how many connections are left to look at.
  ClientPage clients(std::uint64_t from, std::size_t most) const;
  bool disconnect(std::string_view client_id);
  void set_users(Users users);
  /// What `Broker::change` promises. `sockets`: one for each listener, none where the one of that url stays.
  Result<void> change(BrokerOptions options, std::vector<base::UniqueFd> sockets, Users users);
  const BrokerOptions& options() const { return options_; }
  /// The sockets of the listeners, in their order.
  std::vector<int> sockets() const;
  base::Log& log() { return log_; }
  void set_log_level(LogLevel level);

  /// Closes the listeners, ends the clients and calls `done` once when the last connection is closed
  /// or `limit` has passed. Again: every `done` is called when the first limit has passed.
  void drain(base::Duration limit, std::function<void()> done);

  // For listeners and connections.
  io::Reactor& reactor() { return reactor_; }
  EdgeCounters& counters() { return counters_; }
  /// What happens is for this instance, and it has something to do when the turn ends.
  void want_turn_end() {
    if (!self_) return;
    reactor_.serve(&guest_);
    reactor_.at_turn_end(*this);
  }
  /// Other instances of the thread wait while this one works.
  bool shares_thread() const { return reactor_.guests() > 1; }
  bool may_accept();
  base::Duration accept_wait() const { return accepts_.wait(); }
  void accept(base::UniqueFd fd, const io::Endpoint& peer);
  /// What other parts told is known from here on.
  void hear() {
    if (shard_.has_mail()) shard_.hear();
  }
  /// Gives a connection to the part with that number. `said`: what its client sent so far.
  void move(unsigned part, base::UniqueFd fd, const io::Endpoint& peer, base::Bytes said);
  void accept_failed(const Error& error);
  /// A connection keeps that many bytes more of an incomplete packet (or fewer, below 0). What is too much
  /// for all of them together ends those that keep theirs for longest.
  void keep_input(std::ptrdiff_t bytes);
  /// Nobody may read before that was done.
  bool input_full() const { return input_full_; }
  /// How much to read at once: little while much is kept already.
  std::size_t read_bytes_max();
  /// The connection is closed; it goes at the end of the turn.
  void bury(Connection& connection);

 private:
  Instance(io::Reactor& reactor, auth::PasswordPool& pool, io::TaskPool& files, BrokerOptions options,
           Together together);

  Connection* add(base::UniqueFd fd, const io::Endpoint& peer);
  bool has_mail() const override { return shard_.has_mail(); }
  void on_mail() override;

  auth::Verdict check(std::optional<std::string_view> user, std::optional<std::string_view> password) override;
  bool verify(std::uint64_t client, std::string_view user, std::string_view password) override;
  void on_turn_end() override;
  void end_stale_input();
  void free_memory();
  void on_deadline(base::Time now) override;
  void finish_drain();
  Result<void> open_store(Survived& survived);
  void close_store();
  void watch_store();
  void retry_store();
  void note_damage(const store::LogReport& report, const store::Image::Missing& missing);

  io::Reactor& reactor_;
  auth::PasswordPool& pool_;
  BrokerOptions options_;
  std::shared_ptr<ShardSet> set_;  // null: this is the only part
  std::vector<Other> parts_;
  base::Log log_;
  auth::Authenticator authenticator_;
  EdgeCounters counters_;
  RateLimit accepts_;
  io::Reactor::Guest guest_;
  StoreBackground background_;
  io::CallTimer<&Instance::retry_store> store_retry_{*this};  // of what could not be written
  Shard shard_;
  std::vector<std::unique_ptr<Listener>> listeners_;
  std::vector<std::unique_ptr<Connection>> connections_;
  std::vector<std::unique_ptr<Connection>> buried_;
  std::vector<std::function<void()>> drained_;
  store::Log* store_ = nullptr;  // the shard's; null: none
  std::string store_damage_;     // what could not be read when it was opened
  bool store_troubled_ = false;  // the log says so
  bool restoring_ = false;       // not all that survived is there yet
  bool exhausted_ = false;
  bool input_full_ = false;                                      // at the turn's end some connections have to go
  std::shared_ptr<std::atomic<base::Duration::rep>> verifying_;  // CPU time of the password pool's threads for it
  std::shared_ptr<Instance*> self_;  // what answers from the password pool look for; none when closed
};

}  // namespace shoal::broker
