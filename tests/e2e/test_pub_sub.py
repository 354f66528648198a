"""`shoal pub` and `shoal sub`: quick hands for every day and for scripts."""

import json
import signal
import subprocess

import pytest

from clients import Paho
from fleet import SHOAL, free_port, wait_until

ALICE = {"user": "alice", "password": "alice's secret"}
BOTH = pytest.mark.parametrize("version", ["3", "5"])


@pytest.fixture
def fleet(shared_plants):
    return shared_plants


class Sub:
    """`shoal sub` that has subscribed (the instance has counted it)."""

    def __init__(self, fleet, name, *options):
        before = self._subscriptions(fleet, name)
        self.process = subprocess.Popen([SHOAL, "sub", "-i", name, *map(str, options)], env=fleet.env,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        wait_until(lambda: self._subscriptions(fleet, name) > before, "subscribed")

    @staticmethod
    def _subscriptions(fleet, name):
        return json.loads(fleet.cli("status", name, "--json").stdout)["stats"]["subscriptions_now"]

    def end(self):
        out, err = self.process.communicate(timeout=20)
        return self.process.returncode, out, err


@BOTH
@pytest.mark.parametrize("qos", [0, 1, 2])
def test_what_is_published_is_printed(fleet, version, qos):
    sub = Sub(fleet, "lab", "-V", version, "-t", "p/#", "-q", qos, "-v", "-C", 3)
    how = ["-i", "lab", "-V", version, "-q", qos]
    fleet.cli("pub", *how, "-t", "p/1", "-m", "one message")
    fleet.cli("pub", *how, "-t", "p/2", "-l", input="line 1\nline 2\n")
    assert sub.end() == (0, "p/1 one message\np/2 line 1\np/2 line 2\n", "")


@BOTH
def test_a_message_above_16_mib_is_printed(make_fleet, version):
    fleet = make_fleet("""[instances.lab]
listeners = ["mqtt://127.0.0.1:auto"]
auth = { anonymous = true }
limits = { packet_size = "32 MiB", queued_bytes = "64 MiB" }
""").start()
    (fleet.home / "big").write_text("x" * 20_000_000)
    sub = Sub(fleet, "lab", "-V", version, "-t", "big", "-q", 1, "-C", 1)
    fleet.cli("pub", "-i", "lab", "-t", "big", "-q", 1, "-f", "big")
    code, out, err = sub.end()
    assert (code, len(out), err) == (0, 20_000_001, "")


def test_retained_and_as_json(fleet):
    fleet.cli("pub", "-i", "lab", "-t", "r/1", "-m", "kept", "-r", "-q", 1)
    done = fleet.cli("sub", "-i", "lab", "-t", "r/#", "-C", 1, "--json")
    message = json.loads(done.stdout)
    assert message["topic"] == "r/1" and message["payload"] == "kept" and message["retain"] is True
    fleet.cli("pub", "-i", "lab", "-t", "r/1", "-n", "-r", "-q", 1)
    assert fleet.cli("sub", "-i", "lab", "-t", "r/#", "-W", 1, code=None).stdout == ""


def test_a_user_gives_the_password_by_environment_file_or_stdin(fleet):
    port = fleet.port("plant-a")
    with Paho(port, **ALICE) as watcher:
        watcher.subscribe("u", 1)
        how = ["pub", "-p", port, "-u", "alice", "-t", "u", "-q", 1]
        fleet.cli(*how, "-m", "stdin", "--password-stdin", input="alice's secret\n")
        (fleet.home / "secret").write_text("alice's secret\n")
        fleet.cli(*how, "-m", "file", "--password-file", "secret")
        fleet.env["SHOAL_PASSWORD"] = "alice's secret"
        fleet.cli(*how, "-m", "environment")
        del fleet.env["SHOAL_PASSWORD"]
        assert [m.payload for m in watcher.get(3)] == [b"stdin", b"file", b"environment"]


@BOTH
def test_a_will_is_published_when_sub_is_killed(fleet, version):
    with Paho(fleet.port("lab")) as watcher:
        watcher.subscribe("gone", 1)
        sub = Sub(fleet, "lab", "-V", version, "-t", "w", "--will-topic", "gone", "--will-payload", "killed", "--will-qos", 1)
        sub.process.send_signal(signal.SIGKILL)
        sub.end()
        assert watcher.get()[:3] == ("gone", b"killed", 1)


def test_sub_ends_politely_when_interrupted(fleet):
    with Paho(fleet.port("lab")) as watcher:
        watcher.subscribe("gone", 1)
        sub = Sub(fleet, "lab", "-t", "i", "--will-topic", "gone", "--will-payload", "no")
        sub.process.send_signal(signal.SIGINT)
        _, out, err = sub.end()
        assert (out, err) == ("", "")
        assert watcher.fence() == []


@pytest.mark.parametrize("options, code, says", [
    (["-i", "plant-a"], 1, "bad user name"),
    (["-i", "nosuch"], 4, "nosuch"),
    (["-p", "PORT"], 1, "refused"),
    (["-i", "lab", "-p", "1"], 2, "--port"),
], ids=["without a password", "no such instance", "nobody there", "two places"])
def test_what_goes_wrong_is_one_line(fleet, options, code, says):
    options = [str(free_port()) if o == "PORT" else o for o in options]
    for command in (["pub", "-m", "x"], ["sub"]):
        done = fleet.cli(*command, *options, "-t", "t", code=code, timeout=20)
        assert done.stdout == "" and len(done.stderr.splitlines()) == 1 and says in done.stderr.lower(), done.stderr
