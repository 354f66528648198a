"""The commands that run a fleet, seen from outside: processes, ports, states, exit codes."""

import json
import os
import pty
import re
import signal
import socket
import subprocess

import pytest

from clients import Paho
from fleet import SHOAL, alive, free_port, listening_ports, wait_until
from wire import DISCONNECT, Wire

ONE = """[instances.one]
listeners = ["mqtt://127.0.0.1:auto"]
auth = { anonymous = true }
"""
ALICE = {"user": "alice", "password": "alice's secret"}


def state(fleet, name):
    return fleet.ps()[name]["state"]


def test_stop_closes_the_port_and_start_opens_the_same(plants):
    port, other = plants.port("plant-a"), plants.pid("plant-b")
    pid = plants.pid("plant-a")
    with Paho(plants.port("lab")) as neighbour:
        plants.cli("stop", "plant-a")
        stopped = plants.ps()["plant-a"]
        assert stopped["state"] == "stopped" and not stopped["pid"]
        assert port not in listening_ports() and not alive(pid)
        plants.cli("stop", "plant-a", code=5)
        plants.cli("start", "plant-a")
        plants.wait_ready("plant-a")
        plants.cli("start", "plant-a", code=5)
        assert plants.port("plant-a") == port
        Paho(port, **ALICE).close()
        neighbour.fence()
        assert neighbour.disconnects == [] and plants.pid("plant-b") == other


def test_stopping_one_of_a_shared_worker_leaves_the_other(plants):
    worker = plants.pid("lab")
    with Paho(plants.port("lab2")) as neighbour:
        plants.cli("stop", "lab")
        assert state(plants, "lab") == "stopped" and plants.pid("lab2") == worker
        plants.cli("start", "lab")
        plants.wait_ready("lab")
        assert plants.pid("lab") == worker
        neighbour.fence()
        assert neighbour.disconnects == []


def test_restart_takes_a_new_process_and_keeps_the_port(plants):
    port, pid = plants.port("plant-a"), plants.pid("plant-a")
    plants.cli("restart", "plant-a")
    plants.wait_ready("plant-a")
    assert plants.pid("plant-a") != pid and plants.port("plant-a") == port
    Paho(port, **ALICE).close()


def test_status_shows_one_instance(plants):
    port = plants.port("plant-a")
    with Paho(port, **ALICE):
        wait_until(lambda: json.loads(plants.cli("status", "plant-a", "--json").stdout)["clients"] == 1, "one client")
        text = plants.cli("status", "plant-a").stdout
        for word in ("plant-a", "ready", f"mqtt://127.0.0.1:{port}", str(plants.pid("plant-a"))):
            assert word in text, text
        wait_until(lambda: plants.ps()["plant-a"]["clients"] == 1, "one client in ps")


def test_ps_is_a_table(plants):
    lines = plants.cli("ps").stdout.splitlines()
    assert len(lines) == 5
    for name, line in zip(("plant-a", "plant-b", "lab", "lab2"), lines[1:]):
        assert line.startswith(name) and "ready" in line and f":{plants.port(name)}" in line


@pytest.mark.parametrize("command", ["status", "start", "stop", "restart", "logs"])
def test_an_unknown_instance_is_4(make_fleet, command):
    fleet = make_fleet(ONE).start()
    done = fleet.cli(command, "onne", code=4)
    assert len(done.stderr.splitlines()) == 1 and "onne" in done.stderr


def test_an_automatic_port_is_remembered(make_fleet):
    fleet = make_fleet(ONE).start()
    port = fleet.port("one")
    first, last = map(int, fleet.port_range.split("-"))
    assert first <= port <= last
    fleet.stop()
    fleet.start()
    assert fleet.port("one") == port


def test_ipv6_and_several_listeners(make_fleet):
    six = free_port("::1")
    fleet = make_fleet(f"""[instances.one]
listeners = ["mqtt://127.0.0.1:auto", "mqtt://[::1]:{six}"]
auth = {{ anonymous = true }}
""").start()
    urls = fleet.ps()["one"]["listeners"]
    assert urls[1] == f"mqtt://[::1]:{six}"
    with Wire(fleet.port("one")) as four, Wire(six, "::1") as over_six:
        four.connect("four")
        over_six.connect("six")
        four.subscribe("t")
        over_six.publish("t", b"hello")
        assert four.recv()[2] == b"\0\1thello"


def test_start_names_who_took_the_port_meanwhile(make_fleet):
    port = free_port()
    fleet = make_fleet(ONE.replace("auto", str(port)), fleet_table=False).start()
    fleet.cli("stop", "one")
    with socket.create_server(("127.0.0.1", port)):
        done = fleet.cli("start", "one", code=1)
        assert f"{fleet.config}:2:14: instance one: port {port} is held by" in done.stderr
        assert f"(pid {os.getpid()})" in done.stderr and len(done.stderr.splitlines()) == 1
    fleet.wait_ready("one")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_drains_and_leaves_nothing(plants, number):
    ports = [plants.port(name) for name in ("plant-a", "plant-b", "lab", "lab2")]
    sockets = [p for p in plants.home.rglob("*") if p.is_socket()]
    assert sockets
    with Wire(ports[2]) as new, Wire(ports[2]) as old:
        new.connect("new", 5)
        old.connect("old", 4)
        assert plants.signal(number) == 0
        last = new.recv()
        assert last and last[0] == DISCONNECT and last[2][0] == 0x8B and new.recv() is None
        assert old.recv() is None
    assert not plants.processes()
    assert not set(ports) & listening_ports()
    assert not [p for p in sockets if p.exists()]


def test_the_second_interrupt_ends_at_once(plants):
    pids = plants.processes()
    plants.process.send_signal(signal.SIGINT)
    plants.process.send_signal(signal.SIGINT)
    plants.process.wait(10)
    wait_until(lambda: not any(map(alive, pids)), "processes gone", 5)


def test_a_terminal_that_closes_takes_the_fleet_along_in_order(make_fleet):
    fleet = make_fleet(ONE)
    pid, terminal = pty.fork()
    if pid == 0:
        os.execve(SHOAL, [SHOAL, "run"], fleet.env)
    try:
        wait_until(lambda: fleet.ps().get("one", {}).get("state") == "ready", "instance ready")
    finally:
        os.close(terminal)
        status = os.waitpid(pid, 0)[1]
    assert os.WIFEXITED(status), status
    assert not fleet.processes() and not list((fleet.home / "run").iterdir())


def test_up_in_the_background_and_down(make_fleet):
    fleet = make_fleet(ONE)
    fleet.cli("up", "-d")
    try:
        assert state(fleet, "one") == "ready", "up -d returns when the fleet is ready"
        fleet.cli("up", "-d", code=5)
        Paho(fleet.port("one")).close()
        port = fleet.port("one")
    finally:
        fleet.cli("down")
    assert port not in listening_ports()
    wait_until(lambda: not fleet.processes(), "a sanitizer's look for leaks, behind the controller's last word", 5)
    fleet.cli("down", code=3)


def test_up_tells_what_is_wrong(make_fleet):
    fleet = make_fleet(ONE + "wrong = 1\n", fleet_table=False)
    done = fleet.cli("up", "-d", code=1)
    assert re.search(r'shoal\.toml:4:1: unknown key "wrong"', done.stderr), done
    with socket.create_server(("127.0.0.1", 0)) as held:
        fleet.write(ONE.replace("auto", str(held.getsockname()[1])), fleet_table=False)
        done = fleet.cli("up", "-d", code=1)
        assert f"(pid {os.getpid()})" in done.stderr, done
    assert not fleet.processes()


def test_logs_follow(make_fleet):
    fleet = make_fleet(ONE).start()
    follow = subprocess.Popen([SHOAL, "logs", "-f", "one"], env=fleet.env, stdout=subprocess.PIPE, text=True)
    try:
        Paho(fleet.port("one"), "followed").close()
        for line in follow.stdout:
            if "followed" in line:
                break
        else:
            raise AssertionError("logs -f ended")
    finally:
        follow.terminate()
        follow.wait(10)
        follow.stdout.close()
    assert "followed" in fleet.cli("logs", "one").stdout


def test_logs_tell_who_came_and_why_somebody_was_refused(plants):
    port = plants.port("plant-a")
    with Wire(port) as good:
        good.connect("sensor-7", **ALICE)
        local = "%s:%d" % good.socket.getsockname()
        line = wait_until(lambda: [l for l in plants.log("plant-a").splitlines() if "sensor-7" in l], "log line")[0]
        assert local in line and "alice" in line
    with Wire(port) as bad:
        assert bad.connect("thief", user="alice", password="guess")[1] in (4, 5)
    line = wait_until(lambda: [l for l in plants.log("plant-a").splitlines() if "thief" in l], "log line")[0]
    assert "password" in line and "guess" not in plants.log("plant-a")
    with Wire(port) as forger:
        forger.connect("x\n2026-01-01 forged", **ALICE)
    wait_until(lambda: "forged" in plants.log("plant-a"), "log line")
    assert not [l for l in plants.log("plant-a").splitlines() if l.startswith("2026-01-01 forged")]
    for other in ("plant-b", "lab"):
        assert "sensor-7" not in plants.log(other) and "thief" not in plants.log(other)
    assert "plant-a" in plants.log("controller")
