"""What the machine refuses: one instance says so clearly, the others notice nothing, and it is over when the cause is."""

import os
import random
import resource
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

from clients import Paho
from fleet import RELEASE, Fleet, wait_until
from test_apply import HEAD, instance

NEEDS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to be somebody else")
OPEN = '[defaults]\nauth = { anonymous = true }\n'


@pytest.fixture
def unprivileged():
    """Makes a fleet that runs as somebody who has nothing else, in a folder that he can reach."""
    home = Path(tempfile.mkdtemp(prefix="shoal-"))
    uid = random.randrange(40000, 60000)
    fleet = Fleet(home)
    fleet.launcher = ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups"]
    fleet.uid = uid
    home.chmod(0o755)
    for folder in ("log", "state", "run"):
        (home / folder).mkdir()
        os.chown(home / folder, uid, uid)
    os.chown(home, uid, uid)
    yield fleet
    try:
        fleet.close()
    finally:
        shutil.rmtree(home, ignore_errors=True)


@pytest.fixture
def tiny(tmp_path):
    """A disk of 256 KiB for the state of the instance `full`."""
    folder = tmp_path / "home/state/full"
    folder.mkdir(parents=True)
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "none", str(folder)], capture_output=True, text=True)
    if mounted.returncode != 0:
        pytest.skip("needs to mount: " + mounted.stderr)
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def descends(fleet, name, phrase):
    """It is on its way down with that reason, in `ps` and in the controller's log."""
    def said():
        one = fleet.ps().get(name, {})
        return one.get("state") in ("backoff", "starting", "failed") and phrase in (one["last_exit"] or "")
    wait_until(said, f"{name} says {phrase!r}: {fleet.ps()}")
    assert phrase in fleet.log("controller")


def recovers(fleet, name):
    def ready():
        state = fleet.ps()[name]["state"]
        if state == "failed":  # it tried often enough
            fleet.cli("start", name, code=None)
        return state == "ready"
    wait_until(ready, f"{name} is ready: {fleet.ps()}", 40)
    Paho(fleet.port(name), "again").close()


class Neighbour:
    """A client of an instance that must not notice anything."""

    def __init__(self, fleet, name="neighbour"):
        self.fleet, self.name = fleet, name

    def __enter__(self):
        self.pid = self.fleet.pid(self.name)
        self.client = Paho(self.fleet.port(self.name), "neighbour")
        return self

    def __exit__(self, kind, *_):
        if kind is None:
            self.client.fence()
            assert self.client.disconnects == [] and self.client.connects == 1
            now = self.fleet.ps()[self.name]
            assert (now["pid"], now["restarts"], now["state"]) == (self.pid, 0, "ready")
        self.client.close()


def limit_descriptors(pid, count):
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (count, resource.prlimit(pid, resource.RLIMIT_NOFILE)[1]))


def settled_descriptors(pid):
    """What each is, by number; none while they change."""
    def look():
        return {int(fd): os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")}
    try:
        before = look()
        time.sleep(0.05)
        return before if look() == before else None
    except FileNotFoundError:
        return None


def first_beyond(pid):
    """A number that new descriptors cannot have, so that there are none, but for the reserve of the API."""
    used = wait_until(lambda: settled_descriptors(pid), "no connection is about to be closed")
    reserve = max(fd for fd, what in used.items() if what == "/dev/null")
    return max(reserve + 1, next(n for n in range(len(used) + 1) if n not in used))


def cpu_s(pid):
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@NEEDS_ROOT
def test_a_log_that_cannot_be_written(unprivileged):
    fleet = unprivileged.write(HEAD + instance("mute", "auto") + instance("neighbour", "auto"))
    log = fleet.home / "log/mute.log"
    log.touch()
    log.chmod(0o600)
    fleet.spawn().wait_ready("neighbour")
    with Neighbour(fleet):
        descends(fleet, "mute", f"the log file {log} cannot be opened: Permission denied")
        os.chown(log, fleet.uid, fleet.uid)
        recovers(fleet, "mute")


def test_a_state_folder_on_a_full_disk(make_fleet, tiny):
    (tiny / "ballast").write_bytes(b"")
    with (tiny / "ballast").open("wb", buffering=0) as ballast, pytest.raises(OSError):
        while True:
            ballast.write(b"x" * 4096)
    fleet = make_fleet(OPEN + instance("full", "auto") + instance("neighbour", "auto"))
    fleet.spawn().wait_ready("neighbour")
    with Neighbour(fleet):
        descends(fleet, "full", "No space left on device")
        assert str(tiny) in fleet.ps()["full"]["last_exit"]
        (tiny / "ballast").unlink()
        recovers(fleet, "full")


@NEEDS_ROOT
def test_a_state_folder_that_cannot_be_written(unprivileged):
    fleet = unprivileged.write(OPEN + instance("locked", "auto") + instance("neighbour", "auto"))
    folder = fleet.home / "state/locked"
    folder.mkdir(mode=0o755)
    fleet.spawn().wait_ready("neighbour")
    with Neighbour(fleet):
        descends(fleet, "locked", "Permission denied")
        assert str(folder) in fleet.ps()["locked"]["last_exit"]
        os.chown(folder, fleet.uid, fleet.uid)
        recovers(fleet, "locked")


def test_a_controller_without_descriptors_answers_and_goes_on_when_there_are_some(make_fleet):
    fleet = make_fleet(HEAD + instance("neighbour", "auto")).start()
    controller = fleet.process.pid
    with Neighbour(fleet):
        before = fleet.config.read_text()
        limit_descriptors(controller, first_beyond(controller))
        cpu, began = cpu_s(controller), time.monotonic()
        assert fleet.ps()["neighbour"]["state"] == "ready"
        refused = fleet.cli("create", "more", "--set", "listeners=mqtt://127.0.0.1:auto", code=1)
        assert "Too many open files" in refused.stderr, refused.stderr
        refused = fleet.cli("apply", code=None)
        assert refused.returncode == 0 or "Too many open files" in refused.stderr
        time.sleep(1)
        assert cpu_s(controller) - cpu < 0.5 * (time.monotonic() - began), "it does not spin"
        assert not (fleet.home / "instances.d/more.toml").exists() and fleet.config.read_text() == before
        limit_descriptors(controller, 1000)
        fleet.cli("create", "more", "--set", "listeners=mqtt://127.0.0.1:auto")
        Paho(fleet.port("more"), "x").close()


def test_a_controller_with_few_descriptors_starts_nothing_by_halves(make_fleet):
    text = HEAD + instance("neighbour", "auto")
    fleet = make_fleet(text).start()
    controller = fleet.process.pid
    with Neighbour(fleet):
        for more in range(1, 12):
            limit_descriptors(controller, first_beyond(controller) + more)
            done = fleet.cli("create", "more", "--set", "listeners=mqtt://127.0.0.1:auto", "--timeout", 20, code=None)
            if done.returncode == 0:
                break
            assert "escriptor" in done.stderr or "Too many open files" in done.stderr, done.stderr
            limit_descriptors(controller, 1000)
            if "more" in fleet.ps():  # written, and waits for what it needs
                recovers(fleet, "more")
                fleet.cli("rm", "more")
            assert "more" not in fleet.ps()
        assert more > 1 and done.returncode == 0
        limit_descriptors(controller, 1000)
        recovers(fleet, "more")


@pytest.mark.skipif(not RELEASE, reason="UBSan looks at objects by way of a pipe")
@pytest.mark.release
def test_a_worker_without_descriptors_lets_connects_wait(make_fleet):
    keys = {"worker_limits.descriptors": 100}
    fleet = make_fleet(HEAD + instance("small", "auto", **keys) + instance("neighbour", "auto")).start()
    port = fleet.port("small")
    with Neighbour(fleet), Paho(port, "first") as first:
        crowd = [socket.create_connection(("127.0.0.1", port), timeout=5) for _ in range(120)]

        def hits():
            stats = fleet.cli("status", "small", "--json").stdout
            return '"limit_hits.descriptors":0' not in stats and stats
        wait_until(hits, "the limit was reached")
        pid = fleet.pid("small")
        cpu = cpu_s(pid)
        time.sleep(1)
        assert cpu_s(pid) - cpu < 0.5, "it does not spin"
        wait_until(lambda: "connections wait" in fleet.log("small"), "a line in the log")
        first.fence()
        for one in crowd:
            one.close()
        Paho(port, "after").close()
        assert fleet.pid("small") == pid and first.disconnects == []


@NEEDS_ROOT
def test_fork_failing(unprivileged):
    fleet = unprivileged.write(HEAD + instance("neighbour", "auto"))
    fleet.start()

    before = Path(f"/proc/{fleet.process.pid}/limits").read_text()
    soft = next(line for line in before.splitlines() if line.startswith("Max processes")).split()[2]

    def limit_processes(count):
        subprocess.run([*fleet.launcher, "prlimit", "--pid", str(fleet.process.pid), f"--nproc={count}:"], check=True)
    with Neighbour(fleet):
        limit_processes(1)
        fleet.write(HEAD + instance("neighbour", "auto") + instance("late", "auto"))
        done = fleet.cli("apply", code=1)
        assert "cannot be started: Resource temporarily unavailable" in done.stderr and "ulimit -u" in done.stderr
        descends(fleet, "late", "cannot be started: Resource temporarily unavailable")
        limit_processes(soft)
        recovers(fleet, "late")
