"""create, rm, enable, disable, set; patterns; rolling restarts."""

import json
import os
import signal

from clients import Paho
from fleet import wait_until
from test_apply import HEAD, instance
from test_crash import Knocking

TEMPLATE = '[templates.customer]\nworker = "small"\nlisteners = ["mqtt://127.0.0.1:auto"]\n'


def files(fleet):
    folder = fleet.home / "instances.d"
    return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []


def test_instances_are_made_and_removed_while_others_go_on(make_fleet):
    fleet = make_fleet(HEAD + TEMPLATE + instance("lab", "auto"))
    fleet.cli("create", "early", "--template", "customer")
    fleet.start()
    with Paho(fleet.port("early"), "stays") as client:
        fleet.cli("create", "plant", "--template", "customer", "--count", 3, "--set", "limits.sessions=7")
        assert files(fleet) == ["early.toml", "plant-1.toml", "plant-2.toml", "plant-3.toml"]
        now = fleet.ps()
        assert all(now[f"plant-{i}"]["state"] == "ready" for i in (1, 2, 3))
        assert len({now[name]["pid"] for name in ("early", "plant-1", "plant-2", "plant-3")}) == 1
        ports = [fleet.port(f"plant-{i}") for i in (1, 2, 3)]
        Paho(ports[0], "x").close()
        fleet.cli("rm", "plant-2", "--purge")
        assert not (fleet.home / "state/plant-2").exists() and not (fleet.home / "log/plant-2.log").exists()
        fleet.cli("rm", "plant-*")
        assert sorted(fleet.ps()) == ["early", "lab"] and files(fleet) == ["early.toml"]
        assert (fleet.home / "state/plant-1").is_dir()
        # It has its port and its data again.
        fleet.cli("create", "plant-1", "--template", "customer")
        assert fleet.port("plant-1") == ports[0]
        client.fence()
        assert client.disconnects == []


def test_what_is_wrong_leaves_nothing_behind(make_fleet):
    fleet = make_fleet(HEAD + TEMPLATE + instance("lab", "auto")).start()
    for words, said in ((("x", "--set", "limits.sesions=1"), "did you mean"), (("x", "--template", "nope"), "customer"),
                        (("x",), "no listeners"), (("lab", "--template", "customer"), "already"),
                        (("../x", "--template", "customer"), "cannot be the name")):
        assert said in fleet.cli("create", *words, code=None).stderr
    assert files(fleet) == [] and sorted(fleet.ps()) == ["lab"]
    assert "shoal.toml:" in fleet.cli("rm", "lab", code=5).stderr, "a person wrote it"
    fleet.cli("rm", "nobody", code=4)
    fleet.cli("stop", "no-*", code=4)


def test_what_somebody_writes_meanwhile_into_another_file_is_in_nobodys_way(make_fleet):
    fleet = make_fleet(HEAD + TEMPLATE + instance("lab", "auto")).start()
    fleet.cli("create", "a", "--template", "customer")
    (fleet.home / "instances.d/draft.toml").write_text("listeners = [")
    (fleet.home / "instances.d/a.toml").write_text('template = "customer"\nlimits.sessions = 7\n')
    fleet.cli("create", "b", "--template", "customer")
    assert sorted(fleet.ps()) == ["a", "b", "lab"] and "due" not in fleet.cli("apply", "b").stdout
    fleet.cli("set", "b", "limits.sessions", "8")
    fleet.cli("rm", "b")
    assert "draft.toml:1" in fleet.cli("apply", code=1).stderr
    assert "limits.sessions" in fleet.cli("apply", "a", "--dry-run").stdout
    assert sorted(fleet.ps()) == ["a", "lab"]


def test_enable_disable_and_set_write_one_line(make_fleet):
    fleet = make_fleet(HEAD + instance("lab", "auto") + "# mine\n").start()
    before = fleet.config.read_text()
    fleet.cli("disable", "lab")
    assert fleet.ps()["lab"]["state"] == "stopped"
    assert fleet.config.read_text() == before.replace("[instances.lab]\n", "[instances.lab]\nenabled = false\n")
    fleet.stop()
    fleet.spawn()
    wait_until(lambda: fleet.ps().get("lab", {}).get("state") == "stopped", "it is not started")
    fleet.cli("enable", "lab")
    assert fleet.ps()["lab"]["state"] == "ready"
    assert "limits.sessions: 100000 -> 5" in fleet.cli("set", "lab", "limits.sessions", "5").stdout
    assert "expected" in fleet.cli("set", "lab", "limits.sessions", "many", code=1).stderr
    assert "needs restart of lab" in fleet.cli("set", "lab", "persistence", "crash_safe").stdout


def test_a_rolling_restart_refuses_nobody_and_stops_at_the_first_that_fails(make_fleet):
    names = [f"i{n}" for n in range(6)]
    fleet = make_fleet(HEAD + "".join(instance(name, "auto") for name in names)).start()
    before = {name: one["pid"] for name, one in fleet.ps().items()}
    with Knocking(fleet.port("i0")) as knocking:
        fleet.cli("restart", "--all", "--batch", 2)
        wait_until(lambda: knocking.connected > 20, "connects")
    assert knocking.refused == []
    after = {name: one["pid"] for name, one in fleet.ps().items()}
    assert all(after[name] != before[name] for name in names)
    # What the third would start with is not there any more.
    fleet.cli("set", "i2", "persistence", "crash_safe")
    store = fleet.home / "state/i2/store"
    store.write_text("no folder")
    done = fleet.cli("restart", "i*", "--batch", 1, code=1)
    assert "3 instances were left as they are, from i3 on" in done.stderr
    now = {name: one["pid"] for name, one in fleet.ps().items()}
    assert now["i3"] == after["i3"] and now["i5"] == after["i5"] and now["i0"] != after["i0"]
    store.unlink()
    fleet.wait_ready()


def test_a_fleet_may_begin_with_nothing(make_fleet):
    fleet = make_fleet("").spawn()
    wait_until(lambda: fleet.cli("ps", code=None).returncode == 0, "the controller answers")
    assert fleet.ps() == {}
    fleet.cli("create", "lab", "--set", "listeners=mqtt://127.0.0.1:auto", "--set", "auth.anonymous=true")
    Paho(fleet.port("lab"), "x").close()
    fleet.cli("rm", "lab")
    assert fleet.ps() == {} and fleet.signal() == 0
