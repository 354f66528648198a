"""Instances and workers with several threads: nothing is lost, doubled or out of order, and limits of `threads` are said."""

import json
import os
import signal

import pytest

from clients import Paho
from fleet import Fleet, wait_until

CONFIG = """
[defaults]
auth = { anonymous = true }
persistence = "none"
listeners = ["mqtt://127.0.0.1:auto"]

[workers.pool]
threads = 3

[instances.wide]
threads = 3

[instances.lab]
worker = "pool"
threads = 2

[instances.lab2]
worker = "pool"

[instances.lab3]
worker = "pool"
"""
WIDE = ["wide", "lab"]
THREADS = (3, 4)  # ThreadSanitizer has one of its own


@pytest.fixture(scope="module")
def fleet(tmp_path_factory):
    fleet = Fleet(tmp_path_factory.mktemp("threads")).write(CONFIG)
    fleet.start()
    yield fleet
    fleet.close()


def threads(pid):
    return len(os.listdir(f"/proc/{pid}/task"))


def stats(fleet, name):
    return json.loads(fleet.cli("status", name, "--json").stdout)["stats"]


def bench(fleet, *words):
    return json.loads(fleet.cli("bench", *words, "--json", timeout=120).stdout)


def test_a_worker_has_the_threads_that_are_asked_for(fleet):
    instances = fleet.ps()
    assert threads(instances["wide"]["pid"]) in THREADS
    assert threads(instances["lab"]["pid"]) in THREADS
    assert len({instances[name]["pid"] for name in ("lab", "lab2", "lab3")}) == 1


@pytest.mark.parametrize("qos", [0, 1, 2])
@pytest.mark.parametrize("map, version", [("pairs", "3"), ("fanin", "5"), ("fanout", "3"), ("shared", "5")])
@pytest.mark.parametrize("name", WIDE)
def test_everything_arrives_once_and_in_order(fleet, name, map, version, qos):
    pubs, subs, copies = {"pairs": (8, 8, 8), "fanin": (8, 1, 8), "fanout": (1, 20, 20), "shared": (4, 4, 4)}[map]
    result = bench(fleet, "throughput", name, "--map", map, "--pubs", pubs, "--subs", subs, "-q", qos, "--proto", version,
                   "--count", 500, "--window", 20)
    assert result["ok"], result
    assert result["delivered"] == result["expected"] == 500 * copies


def test_all_instances_of_a_pool_at_once(fleet):
    result = bench(fleet, "throughput", "lab", "lab2", "lab3", "--pubs", 3, "--subs", 3, "-q", 1, "--count", 300)
    assert result["ok"] and result["brokers"] == 3


@pytest.mark.parametrize("name", WIDE)
def test_retained_messages_of_all_topics_come_to_everybody(fleet, name):
    with Paho(fleet.port(name), "publisher") as publisher:
        for n in range(100):
            publisher.publish(f"kept/{n}", str(n), qos=1, retain=True)
        for who in range(6):
            with Paho(fleet.port(name), f"reader-{who}") as reader:
                reader.subscribe("kept/#", 1)
                got = {(m.topic, m.payload, m.retain) for m in reader.get(100)}
                assert got == {(f"kept/{n}", str(n).encode(), True) for n in range(100)}
        for n in range(100):
            publisher.publish(f"kept/{n}", "", qos=1, retain=True)
    assert stats(fleet, name)["retained_now"] == 0


@pytest.mark.parametrize("name", WIDE)
def test_sessions_are_found_again_whoever_accepts_and_taken_over(fleet, name):
    ids = [f"{name}-{n}" for n in range(12)]
    for client_id in ids:
        with Paho(fleet.port(name), client_id, clean=False) as client:
            client.subscribe(f"to/{client_id}", 1)
    with Paho(fleet.port(name), "sender") as sender:
        for client_id in ids:
            sender.publish(f"to/{client_id}", client_id, qos=1)
        first = [Paho(fleet.port(name), client_id, clean=False) for client_id in ids]
        for client_id, client in zip(ids, first):
            assert client.session_present
            assert [m.payload for m in client.get(1)] == [client_id.encode()]
        second = []
        for client_id, old in zip(ids, first):
            old.client.loop_stop()  # it would come back
            second.append(Paho(fleet.port(name), client_id, clean=False))
        for client_id in ids:
            sender.publish(f"to/{client_id}", "again", qos=1)
        for client in second:
            assert client.session_present
            assert [m.payload for m in client.get(1)] == [b"again"]
            client.close()
        for client in first:
            client.close()
    wait_until(lambda: stats(fleet, name)["connections_now"] == 0, "all gone")


def test_clients_and_kicks_reach_all_threads(fleet):
    ids = [f"kicked-{n}" for n in range(8)]
    clients = [Paho(fleet.port("wide"), client_id) for client_id in ids]
    listed = {client["client_id"] for client in json.loads(fleet.cli("clients", "wide", "--json").stdout)}
    assert set(ids) <= listed
    for client_id, client in zip(ids, clients):
        client.client.reconnect_delay_set(100, 100)
        fleet.cli("kick", "wide", client_id)
    for client in clients:
        wait_until(lambda: client.disconnects, "disconnected")
        client.close()


def test_a_worker_that_dies_comes_back_with_its_threads(fleet):
    pid = fleet.pid("wide")
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: fleet.ps()["wide"]["state"] == "ready" and fleet.pid("wide") != pid, "restarted")
    assert threads(fleet.pid("wide")) in THREADS
    assert bench(fleet, "throughput", "wide", "--pubs", 4, "--subs", 4, "-q", 1, "--count", 100)["ok"]


def test_stops_and_starts_again(fleet):
    for name in WIDE:
        fleet.cli("restart", name, "--wait")
        assert bench(fleet, "throughput", name, "--pubs", 4, "--subs", 4, "-q", 1, "--count", 100)["ok"]


@pytest.mark.parametrize("change, says", [
    ('[instances.other]\nthreads = 2\npersistence = "crash_safe"\n', "persistence"),
    ('[instances.other]\nthreads = 4\nworker = "pool"\n', "threads"),
    ("[instances.other]\nthreads = 0\n", "1 to 32"),
    ('[instances.other]\nworker = "nobody"\nthreads = 2\n', "threads"),
])
def test_what_cannot_be_is_said(tmp_path, change, says):
    fleet = Fleet(tmp_path).write(CONFIG + change)
    said = fleet.cli("check", code=1)
    assert says in said.stdout + said.stderr
    assert "shoal.toml:" in said.stdout + said.stderr
