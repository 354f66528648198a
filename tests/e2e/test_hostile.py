"""Whatever clients send: workers live, stay small and come to rest, and well-behaved clients lose nothing.

Every attack is made at the same time on an instance with a worker of its own and on one in a shared worker, while
four well-behaved QoS 1 pairs exchange numbered messages: on both instances and on a neighbour of each.
SHOAL_HOSTILE_SEED=SEED makes the same random choices again, SHOAL_HOSTILE_PERSISTENCE=none runs the instances
without the store that they have by default.
"""

import json
import os
import random
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import attack_connecting
import attack_flooding
import attack_packets
import attack_subscribing
from fleet import RELEASE, Fleet, alive
from observed import Observed
from target import Target

pytestmark = pytest.mark.alone

INSTANCES = {"alone": "own", "away": "own", "crowded": "small", "neighbour": "small"}
ATTACKED = ("alone", "crowded")
PERSISTENCE = os.environ.get("SHOAL_HOSTILE_PERSISTENCE", "crash_safe")
GROWTH_MB = 64
# With sanitizers every allocation has red zones, and what is freed waits in a quarantine.
GROWTH_SANITIZED_MB = 256
# Lines about connections that come and go, and what is limited per second.
LOG_KB_PER_CONNECTION, LOG_KB_PER_S = 0.4, 10

# What these cost in memory is the point; that is told by the release build, which has to withstand them too.
LARGE = [
    attack_connecting.half_open,
    attack_connecting.endless_connect,
    attack_connecting.long_client_ids,
    attack_connecting.too_many,
    attack_connecting.churn,
    attack_connecting.resume_storm,
    attack_packets.property_bombs,
    attack_packets.endless_publish,
    attack_packets.topic_aliases,
    attack_subscribing.plus_filters,
    attack_subscribing.deep_plus_filters,
    attack_subscribing.wide_subscribe,
    attack_subscribing.retained_again,
    attack_subscribing.deep_retained,
    attack_flooding.qos2_without_pubrel,
    attack_flooding.unread_answers,
    attack_flooding.slow_readers_qos0,
    attack_flooding.slow_readers_qos0_large,
    attack_flooding.slow_readers_qos1,
    attack_flooding.slow_readers_qos1_own_topics,
    attack_flooding.trickle_readers,
    attack_flooding.distinct_topics,
    attack_flooding.will_storm,
]
MANY = [
    attack_connecting.byte_by_byte,
    attack_connecting.connect_flood,
    attack_connecting.foreign_protocols,
    attack_connecting.take_over_storm,
    attack_connecting.tiny_maximum,
    attack_packets.mutations,
    attack_packets.truncated,
    attack_packets.lengths,
    attack_packets.random_bytes,
    attack_subscribing.deep_topics,
    attack_subscribing.subscribe_bomb,
    attack_subscribing.shared_groups,
    attack_flooding.unknown_acknowledgements,
    attack_flooding.publish_flood,
]


def port_of(about):
    return int(about["listeners"][0].rsplit(":", 1)[1])


class CalmPairs:
    """The pairs' process, see tests/hostile/calm_pairs.py."""

    def __init__(self, ports):
        here = Path(__file__).parent
        env = dict(os.environ, PYTHONPATH=str(here), PYTHONDONTWRITEBYTECODE="1")
        self.process = subprocess.Popen(
            [sys.executable, str(here.parent / "hostile/calm_pairs.py")] + [f"{n}={p}" for n, p in ports.items()],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env)
        assert self.process.stdout.readline() == "ready\n", "the pairs cannot begin"

    def close(self):
        self.process.stdin.close()
        try:
            self.process.wait(5)
        finally:
            self.process.kill()
            self.process.wait()
            self.process.stdout.close()

    def ask(self, what):
        self.process.stdin.write(what + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline() or "null")


def config():
    return f"""
[defaults]
auth = {{ anonymous = true }}
persistence = "{PERSISTENCE}"
[defaults.limits]
connects_per_second = 20000
connect_timeout = "{attack_connecting.CONNECT_TIMEOUT_S}s"
connections = {attack_connecting.CONNECTIONS_MAX}
""" + "".join(f'[instances.{name}]\nworker = "{worker}"\nlisteners = ["mqtt://127.0.0.1:auto"]\n'
              for name, worker in INSTANCES.items())


class Site:
    """A fleet and its well-behaved pairs."""

    def __init__(self, home):
        self.fleet = Fleet(home).write(config())
        # What was freed still waits to be caught, but counts as memory.
        self.fleet.env["ASAN_OPTIONS"] += ":quarantine_size_mb=16"
        self.fleet.start()
        self.broken = False
        self.instances = self.fleet.ps()
        self.pairs = CalmPairs({name: port_of(about) for name, about in self.instances.items()})

    def close(self):
        self.pairs.close()
        self.fleet.close()

    def withstands(self, attack, long):
        seed = os.environ.get("SHOAL_HOSTILE_SEED") or (str(random.randrange(1 << 32)) if long else "1")
        print(f"SHOAL_HOSTILE_SEED={seed}")
        self.broken = True  # until it was seen that it is not
        attacked = [Attacked(self.fleet, self.instances[name], seed, long) for name in ATTACKED]
        self.pairs.ask("go")
        with ThreadPoolExecutor() as threads:
            done = [threads.submit(a.endure, attack) for a in attacked]
        calm = self.pairs.ask("rest")
        print(attack.__name__, *calm.items(), sep="\n  ")
        for each in done:
            each.result()
        assert {name: pair["faults"] for name, pair in calm.items()} == dict.fromkeys(INSTANCES, [])
        for each in attacked:
            each.observed.comes_to_rest()
        assert not list(self.fleet.home.glob("sanitizer.*"))
        assert all(alive(about["pid"]) for about in self.instances.values())
        self.broken = False


class Attacked:
    """One attack on one instance, and what must be true then."""

    def __init__(self, fleet, about, seed, long):
        self.name = about["name"]
        self.observed = Observed(about["pid"], fleet.home / f"log/{self.name}.log")
        self.target = Target(port_of(about), seed, long, prepared=self.observed.begin)

    def endure(self, attack):
        self.observed.begin()
        try:
            attack(self.target)
        finally:
            cost = self.observed.end()
            print(f"{attack.__name__} on {self.name}: {cost}")
        assert cost["peak_mb"] <= (GROWTH_MB if RELEASE else GROWTH_SANITIZED_MB), cost
        log_kb_max = LOG_KB_PER_CONNECTION * self.target.opened() + LOG_KB_PER_S * (cost["seconds"] + 1)
        assert cost["log_kb"] <= log_kb_max, cost
        self.target.serves()


class Sites:
    """One site for many attacks with sanitizers, where starting takes long; else one for each, so that growth is that
    of a fresh process."""

    def __init__(self, make_home):
        self.make_home = make_home
        self.site = None

    def take(self):
        self.site = self.site or Site(self.make_home())
        return self.site

    def give_back(self, last=False):
        if self.site and (last or RELEASE or self.site.broken):
            site, self.site = self.site, None
            site.close()


@pytest.fixture(scope="module")
def sites(tmp_path_factory):
    sites = Sites(lambda: tmp_path_factory.mktemp("hostile") / "home")
    yield sites
    sites.give_back(last=True)


@pytest.fixture
def site(sites):
    yield sites.take()
    sites.give_back()


def cases(attacks, *marks):
    return [pytest.param(attack, marks=marks, id=attack.__name__) for attack in attacks]


@pytest.mark.parametrize("attack", cases(LARGE, pytest.mark.large) + cases(MANY))
def test_withstands(site, attack):
    site.withstands(attack, long=False)


@pytest.mark.soak
@pytest.mark.hostile
@pytest.mark.parametrize("attack", cases(LARGE + MANY))
def test_withstands_for_long(site, attack):
    site.withstands(attack, long=True)
