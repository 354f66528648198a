"""`shoal apply`, `reload` and HUP: a running fleet goes over to what the files say."""

import json
import signal
import socket

from clients import Paho
from fleet import free_port, wait_until
from wire import Wire

HEAD = '[defaults]\nauth = { anonymous = true }\npersistence = "none"\n'


def instance(name, *ports, **keys):
    urls = ", ".join(f'"mqtt://127.0.0.1:{port}"' for port in ports)
    lines = "".join(f"{key} = {json.dumps(value)}\n" for key, value in keys.items())
    return f"[instances.{name}]\nlisteners = [{urls}]\n{lines}"


def steps(done):
    """`ACTION INSTANCE` of an answer."""
    return [f"{step['action']} {step['instance']}" for step in json.loads(done.stdout)["steps"]]


def apply(fleet, *options, code=0):
    return steps(fleet.cli("apply", "--json", *options, code=code))


def test_what_is_new_starts_what_is_gone_ends_and_others_notice_nothing(make_fleet):
    fleet = make_fleet(HEAD + instance("a", "auto") + instance("b", "auto", worker="s") + instance("c", "auto", worker="s"))
    fleet.start()
    with Paho(fleet.port("b"), "stays") as client:
        client.subscribe("#", 1)
        pids = {name: one["pid"] for name, one in fleet.ps().items()}
        fleet.write(HEAD + instance("b", "auto", worker="s") + instance("d", "auto", worker="s"))
        assert apply(fleet, "--dry-run") == ["remove a", "remove c", "create d"]
        assert sorted(fleet.ps()) == ["a", "b", "c"], "it only says so"
        assert apply(fleet) == ["remove a", "remove c", "create d"]
        now = fleet.ps()
        assert sorted(now) == ["b", "d"] and now["d"]["state"] == "ready"
        assert now["b"]["pid"] == now["d"]["pid"] == pids["b"]
        wait_until(lambda: pids["a"] not in fleet.processes(), "a's worker gone")
        assert fleet.cli("apply").stdout == "nothing to do\n"
        client.publish("t", "1", 1)
        assert [m.payload for m in client.fence()] == [b"1"] and client.disconnects == []
    assert (fleet.home / "state" / "a").is_dir(), "data stays"


def test_values_change_live_and_clients_stay(make_fleet):
    first, second = free_port(), free_port()
    fleet = make_fleet(HEAD + instance("a", first) + instance("b", "auto"))
    fleet.start()
    with Wire(first) as client:
        client.connect("c", version=5)
        # It was told that it may send 1 MiB, and keeps that.
        fleet.write(HEAD + instance("a", first, second) + "limits = { connections = 1, packet_size = 1000 }\n"
                    'log = { level = "warn" }\n' + instance("b", "auto"))
        done = fleet.cli("apply", "--json")
        assert steps(done) == ["change a"]
        changed = json.loads(done.stdout)["steps"][0]["changes"]
        assert [c["key"] for c in changed] == ["listeners", "log.level", "limits.connections", "limits.packet_size"]
        assert not any(c["needs_restart"] for c in changed)
        assert client.subscribe("t") == 0
        client.publish("t", b"x" * 5000)
        assert client.ping()[0][2].endswith(b"x" * 5000)
        with Wire(second) as other:
            assert other.connect("other", version=5) == (False, 0x97), "one connection is the limit"
        # The listener that a client came by goes; the client stays.
        fleet.write(HEAD + instance("a", second) + instance("b", "auto"))
        assert apply(fleet) == ["change a"]
        client.ping()
        with Wire(second) as other:
            assert other.connect("other", version=5) == (False, 0)
        try:
            Wire(first)
            raise AssertionError("the port is still open")
        except ConnectionRefusedError:
            pass
    assert fleet.ps()["a"]["restarts"] == 0


def test_a_port_moves_from_one_instance_to_another(make_fleet):
    one, two = free_port(), free_port()
    fleet = make_fleet(HEAD + instance("a", one) + instance("b", two))
    fleet.start()
    fleet.write(HEAD + instance("a", two) + instance("b", one))
    assert apply(fleet) == ["change a", "change b"]
    with Paho(two, "x") as client:
        client.publish("who", "a", 1, retain=True)
    with Paho(fleet.port("a"), "y") as client:
        client.subscribe("#", 1)
        assert [m.payload for m in client.get(1)] == [b"a"]
    with Paho(one, "z") as client:
        client.subscribe("#", 1)
        assert client.fence() == []


def test_what_needs_a_restart_says_so_until_it_had_one(make_fleet):
    fleet = make_fleet(HEAD + instance("a", "auto") + instance("b", "auto"))
    fleet.start()
    pids = {name: one["pid"] for name, one in fleet.ps().items()}
    fleet.write(HEAD + instance("a", "auto", persistence="crash_safe", worker="s") + instance("b", "auto"))
    assert "needs restart of a" in fleet.cli("apply").stdout
    assert fleet.pid("a") == pids["a"]
    assert apply(fleet) == ["due a"]
    assert apply(fleet, "--restart") == ["restart a"]
    assert fleet.ps()["a"]["worker"] == "s" and fleet.pid("a") != pids["a"] and fleet.pid("b") == pids["b"]
    assert apply(fleet) == []


def test_a_bad_file_or_a_port_that_is_taken_changes_nothing_at_all(make_fleet):
    taken = free_port()
    fleet = make_fleet(HEAD + instance("a", "auto"))
    fleet.start()
    before = fleet.ps()
    fleet.write(HEAD + instance("b", "auto") + "x = 1\n[instances.c]\n")
    problems = fleet.cli("apply", code=1).stderr.splitlines()
    assert len(problems) == 2 and all("shoal.toml:" in line for line in problems), problems
    with socket.create_server(("127.0.0.1", taken)):
        fleet.write(HEAD + instance("a", "auto", queue_full="drop_old") + instance("b", "auto") + instance("c", taken))
        refused = fleet.cli("apply", code=1).stderr
        assert f"shoal.toml:" in refused and f"port {taken} is held by" in refused
    now = fleet.ps()
    assert now.keys() == before.keys() and now["a"]["pid"] == before["a"]["pid"]
    assert apply(fleet) == ["change a", "create b", "create c"]


def test_one_instance_alone(make_fleet):
    fleet = make_fleet(HEAD + instance("a", "auto") + instance("b", "auto"))
    fleet.start()
    fleet.write(HEAD + instance("b", "auto", queue_full="drop_old") + instance("c", "auto"))
    assert apply(fleet, "b") == ["change b"]
    assert sorted(fleet.ps()) == ["a", "b"]
    fleet.cli("apply", "nobody", code=1)
    assert apply(fleet) == ["remove a", "create c"]


def test_hup_is_the_same_and_says_what_was_wrong(make_fleet):
    fleet = make_fleet(HEAD + instance("a", "auto"))
    fleet.start()
    fleet.write(HEAD + instance("a", "auto") + instance("b", "auto"))
    fleet.process.send_signal(signal.SIGHUP)
    fleet.process.send_signal(signal.SIGHUP)
    wait_until(lambda: fleet.ps().get("b", {}).get("state") == "ready", "b is there")
    fleet.config.write_text("nonsense")
    fleet.process.send_signal(signal.SIGHUP)
    wait_until(lambda: "not applied" in fleet.log("controller"), "a line in the log")
    assert "shoal.toml:1" in fleet.log("controller")
    assert {name: one["state"] for name, one in fleet.ps().items()} == {"a": "ready", "b": "ready"}


def test_what_is_not_enabled_does_not_start_and_what_was_stopped_by_hand_stays_so(make_fleet):
    fleet = make_fleet(HEAD + instance("a", "auto") + instance("b", "auto", enabled=False))
    fleet.spawn().wait_ready("a")
    assert fleet.ps()["b"]["state"] == "stopped"
    fleet.cli("stop", "a")
    assert apply(fleet) == []
    fleet.write(HEAD + instance("a", "auto", queue_full="drop_old") + instance("b", "auto"))
    assert apply(fleet) == ["change a", "change b"]
    assert (fleet.ps()["a"]["state"], fleet.ps()["b"]["state"]) == ("stopped", "ready")
    fleet.cli("start", "a")
    fleet.write(HEAD + instance("a", "auto", enabled=False) + instance("b", "auto"))
    assert apply(fleet) == ["change a"]
    assert fleet.ps()["a"]["state"] == "stopped"


def test_users_and_anonymous_change_live(make_fleet):
    fleet = make_fleet(HEAD + instance("a", "auto"))
    fleet.start()
    port = fleet.port("a")
    with Paho(port, "inside") as inside:
        (fleet.home / "a.users").write_text("")
        fleet.write(HEAD.replace("anonymous = true", 'users_file = "a.users"') + instance("a", "auto"))
        assert apply(fleet) == ["change a"]
        fleet.add_user("a", "alice", "secret")
        with Wire(port) as other:
            assert other.connect("x")[1] in (4, 5)
        Paho(port, "y", user="alice", password="secret").close()
        inside.fence()
        assert inside.disconnects == []
        (fleet.home / "a.users").write_text("no users file\n")
        fleet.write(HEAD.replace("anonymous = true", 'users_file = "a.users"') + instance("a", "auto", queue_full="drop_old"))
        done = fleet.cli("apply", code=1)
        assert "a.users" in done.stderr
        Paho(port, "y", user="alice", password="secret").close()


def test_keys_of_the_fleet_are_applied_or_listed_until_the_controller_has_them(make_fleet):
    text = HEAD + instance("a", "auto")
    fleet = make_fleet(text).start()
    pid = fleet.pid("a")
    first = int(fleet.port_range.split("-")[0])
    fleet.port_range = f"{first + 50}-{first + 99}"
    fleet.write('log.level = "debug"\nlog.keep = 7\n' + text + instance("b", "auto"))
    tried = fleet.cli("apply", "--dry-run").stdout
    assert "log.keep: 5 -> 7" in tried and "needs restart of the controller" in tried
    done = fleet.cli("apply").stdout.splitlines()
    assert any("port_range" in line and "applied" in line for line in done)
    assert any("log.level: info -> debug" in line and "applied" in line for line in done)
    assert any("log.keep: 5 -> 7" in line and line.endswith("needs restart of the controller") for line in done)
    assert fleet.port("b") >= first + 50
    waits = fleet.cli("apply").stdout
    assert "restart due" in waits and "log.keep" in waits and "port_range" not in waits
    fleet.process.send_signal(signal.SIGUSR2)
    wait_until(lambda: fleet.log("controller").count("controller started") == 2 and fleet.ps(), "executed again")
    assert fleet.cli("apply").stdout == "nothing to do\n" and fleet.pid("a") == pid
