"""The shortest way through everything: a fleet, a message, the end."""

import json
import re

import pytest

from clients import MosquittoSub, mosquitto_pub

pytestmark = pytest.mark.smoke


def test_pub_and_sub_through_every_instance(plants):
    for name, user in (("plant-a", ["-u", "alice", "-P", "alice's secret"]),
                       ("plant-b", ["-u", "bob", "-P", "bob's secret"]), ("lab", []), ("lab2", [])):
        port = plants.port(name)
        with MosquittoSub(port, "hello/#", "-q", 1, *user) as sub:
            assert mosquitto_pub(port, "hello/there", name, "-q", 1, *user) == (0, "")
            assert sub.lines(1) == [f"hello/there {name}"]
    plants.stop()


def test_ps_json_has_the_documented_fields(plants):
    instances = json.loads(plants.cli("ps", "--json").stdout)
    assert [i["name"] for i in instances] == ["plant-a", "plant-b", "lab", "lab2"]
    for instance in instances:
        assert {"name", "state", "pid", "worker", "listeners", "clients", "restarts", "uptime_s",
                "last_exit"} <= instance.keys()
        assert instance["state"] == "ready"
        assert re.fullmatch(r"mqtt://127\.0\.0\.1:\d+", instance["listeners"][0])
        assert instance["clients"] == 0 and instance["restarts"] == 0 and instance["last_exit"] is None
    a, b, lab, lab2 = instances
    assert a["worker"] == b["worker"] == "own" and lab["worker"] == lab2["worker"] == "small"
    assert len({a["pid"], b["pid"], lab["pid"]}) == 3 and lab["pid"] == lab2["pid"]


def test_version_names_the_release(make_fleet):
    assert re.match(r"shoal \d+\.\d+\.\d+", make_fleet().cli("version").stdout)
