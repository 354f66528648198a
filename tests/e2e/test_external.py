"""Foreign brokers as instances: Debian's mosquitto, beside native ones."""

import json
import os
import random
import re
import signal
import socket
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from clients import Paho, Refused
from fleet import ControlSocket, alive, free_port, listening_ports, wait_until
from test_apply import HEAD, apply, instance
from test_monitoring import get

MOSQUITTO = "/usr/sbin/mosquitto"


def mosquitto(fleet, name, port, *lines, **keys):
    """An instance with a configuration of its own; `port` may be "auto"."""
    where = [] if port == "auto" else [f"listener {port} 127.0.0.1"]
    conf = ["user root", "allow_anonymous true", "persistence true", "autosave_interval 1", *where, *lines]
    (fleet.home / f"{name}.conf").write_text("\n".join(conf) + "\n")
    args = ["-c", "{config_file}"] + (["-p", "{port}"] if port == "auto" else [])
    all_keys = {"engine": "external", "program": MOSQUITTO, "args": args, "config_file": f"{name}.conf", "port": port}
    text = "".join(f"{key} = {json.dumps(value)}\n" for key, value in (all_keys | keys).items())
    return f"[instances.{name}]\n{text}"


@pytest.fixture
def foreign(make_fleet):
    """Fleets whose foreign brokers are gone, too, at the end."""
    fleets = []

    def make(text=""):
        fleet = make_fleet(text)
        fleets.append(fleet)
        return fleet

    yield make
    for fleet in fleets:
        fleet.stop()
        left = brokers_of(fleet)
        for pid in left:
            os.kill(pid, signal.SIGKILL)
        assert not left, "left behind"
        assert not list((fleet.home / "run").glob("external*"))


def brokers_of(fleet):
    """Processes that work in a state folder of the fleet."""
    found = []
    for folder in Path("/proc").iterdir():
        try:
            if folder.name.isdigit() and os.readlink(folder / "cwd").startswith(str(fleet.home / "state")):
                found.append(int(folder.name))
        except OSError:
            pass
    return [pid for pid in found if alive(pid)]


def two(foreign):
    """Two copies of mosquitto beside two native instances."""
    fleet = foreign()
    ports = [free_port(), free_port()]
    fleet.write(HEAD + mosquitto(fleet, "m1", ports[0]) + mosquitto(fleet, "m2", ports[1]) + instance("a", "auto")
                + instance("b", "auto", worker="s"))
    fleet.start()
    return fleet, ports


def lose_controller(fleet):
    fleet.process.send_signal(signal.SIGKILL)
    fleet.process.wait(10)


def test_two_copies_serve_beside_native_instances(foreign):
    fleet, ports = two(foreign)
    names = ("m1", "m2", "a", "b")
    clients = {name: Paho(fleet.port(name), "same-id") for name in names}
    for client in clients.values():
        client.subscribe("t", 1)
    for name, client in clients.items():
        client.publish("t", name, 1)
    for name, client in clients.items():
        assert [m.payload for m in client.fence()] == [name.encode()], "nothing crosses"
        client.close()

    now = fleet.ps()
    for name, port in zip(("m1", "m2"), ports):
        one = now[name]
        assert one["state"] == "ready" and one["engine"] == "external" and one["program"] == MOSQUITTO
        assert one["listeners"] == [f"mqtt://127.0.0.1:{port}"] and one["clients"] is None
        assert one["restarts"] == 0 and one["last_exit"] is None
        process = Path(f"/proc/{one['pid']}")
        assert os.readlink(process / "exe") == MOSQUITTO
        assert os.readlink(process / "cwd") == str(fleet.home / "state" / name)
        assert (process / "stat").read_text().split()[5] == str(one["pid"]), "a session of its own"
        assert "mosquitto version" in fleet.log(name) and "running" in fleet.cli("logs", name).stdout
    assert now["a"]["engine"] == "shoal" and now["a"]["clients"] is not None
    line = next(line for line in fleet.cli("ps").stdout.splitlines() if line.startswith("m1"))
    assert line.split()[3:5] == ["external", "-"]
    status = fleet.cli("status", "m1").stdout
    assert re.search(r"^engine +external$", status, re.M) and MOSQUITTO in status
    assert re.search(r"^clients +unknown$", status, re.M) and "messages received" not in status


def test_it_begins_as_a_program_expects(foreign):
    fleet = foreign()
    fleet.env["NOTIFY_SOCKET"] = "@nobody"
    script = "ls -l /proc/self/fd; cat /proc/self/status; env; exec " + MOSQUITTO + " -c {config_file}"
    fleet.write(mosquitto(fleet, "m1", free_port(), program="/bin/sh", args=["-c", script])).start()
    log = fleet.log("m1")
    fds = re.findall(r" (\d+) -> (\S+)", log)
    assert [target for number, target in fds if int(number) <= 2] == ["/dev/null"] + 2 * [str(fleet.home / "log/m1.log")]
    assert all("/proc/" in target for number, target in fds if int(number) > 2), fds
    status = dict(re.findall(r"^(Sig\w+):\s+(\S+)", log, re.M))
    kept = 0b11 << 31  # of the C library: nobody can set them, and who ignores them above us is not our affair
    assert int(status["SigBlk"], 16) == int(status["SigIgn"], 16) & ~kept == 0
    assert "NOTIFY_SOCKET" not in log and "SHOAL_HOME=" in log


def test_metrics_readiness_ports_top_and_events(foreign):
    fleet, ports = two(foreign)
    page = get(ControlSocket(fleet.control_socket), "/metrics")[1]
    assert 'shoal_instance_up{instance="m1"} 1' in page
    assert 'shoal_worker_resident_memory_bytes{worker="m1",shared="false"}' in page
    families = {m[1] for m in re.finditer(r'^(\w+)\{[^}]*instance="m1"', page, re.M)}
    assert families == {"shoal_instance_up", "shoal_instance_restarts_total", "shoal_instance_uptime_seconds"}
    assert 'shoal_connections{instance="a"}' in page
    begin = time.monotonic()
    fleet.ps()
    assert time.monotonic() - begin < 5, "nobody waits for it"
    assert get(ControlSocket(fleet.control_socket), "/readyz")[0] == 200

    held = {one["instance"]: one for one in json.loads(fleet.cli("ports", "--json").stdout)}
    assert held["m1"]["port"] == ports[0] and held["m1"]["address"] == "*" and held["m1"]["state"] == "ready"
    row = next(line for line in fleet.cli("top", "--once").stdout.splitlines() if line.startswith("m1"))
    assert row.split()[1:3] == ["ready", "-"] and row.split()[-1] in ("KiB", "MiB")
    os.kill(fleet.pid("m1"), signal.SIGKILL)
    wait_until(lambda: fleet.ps()["m1"]["restarts"] == 1, "it is back")
    events = [json.loads(line) for line in fleet.cli("events").stdout.splitlines()]
    assert any(e["instance"] == "m1" and e.get("because") == "killed by signal 9 (KILL)" for e in events)


def test_what_nobody_can_ask_of_it_is_said_at_once(foreign):
    fleet, _ = two(foreign)
    for command in (["clients", "m1"], ["kick", "m1", "x"], ["users", "ls", "m1"],
                    ["users", "add", "m1", "ann", "--password-stdin"], ["log-level", "m1", "debug"],
                    ["backup", "m1", "x.backup"], ["store", "check", "m1"], ["store", "inspect", "m1"]):
        begin = time.monotonic()
        said = fleet.cli(*command, code=1, input="secret\n").stderr
        assert said.startswith("shoal: m1 is an external broker; "), said
        assert said.count("\n") == 1 and time.monotonic() - begin < 3


def test_stop_start_restart_and_what_it_keeps(foreign):
    fleet, ports = two(foreign)
    with Paho(ports[0], "keeper") as client:
        client.publish("kept", "1", 1, retain=True)
    pid, other = fleet.pid("m1"), fleet.pid("m2")
    fleet.cli("stop", "m1")
    now = fleet.ps()["m1"]
    assert now["state"] == "stopped" and now["last_exit"] == "stopped as asked" and now["pid"] is None
    assert not alive(pid) and ports[0] not in listening_ports()
    assert "Saving in-memory database" in fleet.log("m1"), "it had TERM, and time"
    assert (fleet.home / "state/m1/mosquitto.db").exists(), "its folder is where it works"
    fleet.cli("stop", "m1", code=5)
    fleet.cli("start", "m1")
    with Paho(ports[0], "reader") as client:
        client.subscribe("kept", 1)
        assert client.get().payload == b"1"
    pid = fleet.pid("m1")
    fleet.cli("restart", "m1")
    assert fleet.pid("m1") not in (pid, None) and fleet.ps()["m1"]["state"] == "ready"
    assert fleet.pid("m2") == other


def test_a_death_is_answered_and_counted(foreign):
    fleet, ports = two(foreign)
    for n in (1, 2):
        os.kill(fleet.pid("m1"), signal.SIGKILL)
        wait_until(lambda: fleet.ps()["m1"]["restarts"] == n and fleet.ps()["m1"]["state"] == "ready", "it is back")
        assert fleet.ps()["m1"]["last_exit"] == "killed by signal 9 (KILL)"
    Paho(ports[0], "x").close()


def test_one_that_does_not_start_says_why_with_its_last_lines(foreign):
    fleet = foreign()
    fleet.write(HEAD + mosquitto(fleet, "m1", free_port(), "no_such_option true") + instance("a", "auto"))
    fleet.spawn().wait_ready("a")
    wait_until(lambda: fleet.ps()["m1"]["restarts"] > 1, "it tries")
    shown = json.loads(fleet.cli("status", "m1", "--json").stdout)
    assert shown["state"] == "backoff" or shown["state"] == "starting"
    assert re.match(r"exited with code \d+", shown["last_exit"])
    wait_until(lambda: "Unknown configuration variable" in fleet.cli("status", "m1").stdout, "its own words")
    ready, body, _ = get(ControlSocket(fleet.control_socket), "/readyz")
    assert ready == 503 and json.loads(body)[0]["name"] == "m1"
    wait_until(lambda: fleet.ps()["m1"]["state"] == "failed", "it gives up", 90)
    mosquitto(fleet, "m1", fleet.port("m1"))
    fleet.cli("start", "m1")
    assert fleet.ps()["m1"]["state"] == "ready"


def test_one_that_refuses_strangers_serves(foreign):
    fleet = foreign()
    fleet.write(mosquitto(fleet, "m1", port := free_port(), "allow_anonymous false"))
    fleet.start()
    with pytest.raises(Refused):
        Paho(port, "stranger")


def test_what_answers_not_is_not_ready_and_killed(foreign):
    fleet = foreign()
    fleet.write(mosquitto(fleet, "m1", free_port(), program="/bin/sh", args=["-c", "trap '' TERM; : {config_file}; sleep 600 & "
                                                                             "while :; do wait; done"]))
    fleet.spawn()
    wait_until(lambda: fleet.ps().get("m1", {}).get("state") == "starting", "it is there")
    assert len(brokers_of(fleet)) == 2
    wait_until(lambda: fleet.ps()["m1"]["last_exit"], "it is killed", 30)
    assert fleet.ps()["m1"]["last_exit"] == "killed: m1 was not ready in time"
    fleet.cli("stop", "m1", timeout=60)
    wait_until(lambda: not brokers_of(fleet), "and all of its group", 15)


def test_a_program_that_is_no_program_is_named(foreign):
    fleet = foreign()
    (fleet.home / "nothing").write_text("\0\1\2")
    (fleet.home / "nothing").chmod(0o755)
    fleet.write(mosquitto(fleet, "m1", free_port(), program="nothing")).spawn()
    wait_until(lambda: "cannot be started: Exec format error" in (fleet.ps().get("m1", {}).get("last_exit") or ""), "why")


@contextmanager
def stranger(port, host="127.0.0.1"):
    with socket.create_server((host, port)):
        yield f"port {port} is held by python3 (pid {os.getpid()})"


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
def test_a_port_that_a_stranger_holds_names_him(foreign, host):
    fleet = foreign()
    port = free_port()
    fleet.write(HEAD + mosquitto(fleet, "m1", port) + instance("a", "auto"))
    with stranger(port, host) as words:
        said = fleet.cli("run", code=1).stderr
        assert re.search(rf"shoal.toml:\d+:8: instance m1: {re.escape(words)}", said, re.M), said
        assert words in fleet.cli("ports").stdout.replace("held by", f"port {port} is held by")
    fleet.start()
    fleet.cli("stop", "m1")
    with stranger(port, host) as words:
        assert words in fleet.cli("start", "m1", code=1).stderr
    wait_until(lambda: fleet.ps()["m1"]["state"] == "ready", "it comes when it can")
    # A native instance cannot have it either.
    fleet.write(HEAD + mosquitto(fleet, "m1", port) + instance("a", "auto") + instance("b", port))
    assert f"port {port} is held by instance m1 (" in fleet.cli("apply", code=1).stderr


def test_an_automatic_port_is_told_and_stays(foreign):
    fleet = foreign()
    fleet.write(mosquitto(fleet, "m1", "auto"))
    fleet.start()
    first, last = map(int, fleet.port_range.split("-"))
    port = fleet.port("m1")
    assert first <= port <= last
    Paho(port, "x").close()
    fleet.stop()
    fleet.start()
    assert fleet.port("m1") == port


def test_apply_creates_restarts_moves_and_removes(foreign):
    fleet = foreign(HEAD + instance("a", "auto"))
    fleet.start()
    first, second = free_port(), free_port()
    fleet.write(HEAD + instance("a", "auto") + mosquitto(fleet, "m1", first))
    assert apply(fleet) == ["create m1"] and fleet.ps()["m1"]["state"] == "ready"
    pid = fleet.pid("m1")
    fleet.write(HEAD + instance("a", "auto") + mosquitto(fleet, "m1", second))
    done = json.loads(fleet.cli("apply", "--json").stdout)
    assert [(s["action"], s["instance"]) for s in done["steps"]] == [("change", "m1"), ("due", "m1")]
    assert done["steps"][0]["changes"] == [
        {"key": "port", "before": str(first), "after": str(second), "needs_restart": True}]
    assert fleet.pid("m1") == pid and fleet.port("m1") == first, "nothing is live"
    with stranger(second) as words:
        fleet.write(HEAD + instance("a", "auto") + mosquitto(fleet, "m1", second, args=["-v", "-c", "{config_file}"]))
        assert words in fleet.cli("apply", "--restart", code=1).stderr
        assert fleet.pid("m1") == pid
    assert apply(fleet, "--restart") == ["change m1"]
    assert fleet.pid("m1") != pid and fleet.port("m1") == second and first not in listening_ports()
    Paho(second, "x").close()
    assert apply(fleet) == []
    # The same port, another program: it has to end before the other begins.
    fleet.write(HEAD + instance("a", "auto") + mosquitto(fleet, "m1", second))
    assert apply(fleet, "--restart") == ["change m1"] and fleet.ps()["m1"]["state"] == "ready"
    pid = fleet.pid("m1")
    fleet.write(HEAD + instance("a", "auto"))
    assert apply(fleet) == ["remove m1"]
    wait_until(lambda: not alive(pid) and "m1" not in fleet.ps(), "it is gone")


def test_a_port_moves_to_another_instance(foreign):
    fleet = foreign()
    one, two = free_port(), free_port()
    fleet.write(HEAD + mosquitto(fleet, "m1", one) + mosquitto(fleet, "m2", two)).start()

    def go(text, *names):
        fleet.write(HEAD + text)
        fleet.cli("apply", "--restart", code=None)  # it may be too early, and then says so
        wait_until(lambda: [one["name"] for one in fleet.ps().values() if one["state"] == "ready"] == list(names),
                   f"{names} are ready")

    go(mosquitto(fleet, "m1", two) + mosquitto(fleet, "m2", one), "m1", "m2")
    assert (fleet.port("m1"), fleet.port("m2")) == (two, one)
    go(mosquitto(fleet, "renamed", two) + mosquitto(fleet, "m2", one), "renamed", "m2")
    go(instance("native", two) + instance("m2", one), "native", "m2")
    for port in (one, two):
        Paho(port, "x").close()
    assert fleet.cli("apply").stdout == "nothing to do\n"


def test_an_instance_changes_its_engine_on_one_port(foreign):
    fleet = foreign()
    port = free_port()
    native = HEAD + instance("x", port)
    fleet.write(native).start()
    fleet.write(HEAD + mosquitto(fleet, "x", port))
    assert apply(fleet) == ["change x", "due x"]
    assert fleet.ps()["x"]["engine"] == "shoal" and fleet.ps()["x"]["clients"] == 0
    Paho(port, "x").close()
    assert apply(fleet, "--restart") == ["restart x"]
    assert fleet.ps()["x"]["engine"] == "external" and fleet.ps()["x"]["state"] == "ready"
    Paho(port, "x").close()
    fleet.write(native)
    assert apply(fleet, "--restart") == ["change x"]
    assert fleet.ps()["x"]["engine"] == "shoal" and fleet.ps()["x"]["restarts"] == 0
    Paho(port, "x").close()


def test_it_outlives_its_controller_and_the_next_one_has_it(foreign):
    fleet, ports = two(foreign)
    os.kill(fleet.pid("m1"), signal.SIGKILL)
    wait_until(lambda: fleet.ps()["m1"]["restarts"] == 1 and fleet.ps()["m1"]["state"] == "ready", "m1 is back")
    before = {name: one["pid"] for name, one in fleet.ps().items()}
    client = Paho(ports[0], "stays")
    client.subscribe("beat", 1)
    lose_controller(fleet)
    assert "4 workers serve on without it" in fleet.cli("ps", code=3).stderr
    client.publish("beat", "1", 1)
    os.kill(before["m2"], signal.SIGKILL)
    fleet.start()
    now = fleet.ps()
    assert now["m1"]["pid"] == before["m1"] and now["a"]["pid"] == before["a"]
    assert now["m1"]["restarts"] == 1 and now["m1"]["last_exit"] == "killed by signal 9 (KILL)"
    assert now["m2"]["pid"] != before["m2"] and now["m2"]["state"] == "ready"
    client.publish("beat", "2", 1)
    assert [m.payload for m in client.fence()] == [b"1", b"2"]
    assert client.disconnects == [] and client.connects == 1
    assert fleet.cli("apply").stdout == "nothing to do\n"
    client.close()
    # It is its controller in all respects.
    fleet.cli("restart", "m1")
    lose_controller(fleet)
    fleet.start()
    os.kill(fleet.pid("m1"), signal.SIGKILL)
    wait_until(lambda: fleet.ps()["m1"]["restarts"] == 1 and fleet.ps()["m1"]["state"] == "ready", "m1 is back")
    assert fleet.ps()["m1"]["last_exit"].startswith("ended; how is unknown")


def test_wherever_its_controller_dies_none_is_lost(foreign):
    fleet = foreign()
    fleet.write(HEAD + "".join(mosquitto(fleet, f"m{n}", free_port()) for n in range(4)))
    for _ in range(12):
        fleet.spawn()
        if random.random() < 0.8:
            wait_until(lambda: "controller started" in fleet.log("controller"), "it begins")
        time.sleep(random.random() * 0.1)
        lose_controller(fleet)
        assert len(brokers_of(fleet)) <= 4
    fleet.start()
    assert sorted(brokers_of(fleet)) == sorted(one["pid"] for one in fleet.ps().values())


def test_what_changed_while_nobody_controlled(foreign):
    fleet, ports = two(foreign)
    before = fleet.ps()
    lose_controller(fleet)
    fleet.write(HEAD + mosquitto(fleet, "m1", ports[0], args=["-v", "-c", "{config_file}"]) + instance("a", "auto"))
    fleet.spawn().wait_ready("m1", "a")
    wait_until(lambda: sorted(fleet.ps()) == ["a", "m1"], "m2 and b are gone")
    assert not alive(before["m2"]["pid"]) and fleet.pid("m1") == before["m1"]["pid"]
    assert apply(fleet) == ["due m1"]


def test_a_record_of_somebody_else_is_not_believed(foreign):
    fleet, ports = two(foreign)
    before = fleet.pid("m1")
    lose_controller(fleet)
    record = fleet.home / "run/external/m1"
    with subprocess.Popen(["sleep", "600"]) as sleeper:
        text = record.read_text()
        assert f"process.pid={before}" in text
        record.write_text(text.replace(f"process.pid={before}", f"process.pid={sleeper.pid}"))
        fleet.cli("down")
        assert sleeper.poll() is None, "a stranger is not killed"
        assert alive(before), "and of that one nobody knows"
        os.kill(before, signal.SIGKILL)
        sleeper.kill()
    fleet.start()


def test_down_works_without_a_controller(foreign):
    fleet, ports = two(foreign)
    pids = [fleet.pid("m1"), fleet.pid("m2")]
    lose_controller(fleet)
    fleet.cli("down")
    assert not any(map(alive, pids)) and not fleet.processes()
    assert "Saving in-memory database" in fleet.log("m1")
    assert not set(ports) & listening_ports()
    fleet.cli("down", code=3)


def test_down_kills_what_does_not_end(foreign):
    fleet = foreign()
    fleet.write(mosquitto(fleet, "m1", free_port(), program="/bin/sh",
                          args=["-c", "trap '' TERM; : {config_file}; while :; do sleep 600; done"])).spawn()
    wait_until(lambda: fleet.ps().get("m1", {}).get("state") == "starting", "it is there")
    lose_controller(fleet)
    fleet.cli("down")
    wait_until(lambda: not brokers_of(fleet), "nothing is left")


def test_usr2_and_signals_to_the_controller_do_not_reach_it(foreign):
    fleet, ports = two(foreign)
    before = {name: one["pid"] for name, one in fleet.ps().items()}
    with Paho(ports[0], "stays") as client:
        client.subscribe("#", 1)
        for _ in range(3):
            started = fleet.log("controller").count("controller started")
            fleet.process.send_signal(signal.SIGUSR2)
            wait_until(lambda: fleet.log("controller").count("controller started") > started, "executed again")
            wait_until(lambda: {name: one["pid"] for name, one in fleet.ps().items()} == before, "all of it is there")
        for number in (signal.SIGHUP, signal.SIGUSR1):
            fleet.process.send_signal(number)
        client.publish("x", "1", 1)
        assert len(client.fence()) == 1 and client.disconnects == []
    os.kill(before["m1"], signal.SIGKILL)
    wait_until(lambda: fleet.ps()["m1"]["restarts"] == 1 and fleet.ps()["m1"]["state"] == "ready", "m1 is back")
    assert fleet.ps()["m1"]["last_exit"] == "killed by signal 9 (KILL)", "it is still a child"


def test_create_and_remove_by_command(foreign):
    fleet = foreign(HEAD)
    fleet.write(HEAD + instance("a", "auto") + f'[templates.m]\nengine = "external"\nprogram = "{MOSQUITTO}"\nargs = ["-p", "{{port}}"]\n'
                'port = "auto"\n').start()
    fleet.cli("create", "m", "--template", "m", "--count", "3")
    ports = {fleet.port(f"m-{n}") for n in (1, 2, 3)}
    assert len(ports) == 3
    fleet.cli("disable", "m-1")
    assert fleet.ps()["m-1"]["state"] == "stopped"
    fleet.cli("rm", "m-*", "--purge")
    assert list(fleet.ps()) == ["a"] and not (fleet.home / "state/m-2").exists()
