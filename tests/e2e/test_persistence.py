"""What was acknowledged is there after kill -9, and what happens when the disk does not go along."""

import json
import os
import signal
import subprocess
import time

import pytest
from clients import PATIENCE_S, V311, V5, Paho, mosquitto_pub
from fleet import wait_until

TWO = """
[instances.own]
listeners = ["mqtt://127.0.0.1:auto"]
auth = { anonymous = true }

[instances.shared]
worker = "small"
listeners = ["mqtt://127.0.0.1:auto"]
auth = { anonymous = true }
persistence = "power_safe"

[instances.forgetful]
worker = "small"
listeners = ["mqtt://127.0.0.1:auto"]
auth = { anonymous = true }
persistence = "none"
"""


def kill(fleet, name):
    """kill -9 of an instance's worker; returns when it is ready again."""
    before = fleet.ps()[name]
    os.kill(before["pid"], signal.SIGKILL)
    wait_until(lambda: fleet.ps()[name]["state"] == "ready" and fleet.ps()[name]["pid"] != before["pid"],
               f"{name} comes back")


def status(fleet, name):
    return json.loads(fleet.cli("status", name, "--json").stdout)


def segments(fleet, name):
    return sorted((fleet.home / "state" / name / "store").glob("*.log"))


@pytest.mark.parametrize("name", ["own", "shared"])
def test_what_was_acknowledged_survives_kill_9(make_fleet, name):
    fleet = make_fleet(TWO).start()
    port = fleet.port(name)
    with Paho(port, "v5", V5, expiry_s=3600) as five, Paho(port, "v311", V311, clean=False) as old:
        five.subscribe("plant/+", 2)
        old.subscribe("plant/#", 1)
        old.subscribe("gone", 1)
        old.client.unsubscribe("gone")
        old.fence()
    with Paho(port, "publisher") as publisher:
        for i in range(100):
            publisher.publish("plant/a", str(i), 1 + i % 2)
        publisher.publish("state", "new", 1, retain=True)
        publisher.publish("cleared", "x", 1, retain=True)
        publisher.publish("cleared", "", 1, retain=True)
        publisher.publish("gone", "x", 1)
        kill(fleet, name)
    # A client passes a QoS 2 message on later than a QoS 1 message; in order for each.
    expected = [str(i).encode() for i in range(100)]
    with Paho(port, "v5", V5, clean=False, expiry_s=3600) as five:
        assert five.session_present
        got = five.get(100)
        assert [m.payload for m in got if m.qos == 1] == expected[::2]
        assert [m.payload for m in got if m.qos == 2] == expected[1::2]
    with Paho(port, "v311", V311, clean=False) as old:
        assert old.session_present
        assert [m.payload for m in old.fence() if m.topic == "plant/a"] == expected
    with Paho(port, "fresh") as fresh:
        fresh.subscribe("#", 1)
        kept = {m.topic: m.payload for m in fresh.fence() if m.retain}
        assert kept == {"state": b"new"}
    # And what they acknowledged now is not sent again.
    kill(fleet, name)
    with Paho(port, "v5", V5, clean=False, expiry_s=3600) as five:
        assert five.session_present
        assert five.fence() == []


def test_none_keeps_nothing(make_fleet):
    fleet = make_fleet(TWO).start()
    port = fleet.port("forgetful")
    with Paho(port, "a", V311, clean=False) as a:
        a.subscribe("t", 1)
        a.publish("kept", "x", 1, retain=True)
    kill(fleet, "forgetful")
    with Paho(port, "a", V311, clean=False) as a:
        assert not a.session_present
        a.subscribe("#", 1)
        assert [m for m in a.fence() if m.retain] == []
    assert not (fleet.home / "state" / "forgetful" / "store").exists()


def test_a_stop_and_a_start_keep_everything_too(make_fleet):
    fleet = make_fleet(TWO).start()
    port = fleet.port("own")
    with Paho(port, "a", V311, clean=False, will=("wills", "gone", 1, True)) as a:
        a.subscribe("t", 1)
        a.vanish()
    with Paho(port, "publisher") as publisher:
        publisher.publish("t", "x", 1)
    fleet.cli("stop", "own")
    fleet.cli("start", "own")
    with Paho(port, "a", V311, clean=False) as a:
        assert a.session_present
        assert a.get().payload == b"x"
        a.subscribe("wills", 1)
        assert a.get().payload == b"gone"


def test_a_damaged_store_is_used_as_far_as_it_goes_and_says_what_is_missing(make_fleet):
    fleet = make_fleet(TWO).start()
    port = fleet.port("own")
    with Paho(port, "publisher") as publisher:
        for topic in ("first", "second", "third"):
            publisher.publish(topic, "payload of " + topic, 1, retain=True)
    fleet.cli("stop", "own")
    [segment] = segments(fleet, "own")
    content = bytearray(segment.read_bytes())
    content[content.index(b"payload of second")] ^= 1
    segment.write_bytes(content)
    fleet.cli("start", "own")
    with Paho(port, "fresh") as fresh:
        fresh.subscribe("#", 1)
        assert {m.topic for m in fresh.fence() if m.retain} == {"first", "third"}
    assert segment.name in status(fleet, "own")["alarm"]
    assert "store damaged" in fleet.cli("status", "own").stdout
    assert "store damaged" in fleet.cli("logs", "own").stdout
    # What was read is in a sound segment now; the damaged one is kept aside, and nothing is wrong any more.
    wait_until(lambda: segment.with_name(segment.name + ".bad").exists(), "the damaged segment is set aside")
    kill(fleet, "own")
    assert "alarm" not in status(fleet, "own")
    with Paho(port, "fresh") as fresh:
        fresh.subscribe("#", 1)
        assert {m.topic for m in fresh.fence() if m.retain} == {"first", "third"}


@pytest.fixture
def small_disk(tmp_path):
    """Mounts a file system of 1 MiB; the folder where it is."""
    folder = tmp_path / "home" / "state" / "own"
    folder.mkdir(parents=True)
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(folder)], capture_output=True,
                             text=True)
    if mounted.returncode != 0:
        pytest.skip("needs to mount: " + mounted.stderr)
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk_refuses_what_is_new_and_recovers_by_itself(make_fleet, small_disk):
    fleet = make_fleet(TWO).start()
    port = fleet.port("own")
    other = fleet.port("shared")
    with Paho(port, "keeper", V311, clean=False) as keeper:
        keeper.subscribe("t", 1)
    taken = 0
    while True:
        assert taken < 400, "the disk does not become full"
        code, error = mosquitto_pub(port, "t", "x" * 8000, "-q", "1", "-V", "5")
        if "uota" in error or code != 0:
            break
        taken += 1
    assert taken > 50
    assert "No space" in status(fleet, "own")["alarm"] or "no room" in status(fleet, "own")["alarm"]
    assert status(fleet, "own")["stats"]["limit_hits.disk"] > 0
    # MQTT 3.1.1 knows no code: the connection ends without an acknowledgement.
    code, error = mosquitto_pub(port, "t", "x" * 8000, "-q", "1", "-V", "311", "--id", "old")
    assert code != 0 or error
    # Neighbours do not notice, and who only listens neither.
    assert mosquitto_pub(other, "t", "x", "-q", "1") == (0, "")
    with Paho(port, "clean") as clean:
        clean.subscribe("u", 0)
        clean.publish("u", "still heard", 0)
        assert clean.get().payload == b"still heard"
    # What was acknowledged is there, and can be acknowledged; then there is room again.
    kill(fleet, "own")
    with Paho(port, "keeper", V311, clean=False) as keeper:
        assert keeper.session_present
        assert [len(m.payload) for m in keeper.get(taken)] == [8000] * taken

    def works():
        return mosquitto_pub(port, "t", "after", "-q", "1", "-V", "5") == (0, "")

    wait_until(works, "it recovers")
    # One that is larger than what can be free is refused as well; nothing waits behind it, and smaller ones are taken.
    for _ in range(3):
        large = subprocess.run(["mosquitto_pub", "-p", str(port), "-t", "t", "-s", "-q", "1", "-V", "5"],
                               input="x" * 1_047_000, capture_output=True, text=True, timeout=PATIENCE_S)
        assert "uota" in large.stderr or large.returncode != 0
    assert works()
    wait_until(lambda: "alarm" not in status(fleet, "own"), "the alarm ends")
    with Paho(port, "keeper", V311, clean=False) as keeper:
        assert [m.payload for m in keeper.get(2)] == [b"after"] * 2
