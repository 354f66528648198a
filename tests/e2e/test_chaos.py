"""Workers and controllers are killed, configurations change, instances start and stop, all by a seed: what nobody
touches notices nothing, and in the end all is as it should be."""

import os
import random
import signal
import threading
import time
from pathlib import Path

import pytest

from clients import Paho
from fleet import wait_until
from test_apply import HEAD, instance
from wire import Wire

pytestmark = pytest.mark.alone

SHARED = ["s1", "s2", "s3", "s4"]
OWN = ["o1", "o2", "o3"]


class Talk:
    """A client of an instance that nobody touches: sends to itself all the time, nothing may be missing."""

    def __init__(self, fleet, name):
        self.client = Paho(fleet.port(name), f"talks-{name}")
        self.client.subscribe("beat", 1)
        self.sent = 0
        self.slowest = 0.0
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        while not self._end.is_set():
            since = time.monotonic()
            self.client.publish("beat", str(self.sent), 1)
            self.slowest = max(self.slowest, time.monotonic() - since)
            self.sent += 1
            time.sleep(0.01)

    def check(self):
        self._end.set()
        self._thread.join(20)
        assert self.client.disconnects == [] and self.client.connects == 1
        beats = [m for m in self.client.fence() if m.topic == "beat"]
        assert [int(m.payload) for m in beats] == list(range(self.sent)) and self.sent > 50
        self.client.close()


class Chaos:
    def __init__(self, fleet, seed):
        self.fleet = fleet
        self.random = random.Random(seed)
        self.there = set(SHARED + OWN)  # in the file
        self.stopped = set()  # by hand
        self.write()
        self.done = []

    def write(self):
        text = HEAD.replace('persistence = "none"\n', "") + instance("calm", "auto") + instance("calm2", "auto", worker="calm")
        for name in SHARED + OWN:
            if name in self.there:
                keys = {"worker": "shared"} if name in SHARED else {}
                text += instance(name, "auto", queue_full=self.random.choice(["drop_new", "drop_old"]), **keys)
        self.fleet.write(text)

    def step(self):
        what = self.random.choice([self.kill_worker, self.kill_controller, self.hup, self.apply, self.apply, self.start_or_stop,
                                   self.start_or_stop, self.execute_again])
        self.done.append(what.__name__)
        what()

    def kill_worker(self):
        victims = [one["pid"] for name, one in self.fleet.ps().items() if name not in ("calm", "calm2") and one["pid"]]
        if victims:
            os.kill(self.random.choice(victims), signal.SIGKILL)

    def kill_controller(self):
        self.fleet.process.kill()
        self.fleet.process.wait(10)
        if self.random.random() < 0.5:
            workers = [pid for pid in self.fleet.processes() if pid not in self.calm]
            if workers:
                os.kill(self.random.choice(workers), signal.SIGKILL)
        self.fleet.spawn()
        wait_until(self.fleet.ps, "the controller answers")

    def change(self):
        name = self.random.choice(SHARED + OWN)
        self.there ^= {name}
        self.stopped.discard(name)
        self.write()

    def hup(self):
        self.change()
        self.fleet.process.send_signal(signal.SIGHUP)

    def apply(self):
        self.change()
        # 1: an instance that was killed a moment ago is in back-off, which is told.
        self.fleet.cli("apply", code=None)

    def execute_again(self):
        self.fleet.process.send_signal(signal.SIGUSR2)
        wait_until(self.fleet.ps, "the controller answers")

    def start_or_stop(self):
        name = self.random.choice(sorted(self.there) or ["calm"])
        if name not in self.fleet.ps() or name == "calm":
            return
        verb = self.random.choice(["start", "stop"])
        done = self.fleet.cli(verb, name, code=None)
        if done.returncode in (0, 5):
            (self.stopped.add if verb == "stop" else self.stopped.discard)(name)

    def run(self, seconds):
        self.calm = {self.fleet.pid("calm"), self.fleet.pid("calm2")}
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self.step()
            time.sleep(self.random.random() * 0.3)


def holders():
    """Processes that listen, by port and kind of program."""
    inodes = {}
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        if fields[3] == "0A":
            inodes[f"socket:[{fields[9]}]"] = int(fields[1].rsplit(":", 1)[1], 16)
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            program = (folder / "comm").read_text().strip()
            links = {os.readlink(fd) for fd in (folder / "fd").iterdir()}
        except OSError:
            continue
        for link in links & inodes.keys():
            found.setdefault((inodes[link], program), set()).add(int(folder.name))
    return found


def chaos(make_fleet, seed, seconds):
    fleet = make_fleet()
    chaos = Chaos(fleet, seed)
    fleet.start()
    talks = [Talk(fleet, "calm"), Talk(fleet, "calm2")]
    chaos.run(seconds)
    about = f"seed {seed}: {chaos.done}"
    # What was asked for last counts; failures in a row may need help.
    fleet.cli("apply", code=None)

    def settled():
        now = fleet.ps()
        for name, one in now.items():
            if one["state"] == "failed":
                fleet.cli("start", name, code=None)
        return now and set(now) == chaos.there | {"calm", "calm2"} and all(
            one["state"] == ("stopped" if name in chaos.stopped else "ready") for name, one in now.items())

    try:
        wait_until(settled, "what is wanted", 60)
    except AssertionError:
        raise AssertionError(f"{about}\nwanted {sorted(chaos.there)} without {sorted(chaos.stopped)}, is "
                             f"{ {name: one['state'] for name, one in fleet.ps().items()} }") from None
    for talk in talks:
        talk.check()
    assert {fleet.pid("calm"), fleet.pid("calm2")} == chaos.calm, about
    now = fleet.ps()
    # No orphan: the controller and the workers that it knows.
    wait_until(lambda: set(fleet.processes()) == {fleet.process.pid} | {one["pid"] for one in now.values() if one["pid"]},
               f"{about}: {fleet.processes()}")
    listening = holders()
    for name, one in now.items():
        port = fleet.port(name)
        if one["state"] != "ready":
            continue
        assert listening[(port, "shoal-worker")] == {one["pid"]}, f"{name} is served once; {about}"
        # It is the instance that answers there.
        with Wire(port) as client:
            client.connect(f"asks-{seed}-{name}")
        wait_until(lambda: f"asks-{seed}-{name}" in fleet.log(name), f"{name} has its port; {about}")
    ports = [url for one in now.values() for url in one["listeners"]]
    assert len(set(ports)) == len(ports), about


@pytest.mark.parametrize("seed", [1, 2])
def test_chaos(make_fleet, seed):
    chaos(make_fleet, seed, 8)


@pytest.mark.soak
def test_chaos_for_a_minute(make_fleet):
    chaos(make_fleet, random.randrange(1 << 30), 60)
