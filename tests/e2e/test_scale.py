"""A fleet of many, by one `apply`, restarted under load, and gone again."""

import json
import os
import random
import socket
import threading
import time

import pytest
from fleet import alive, listening_ports, wait_until


class KnockingEverywhere:
    """CONNECTs to one port after the other until the end; an answer of some kind is what counts."""

    CONNECT = b"\x10\x0d\x00\x04MQTT\x04\x02\x00\x3c\x00\x01k"

    def __init__(self, ports, seed):
        self.ports = ports
        self.answered = 0
        self.refused = []
        self._random = random.Random(seed)
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self):
        while not self._end.wait(0.002):
            try:
                with socket.create_connection(("127.0.0.1", self._random.choice(self.ports)), 20) as s:
                    s.sendall(self.CONNECT)
                    s.recv(4)
                    self.answered += 1
            except ConnectionRefusedError as error:
                self.refused.append(error)
            except OSError:
                self.answered += 1  # accepted, by a worker that was on its way out

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._end.set()
        self._thread.join(40)


def instances(own, shared):
    text = '\n[defaults]\nauth = { anonymous = true }\n'
    for i in range(own):
        text += f'[instances.own{i}]\nlisteners = ["mqtt://127.0.0.1:auto"]\n'
    for i in range(shared):
        text += f'[instances.s{i}]\nworker = "w{i % 10}"\nlisteners = ["mqtt://127.0.0.1:auto"]\n'
    return text


def many(make_fleet, own, shared, batch):
    # Twice as many ports as are needed: others are on this machine, too.
    first = random.randrange(20000, 32000 - 2 * (own + shared)) if own + shared > 1000 else random.randrange(20000, 31000)
    head = f'[fleet]\nport_range = "{first}-{first + 2 * (own + shared)}"\n'
    one = head + '[instances.first]\nlisteners = ["mqtt://127.0.0.1:auto"]\nauth = { anonymous = true }\n'
    fleet = make_fleet()
    fleet.write(one, fleet_table=False).start()
    took = {}

    def timed(what, *command):
        since = time.monotonic()
        done = fleet.cli(*command, timeout=300)
        took[what] = time.monotonic() - since
        return done

    fleet.write(one + instances(own, shared), fleet_table=False)
    timed("created", "apply")
    now = json.loads(timed("listed", "ps", "--json").stdout)
    assert len(now) == own + shared + 1
    assert {instance["state"] for instance in now} == {"ready"}
    pids = {instance["pid"] for instance in now}
    assert len(pids) == own + min(10, shared) + 1
    urls = [instance["listeners"][0] for instance in now]
    assert len(set(urls)) == len(urls)
    ports = [int(url.rsplit(":", 1)[1]) for url in urls]

    with KnockingEverywhere(ports, own) as knocking:
        timed("restarted", "restart", "--all", "--batch", batch)
        again = fleet.ps()
    assert {instance["state"] for instance in again.values()} == {"ready"}
    assert [instance["listeners"][0] for instance in again.values()] == urls
    assert knocking.refused == [] and knocking.answered > 10
    assert not pids & {again[name]["pid"] for name in again if name.startswith("own")}

    pids = {instance["pid"] for instance in again.values()} - {again["first"]["pid"]}
    fleet.write(one, fleet_table=False)
    timed("removed", "apply")
    assert list(fleet.ps()) == ["first"] and fleet.ps()["first"]["state"] == "ready"
    wait_until(lambda: not any(alive(pid) for pid in pids), "no worker is left")
    assert not (set(ports) - {fleet.port("first")}) & listening_ports()
    assert sorted(os.listdir(fleet.home / "run" / "workers")) == ["own.first.sock"]
    print(", ".join(f"{what} in {seconds:.1f} s" for what, seconds in took.items()), f"{knocking.answered} CONNECTs")


def test_tens(make_fleet):
    many(make_fleet, 6, 40, 10)


@pytest.mark.soak
def test_200_own_and_2000_shared(make_fleet):
    many(make_fleet, 200, 2000, 100)
