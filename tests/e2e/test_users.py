"""`shoal users`: the password comes from a prompt, stdin or a file, and takes effect at once."""

import os
import pty
import signal

import pytest

from clients import Paho, Refused
from fleet import SHOAL, wait_until

ONE = """[instances.one]
listeners = ["mqtt://127.0.0.1:auto"]
auth = { users_file = "one.users" }

[instances.open]
listeners = ["mqtt://127.0.0.1:auto"]
auth = { anonymous = true }
"""


def lets_in(fleet, user, password):
    try:
        Paho(fleet.port("one"), user=user, password=password).close()
        return True
    except Refused:
        return False


def at_the_prompt(fleet, *answers):
    """Runs `users add one carol` on a terminal of its own; (exit code, what was shown)."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.execve(SHOAL, [SHOAL, "users", "add", "one", "carol"], fleet.env)
    shown, left = b"", list(answers)
    while True:
        try:
            data = os.read(terminal, 1024)
        except OSError:  # the other end is closed
            break
        shown += data
        if left and shown.rstrip(b" ").endswith(b":"):
            shown += b"|"
            os.write(terminal, left.pop(0).encode() + b"\n")
    os.close(terminal)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), shown.decode()


def test_users_from_stdin_file_and_prompt_work_at_once(make_fleet):
    fleet = make_fleet(ONE)
    fleet.add_user("one", "alice", "from stdin")
    fleet.start()
    assert lets_in(fleet, "alice", "from stdin")
    (fleet.home / "password").write_text("from a file\n")
    fleet.cli("users", "add", "one", "bob", "--password-file", "password")
    assert lets_in(fleet, "bob", "from a file") and not lets_in(fleet, "bob", "wrong")
    code, shown = at_the_prompt(fleet, "from a prompt", "from a prompt")
    assert code == 0, shown
    assert "from a prompt" not in shown, "the password was echoed"
    assert lets_in(fleet, "carol", "from a prompt")
    assert fleet.cli("users", "ls", "one").stdout.split() == ["alice", "bob", "carol"]


def test_two_different_answers_change_nothing(make_fleet):
    fleet = make_fleet(ONE)
    fleet.add_user("one", "alice", "x")
    code, shown = at_the_prompt(fleet, "one", "another")
    assert code == 1, shown
    assert fleet.cli("users", "ls", "one").stdout.split() == ["alice"]


def test_a_changed_password_and_a_removed_user(make_fleet):
    fleet = make_fleet(ONE)
    fleet.add_user("one", "alice", "old")
    fleet.add_user("one", "bob", "stays")
    fleet.start()
    assert lets_in(fleet, "alice", "old")
    fleet.add_user("one", "alice", "new")
    assert lets_in(fleet, "alice", "new") and not lets_in(fleet, "alice", "old")
    with Paho(fleet.port("one"), user="bob", password="stays") as bob:
        fleet.cli("users", "rm", "one", "alice")
        assert not lets_in(fleet, "alice", "new")
        bob.fence()
        assert bob.disconnects == []
    fleet.cli("users", "rm", "one", "alice", code=5)
    fleet.cli("users", "ls", "nosuch", code=4)


def test_the_file_holds_only_hashes_and_only_its_owner_reads_it(make_fleet):
    fleet = make_fleet(ONE)
    fleet.add_user("one", "alice", "plain text")
    file = fleet.home / "one.users"
    assert file.read_text().startswith("alice:$argon2id$") and "plain text" not in file.read_text()
    assert file.stat().st_mode & 0o077 == 0


def test_a_password_is_not_taken_from_the_command_line(make_fleet):
    fleet = make_fleet(ONE)
    fleet.cli("users", "add", "one", "alice", "secret", code=2)
    fleet.cli("users", "add", "one", "alice", "--password", "secret", code=2)


def test_an_instance_without_users_says_so(make_fleet):
    done = make_fleet(ONE).cli("users", "add", "open", "alice", "--password-stdin", input="x\n", code=1)
    assert "open" in done.stderr and "users_file" in done.stderr


@pytest.mark.parametrize("line", ["alice", "alice:plain", ":$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHQ$x"])
def test_a_broken_users_file_is_named_with_its_line(make_fleet, line):
    fleet = make_fleet(ONE)
    fleet.add_user("one", "good", "x")
    with (fleet.home / "one.users").open("a") as file:
        file.write(line + "\n")
    done = fleet.cli("users", "ls", "one", code=1)
    assert "one.users:2" in done.stderr


def test_add_tells_when_the_instance_still_has_the_old_users(make_fleet):
    fleet = make_fleet(ONE)
    fleet.add_user("one", "alice", "x")
    fleet.start()
    worker = fleet.pid("one")
    os.kill(worker, signal.SIGSTOP)
    try:
        done = fleet.cli("users", "add", "one", "bob", "--password-stdin", input="y\n", code=1)
    finally:
        os.kill(worker, signal.SIGCONT)
    assert "still has the old users: its worker does not answer" in done.stderr
    wait_until(lambda: lets_in(fleet, "bob", "y"), "it has them when it goes on")


def test_a_users_file_that_breaks_while_running_changes_nothing(make_fleet):
    fleet = make_fleet(ONE)
    fleet.add_user("one", "alice", "x")
    fleet.start()
    assert lets_in(fleet, "alice", "x")
    good = (fleet.home / "one.users").read_text()
    (fleet.home / "one.users").write_text(good + "broken\n")
    fleet.cli("users", "add", "one", "bob", "--password-stdin", input="y\n", code=1)
    assert lets_in(fleet, "alice", "x") and not lets_in(fleet, "bob", "y")
    os.kill(fleet.pid("one"), 9)
    wait_until(lambda: "one.users:2" in str(fleet.ps()["one"]["last_exit"]), "what is wrong with the file")
    (fleet.home / "one.users").write_text(good)
    fleet.cli("start", "one", code=None)
    fleet.wait_ready("one")
    assert lets_in(fleet, "alice", "x")
