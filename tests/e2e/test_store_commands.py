"""backup, restore, store inspect and store check, on instances that work meanwhile."""

import json
import os
import signal
import threading
import time

from clients import V5, Paho
from fleet import wait_until
from wire import PUBACK, PUBLISH, Wire, packet, text

TWO = """
[instances.plant]
listeners = ["mqtt://127.0.0.1:auto"]
auth = { anonymous = true }

[instances.lab]
listeners = ["mqtt://127.0.0.1:auto"]
auth = { anonymous = true }
"""


class Publishing:
    """A client that publishes QoS 1 messages to `load/NAME`, many at a time and as many as are `allowed`;
    `acknowledged` counts in order."""

    def __init__(self, port, name, batch=40):
        self.wire = Wire(port)
        assert self.wire.connect(name)[1] == 0
        self.topic = text(f"load/{name}")
        self.batch = batch
        self.acknowledged = 0
        self.allowed = 0
        self.error = None
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        try:
            while not self._end.is_set():
                first = self.acknowledged
                if first >= self.allowed:
                    time.sleep(0.001)
                    continue
                self.wire.send(b"".join(
                    packet(3, 2, self.topic + (i % 60000 + 1).to_bytes(2, "big") + str(i).encode())
                    for i in range(first, first + self.batch)))
                for _ in range(self.batch):
                    kind, _, body = self.wire.recv()
                    assert kind == PUBACK, kind
                    self.acknowledged += 1
        except Exception as error:  # told by `stop`
            self.error = error

    def stop(self):
        self._end.set()
        self._thread.join(20)
        self.wire.socket.close()
        assert self.error is None, self.error


def offline(port, client_id, filter="load/#"):
    """A session that subscribes and goes."""
    with Wire(port) as c:
        assert c.connect(client_id, clean=False)[1] == 0
        assert c.subscribe(filter, 1) == 1


def waiting(port, client_id):
    """What waits for that session, by topic."""
    found = {}
    with Wire(port) as c:
        assert c.connect(client_id, clean=False) == (True, 0)
        c.publish("load/end", b"0", 1)
        while "load/end" not in found:
            kind, _, body = c.recv()
            if kind != PUBLISH:
                continue
            end = 2 + int.from_bytes(body[:2], "big")
            c.send(packet(PUBACK, 0, body[end:end + 2]))
            found.setdefault(body[2:end].decode(), []).append(int(body[end + 2:]))
    return found


def restore_into(fleet, name, file, *options):
    fleet.cli("stop", name)
    done = fleet.cli("restore", name, file, *options)
    fleet.cli("start", name)
    fleet.wait_ready(name)
    return done


def test_backup_under_load_has_what_was_acknowledged_before(make_fleet):
    fleet = make_fleet('[defaults]\nlimits = { queued_messages = 1000000, queued_bytes = "256 MiB" }\n' + TWO).start()
    port = fleet.port("plant")
    offline(port, "reader")
    publishers = [Publishing(port, f"p{i}") for i in range(8)]

    def acknowledged():
        return [p.acknowledged for p in publishers]

    backups = []
    try:
        for i in range(4):
            done = sum(acknowledged())
            for p in publishers:
                p.allowed += 1000
            wait_until(lambda: sum(acknowledged()) > done + 2000, "load")
            before = acknowledged()
            file = fleet.home / f"{i}.backup"
            fleet.cli("backup", "plant", file)
            backups.append((file, before, acknowledged()))
            assert "sound" in fleet.cli("store", "check", file).stdout
    finally:
        for p in publishers:
            p.stop()
    for file, before, after in (backups[0], backups[3]):
        restore_into(fleet, "lab", file, "--force")
        found = waiting(fleet.port("lab"), "reader")
        for p, least, most in zip(range(8), before, after):
            numbers = found[f"load/p{p}"]
            assert numbers == list(range(len(numbers))), "in order, none lost, none twice"
            assert least <= len(numbers) <= most + publishers[p].batch
    # The one that was backed up goes on as if nothing had been.
    found = waiting(port, "reader")
    assert [len(found[f"load/p{p}"]) for p in range(8)] == acknowledged()


def test_backup_while_segments_are_cleared(make_fleet):
    fleet = make_fleet(TWO).start()
    port = fleet.port("plant")
    payload = "x" * 100_000
    end, rounds = threading.Event(), []

    def overwrite():
        with Paho(port, "w") as writer:
            while not end.is_set():
                for i in range(20):
                    writer.publish(f"big/{i}", f"{len(rounds)} {payload}", 1, retain=True)
                rounds.append(1)

    thread = threading.Thread(target=overwrite, daemon=True)
    thread.start()
    try:
        file = fleet.home / "plant.backup"
        wait_until(lambda: len(rounds) > 1, "a round")

        def again():
            least = len(rounds) - 1
            fleet.cli("backup", "plant", file)
            fleet.cli("store", "check", file)
            lines = [line for line in fleet.cli("store", "inspect", file, "--all").stdout.splitlines()
                     if line.startswith("retained big/")]
            assert len(lines) == 20
            restored.append(least)
            return json.loads(fleet.cli("status", "plant", "--json").stdout)["stats"]["store_cleared"] > 3
        restored = []
        wait_until(again, "segments cleared")
    finally:
        end.set()
        thread.join(20)
    restore_into(fleet, "lab", file)
    with Paho(fleet.port("lab"), "r") as reader:
        reader.subscribe("big/#", 1)
        values = [int(m.payload.split()[0]) for m in reader.get(20)]
    assert max(values) - min(values) <= 1 and min(values) >= restored[-1]


def test_restore_wants_a_stopped_instance_and_an_empty_store(make_fleet):
    fleet = make_fleet(TWO).start()
    offline(fleet.port("plant"), "a")
    file = fleet.home / "plant.backup"
    fleet.cli("backup", "plant", file)
    done = fleet.cli("restore", "plant", file, code=1)
    assert done.stderr == "shoal: instance plant is ready; stop it first: `shoal stop plant`\n"
    offline(fleet.port("plant"), "b")
    fleet.cli("stop", "plant")
    done = fleet.cli("restore", "plant", file, code=1)
    assert "is not empty: it has 2 sessions and 0 retained messages; --force" in done.stderr
    done = fleet.cli("restore", "plant", file, "--force")
    aside = done.stdout.splitlines()[1].removeprefix("what was there before is in ")
    assert fleet.cli("store", "inspect", aside, "--all").stdout.count(" subscribes ") == 2
    fleet.cli("start", "plant")
    fleet.wait_ready("plant")
    with Wire(fleet.port("plant")) as c:
        assert c.connect("a", clean=False) == (True, 0)
    with Wire(fleet.port("plant")) as c:
        assert c.connect("b", clean=False) == (False, 0)


def test_the_lock_decides_when_no_controller_answers(make_fleet):
    fleet = make_fleet(TWO).start()
    offline(fleet.port("plant"), "a")
    file = fleet.home / "plant.backup"
    fleet.cli("backup", "plant", file)
    pid = fleet.pid("plant")
    (fleet.home / "run/control.sock").rename(fleet.home / "run/elsewhere.sock")
    try:
        done = fleet.cli("restore", "plant", file, "--force", code=1)
    finally:
        (fleet.home / "run/elsewhere.sock").rename(fleet.home / "run/control.sock")
    assert f"is in use by pid {pid};" in done.stderr


def test_commands_work_without_a_fleet(make_fleet):
    fleet = make_fleet(TWO).start()
    with Paho(fleet.port("plant"), "a", V5, clean=False, expiry_s=3600) as a:
        a.subscribe("t/#", 1)
        a.vanish()
    with Paho(fleet.port("plant")) as p:
        p.publish("t/1", "kept", 1, retain=True)
    os.kill(fleet.pid("plant"), signal.SIGKILL)
    fleet.wait_ready()
    fleet.stop()
    totals = json.loads(fleet.cli("store", "inspect", "plant", "--json").stdout)
    assert (totals["sessions"], totals["queued"], totals["retained"], totals["damages"]) == (1, 1, 1, [])
    fleet.cli("store", "check", "plant")
    fleet.cli("backup", "plant", "plant.backup")
    fleet.cli("restore", "lab", "plant.backup")
    everything = fleet.cli("store", "inspect", "plant", "--all").stdout
    assert "retained t/1=kept" in everything
    assert fleet.cli("store", "inspect", "lab", "--all").stdout == everything
    assert "payload=kept" in fleet.cli("store", "inspect", "plant.backup", "--records").stdout
    segment = sorted((fleet.home / "state/lab/store").glob("*.log"))[0]
    damaged = bytearray(segment.read_bytes())
    damaged[70] ^= 1
    segment.write_bytes(damaged)
    done = fleet.cli("store", "check", "lab", code=1)
    assert "0000000000000001.log: " in done.stderr and "cannot be read" in done.stderr
    fleet.start()
