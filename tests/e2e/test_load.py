"""Many clients, much noise, and nothing at all."""

import os
import signal
import threading
import time
from pathlib import Path

import pytest

from clients import Paho
from fleet import wait_until
from swarm import Swarm
from wire import Wire

pytestmark = pytest.mark.alone


def instance(name, worker="own", auth="anonymous = true", limits=""):
    return f"""[instances.{name}]
worker = "{worker}"
listeners = ["mqtt://127.0.0.1:auto"]
auth = {{ {auth} }}
{limits}
"""


def add_users(fleet, name, count, password="secret"):
    """`count` users u0, u1 ... with the hash of one, as if they had the same password and salt."""
    fleet.add_user(name, "u", password)
    file = fleet.home / f"{name}.users"
    encoded = next(line for line in file.read_text().splitlines() if line.startswith("u:")).split(":", 1)[1]
    file.write_text("".join(f"u{i}:{encoded}\n" for i in range(count)))


def everybody_comes_back(make_fleet, count, limit_s):
    fleet = make_fleet(instance("crowd", auth='users_file = "crowd.users"') + instance("quiet"))
    add_users(fleet, "crowd", count)
    fleet.start()
    logins = [{"client_id": f"c{i}", "user": f"u{i}", "password": "secret"} for i in range(count)]
    with Swarm(fleet.port("crowd"), logins) as swarm, Paho(fleet.port("quiet")) as neighbour:
        swarm.until(count, 3 * limit_s)
        os.kill(fleet.pid("crowd"), signal.SIGKILL)
        swarm.until_dropped()
        took = swarm.until(count, limit_s)
        print(f"{count} password clients back after {took:.1f} s")
        assert swarm.refused == []
        neighbour.fence()
        assert neighbour.disconnects == []
        wait_until(lambda: fleet.ps()["crowd"]["clients"] == count, "all counted")


def test_300_password_clients_are_back_after_a_crash(make_fleet):
    everybody_comes_back(make_fleet, 300, 20)


@pytest.mark.soak
def test_5000_password_clients_are_back_within_20_s(make_fleet):
    everybody_comes_back(make_fleet, 5000, 20)


@pytest.mark.parametrize("worker", ["own", "one"])
def test_a_flood_of_wrong_passwords_does_not_delay_the_neighbour(make_fleet, worker):
    fleet = make_fleet(instance("flooded", worker, 'users_file = "flooded.users"') +
                       instance("calm", worker, 'users_file = "calm.users"'))
    add_users(fleet, "flooded", 1)
    add_users(fleet, "calm", 20)
    fleet.start()
    end = threading.Event()
    tried = []

    def flood():
        while not end.is_set():
            with Wire(fleet_port) as c:
                tried.append(c.connect(user="u0", password=f"wrong {len(tried)}")[1])

    fleet_port, calm_port = fleet.port("flooded"), fleet.port("calm")
    threads = [threading.Thread(target=flood, daemon=True) for _ in range(50)]
    for thread in threads:
        thread.start()
    try:
        wait_until(lambda: len(tried) > 50, "flood under way")
        slowest = 0.0
        for i in range(20):
            with Wire(calm_port) as c:
                since = time.monotonic()
                assert c.connect(user=f"u{i}", password="secret") == (False, 0)
                slowest = max(slowest, time.monotonic() - since)
    finally:
        end.set()
        for thread in threads:
            thread.join(20)
    assert slowest < 1.0, f"{slowest:.2f} s"
    assert 0 not in tried


def switches(pid):
    """Voluntary context switches of all threads of a process."""
    total = 0
    for status in Path(f"/proc/{pid}/task").glob("*/status"):
        total += next(int(l.split()[1]) for l in status.read_text().splitlines() if l.startswith("voluntary"))
    return total


def stays_idle(plants, seconds):
    pids = {plants.pid(name) for name in ("plant-a", "plant-b", "lab")}
    with Wire(plants.port("lab")) as connected, Wire(plants.port("plant-a")) as logged_in:
        connected.connect("idle")
        connected.subscribe("#")
        logged_in.connect("idle", user="alice", password="alice's secret")
        wait_until(lambda: all(len(os.listdir(f"/proc/{pid}/task")) == 1 for pid in pids), "password threads ended")
        time.sleep(1)  # what was under way, log lines included, comes to rest
        before = {pid: switches(pid) for pid in pids}
        time.sleep(seconds)
        assert {pid: switches(pid) - before[pid] for pid in pids} == dict.fromkeys(pids, 0)


def test_an_idle_worker_sleeps(plants):
    stays_idle(plants, 5)


@pytest.mark.soak
def test_an_idle_worker_sleeps_for_long(plants):
    stays_idle(plants, 30)


def test_idle_connections_wake_nobody(make_fleet):
    """Keep-alive is a deadline of each connection, not a tick: what wakes the worker is what comes from outside."""
    fleet = make_fleet(instance("crowd")).start()
    pid = fleet.pid("crowd")
    logins = [{"client_id": f"c{i}", "keep_alive": 600} for i in range(500)]
    with Swarm(fleet.port("crowd"), logins) as swarm, Wire(fleet.port("crowd")) as pings:
        swarm.until(500, 30)
        pings.connect("pings", keep_alive=60)
        wait_until(lambda: fleet.ps()["crowd"]["clients"] == 501, "all counted")
        time.sleep(2)  # what was under way, log lines included, comes to rest
        before = switches(pid)
        time.sleep(5)
        assert switches(pid) == before
        for _ in range(10):
            assert pings.ping() == []
        assert switches(pid) - before <= 10


@pytest.mark.release
def test_50_workers_are_small(make_fleet):
    fleet = make_fleet("".join(instance(f"i{n}") for n in range(50))).start()
    sizes = []
    for i in fleet.ps().values():
        rollup = Path(f"/proc/{i['pid']}/smaps_rollup").read_text()
        sizes.append(next(int(l.split()[1]) for l in rollup.splitlines() if l.startswith("Pss:")))
    print(f"PSS of 50 workers: {sum(sizes) / len(sizes):.0f} kB on average, {max(sizes)} kB at most")
    assert len(sizes) == 50 and max(sizes) <= 600
