"""`shoal limits`: what is allowed, used, was used at most; limits of workers."""

import json
import os
import resource
import signal

import pytest

from clients import Paho, Refused
from fleet import RELEASE, wait_until
from test_apply import HEAD, instance


def limits(fleet, name, *words):
    return {one["key"]: one for one in json.loads(fleet.cli("limits", name, "--json", *words).stdout)}


def soft(pid, which):
    return resource.prlimit(pid, which)[0]


def test_limits_show_use_and_peak_and_are_set_live(make_fleet):
    fleet = make_fleet(HEAD + instance("lab", "auto") + instance("off", "auto", enabled=False))
    fleet.spawn().wait_ready("lab")
    port = fleet.port("lab")
    with Paho(port, "stays") as client:
        Paho(port, "goes").close()
        client.publish("kept", "x" * 1000, qos=1, retain=True)
        client.fence()
        shown = limits(fleet, "lab")
        connections = shown["limits.connections"]
        assert (connections["limit"], connections["use"], connections["hits"]) == (10000, 1, 0)
        assert connections["peak"] >= 1 and shown["limits.sessions"]["use"] == 1
        assert shown["limits.retained_messages"]["use"] == 1 and shown["limits.retained_bytes"]["peak"] > 1000
        assert shown["limits.packet_size"]["use"] is None, "of no packet in particular"

        said = fleet.cli("limits", "lab", "--set", "connections=1", "--set", "limits.sessions=50").stdout
        assert "limits.connections: 10000 -> 1" in said and "applied" in said and "limits.sessions" in said
        assert "limits.connections = 1\n" in fleet.config.read_text()
        with pytest.raises(Refused):
            Paho(port, "refused")
        connections = limits(fleet, "lab")["limits.connections"]
        assert (connections["limit"], connections["use"], connections["hits"]) == (1, 1, 1)
        client.fence()
        assert client.disconnects == []

    wrong = fleet.cli("limits", "lab", "--set", "connections=0", code=1).stderr
    assert "shoal.toml:" in wrong and "1 to 1000000" in wrong
    assert "did you mean" in fleet.cli("limits", "lab", "--set", "conections=5", code=1).stderr
    fleet.cli("limits", "lab", "--set", "connections", code=2)
    fleet.cli("limits", "nobody", code=4)
    assert limits(fleet, "lab")["limits.connections"]["limit"] == 1, "what was wrong changed nothing"

    off = limits(fleet, "off")
    assert off["limits.connections"]["limit"] == 10000 and off["limits.connections"]["use"] is None
    table = fleet.cli("limits", "off").stdout
    assert table.startswith("KEY ") and "worker_limits.memory" in table
    fleet.stop()
    assert limits(fleet, "lab")["limits.connections"]["limit"] == 1, "from the files"


def test_limits_of_workers_hold_live_and_are_taken_over(make_fleet):
    fleet = make_fleet(HEAD + instance("own", "auto", **{"worker_limits.descriptors": 300}) +
                       instance("a", "auto", worker="small") + instance("b", "auto", worker="small") +
                       "[workers.small]\ndescriptors = 200\n").start()
    own, small = fleet.pid("own"), fleet.pid("a")
    assert (soft(own, resource.RLIMIT_NOFILE), soft(small, resource.RLIMIT_NOFILE)) == (300, 200)
    shown = limits(fleet, "b")["worker_limits.descriptors"]
    assert (shown["limit"], shown["in_force"]) == (200, "rlimit") and 5 < shown["use"] < 100
    assert "its descriptors" in fleet.cli("status", "own").stdout
    assert "300, rlimit" in fleet.cli("status", "own").stdout

    fleet.cli("limits", "own", "--set", "worker_limits.descriptors=400")
    assert soft(own, resource.RLIMIT_NOFILE) == 400 and fleet.pid("own") == own
    shared = fleet.cli("limits", "a", "--set", "worker_limits.descriptors=400", code=1).stderr
    assert "[workers.small]" in shared

    os.kill(fleet.process.pid, signal.SIGKILL)
    fleet.process.wait()
    fleet.config.write_text(fleet.config.read_text().replace("descriptors = 200", "descriptors = 250"))
    fleet.start()
    assert (fleet.pid("own"), fleet.pid("a")) == (own, small)
    assert (soft(own, resource.RLIMIT_NOFILE), soft(small, resource.RLIMIT_NOFILE)) == (400, 250)
    # The next one has them from its start.
    os.kill(own, signal.SIGKILL)
    wait_until(lambda: fleet.pid("own") not in (0, own) and fleet.ps()["own"]["state"] == "ready", "another worker")
    assert soft(fleet.pid("own"), resource.RLIMIT_NOFILE) == 400


def test_cgroups_are_used_where_there_are_some(make_fleet, tmp_path):
    """On a tree of ordinary files; no kernel acts on them."""
    root = tmp_path / "machine"
    group = root / "sys/fs/cgroup/system.slice/shoal.service"
    group.mkdir(parents=True)
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/self/cgroup").write_text("0::/system.slice/shoal.service\n")
    (root / "proc/self/mountinfo").write_text("30 25 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n")
    (group / "cgroup.controllers").write_text("cpu memory pids\n")
    (group / "cgroup.procs").write_text("")
    fleet = make_fleet(HEAD + instance("lab", "auto", **{"worker_limits.memory": "1 GiB", "worker_limits.cpu_percent": 50}))
    fleet.env["SHOAL_MACHINE_ROOT"] = str(root)
    fleet.start()
    pid = fleet.pid("lab")
    assert (group / "worker-lab/cgroup.procs").read_text() == str(pid)
    assert (group / "worker-lab/memory.max").read_text() == str(1 << 30)
    assert (group / "worker-lab/cpu.max").read_text() == "50000 100000"
    shown = limits(fleet, "lab")
    assert shown["worker_limits.memory"]["in_force"] == shown["worker_limits.cpu_percent"]["in_force"] == "cgroup v2"
    assert "1 GiB, cgroup v2" in fleet.cli("status", "lab").stdout


def test_processor_time_needs_a_cgroup_and_says_so(make_fleet):
    fleet = make_fleet(HEAD + instance("lab", "auto", **{"worker_limits.cpu_percent": 50})).start()
    shown = limits(fleet, "lab")["worker_limits.cpu_percent"]["in_force"]
    assert shown == "cgroup v2" or shown.startswith("none: needs "), shown
    assert "50%, " + shown in fleet.cli("status", "lab").stdout


@pytest.mark.skipif(not RELEASE, reason="sanitizers need more than any limit")
@pytest.mark.release
def test_a_worker_that_reaches_its_memory_ends_with_a_reason_and_comes_back(make_fleet):
    keys = {"worker_limits.memory": "32 MiB", "limits.retained_bytes": "1 GiB", "limits.packet_size": "2 MiB"}
    fleet = make_fleet(HEAD + instance("small", "auto", **keys) + instance("neighbour", "auto")).start()
    pid, port = fleet.pid("small"), fleet.port("small")
    if limits(fleet, "small")["worker_limits.memory"]["in_force"] != "rlimit":
        pytest.skip("there are cgroups here")
    assert soft(pid, resource.RLIMIT_DATA) == 32 << 20
    with Paho(fleet.port("neighbour"), "stays") as stays:
        client = Paho(port, "fills")
        for i in range(60):
            client.client.publish(f"t/{i}", b"x" * (1 << 20), qos=0, retain=True)  # the connection ends meanwhile
        wait_until(lambda: fleet.ps()["small"]["restarts"] > 0, "it has ended")
        client.close()
        wait_until(lambda: fleet.ps()["small"]["state"] == "ready", "it is back")
        assert "out of memory" in fleet.ps()["small"]["last_exit"]
        assert "worker_limits.memory" in fleet.log("controller") and "out of memory" in fleet.output()
        Paho(port, "again").close()
        stays.fence()
        assert stays.disconnects == []
