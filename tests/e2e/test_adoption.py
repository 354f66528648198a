"""Workers outlive their controller; the next one takes them over."""

import os
import shutil
import signal
import socket
import subprocess
import time

from clients import Paho
from fleet import BUILD, free_port, wait_until
from test_apply import HEAD, instance
from test_crash import Knocking


def pids(fleet):
    return {name: one["pid"] for name, one in fleet.ps().items()}


def lose_controller(fleet):
    fleet.process.send_signal(signal.SIGKILL)
    fleet.process.wait(10)


def three(make_fleet):
    fleet = make_fleet(HEAD + instance("a", "auto") + instance("b", "auto", worker="s") + instance("c", "auto", worker="s"))
    return fleet.start()


def test_clients_notice_nothing_and_the_next_controller_has_all_of_it(make_fleet):
    fleet = three(make_fleet)
    before, ports = pids(fleet), {name: fleet.port(name) for name in "abc"}
    os.kill(before["a"], signal.SIGKILL)
    wait_until(lambda: fleet.ps()["a"]["restarts"] == 1 and fleet.ps()["a"]["state"] == "ready", "a is back")
    before = pids(fleet)
    clients = [Paho(ports[name], f"stays-{name}") for name in "abc"]
    for client in clients:
        client.subscribe("beat", 1)
    lose_controller(fleet)
    assert fleet.cli("ps", code=3).stderr.count("2 workers serve on without it") == 1
    for i in range(20):
        for client in clients:
            client.publish("beat", str(i), 1)
    Paho(ports["b"], "comes while nobody controls").close()
    fleet.start()
    now = fleet.ps()
    assert pids(fleet) == before and {name: fleet.port(name) for name in "abc"} == ports
    assert now["a"]["restarts"] == 1 and now["b"]["clients"] == 1
    for client in clients:
        assert [int(m.payload) for m in client.fence()] == list(range(20))
        assert client.disconnects == [] and client.connects == 1
    # It is their controller in all respects.
    fleet.cli("restart", "a")
    assert fleet.pid("a") != before["a"]
    os.kill(before["b"], signal.SIGKILL)
    wait_until(lambda: fleet.ps()["b"]["restarts"] == 1 and fleet.ps()["b"]["state"] == "ready", "b is back")
    assert fleet.ps()["b"]["last_exit"].startswith("ended")
    for client in clients:
        client.close()


def test_who_only_asks_is_nobodys_controller(make_fleet):
    fleet = three(make_fleet)
    before = pids(fleet)
    lose_controller(fleet)
    for _ in range(5):
        fleet.cli("ps", code=3)
    fleet.spawn()
    wait_until(lambda: fleet.cli("ps", code=None).returncode == 0, "the controller answers")
    fleet.wait_ready()
    assert pids(fleet) == before


def test_what_changed_in_between_is_made_so(make_fleet):
    fleet = three(make_fleet)
    before = pids(fleet)
    with Paho(fleet.port("b"), "stays") as client:
        client.subscribe("#", 1)
        lose_controller(fleet)
        os.kill(before["a"], signal.SIGKILL)
        fleet.write(HEAD + instance("a", "auto") + instance("b", "auto", worker="s", queue_full="drop_old")
                    + instance("d", "auto"))
        fleet.start()
        now = fleet.ps()
        wait_until(lambda: sorted(fleet.ps()) == ["a", "b", "d"], "c is gone")
        assert now["a"]["state"] == now["d"]["state"] == "ready" and now["b"]["pid"] == before["b"]
        assert "options changed" in fleet.log("b") and fleet.cli("apply").stdout == "nothing to do\n"
        client.publish("x", "1", 1)
        assert len(client.fence()) == 1 and client.disconnects == []


def test_what_was_stopped_by_hand_stays_so_until_down(make_fleet):
    fleet = three(make_fleet)
    fleet.cli("stop", "a")
    lose_controller(fleet)
    fleet.spawn().wait_ready("b", "c")
    assert fleet.ps()["a"]["state"] == "stopped"
    fleet.stop()
    fleet.start()
    assert fleet.ps()["a"]["state"] == "ready"


def test_a_listener_that_cannot_be_bound_keeps_only_its_instance_down_when_there_is_a_fleet_already(make_fleet):
    fleet = three(make_fleet)
    lose_controller(fleet)
    with socket.create_server(("127.0.0.1", port := free_port())):
        fleet.write(HEAD + instance("a", "auto") + instance("b", "auto", worker="s") + instance("d", port))
        fleet.spawn().wait_ready("a", "b")
        wait_until(lambda: "is held by" in fleet.ps()["d"]["last_exit"], "d says why")
    wait_until(lambda: fleet.ps()["d"]["state"] == "ready", "d comes when it can")


def test_down_works_without_a_controller(make_fleet):
    fleet = three(make_fleet)
    client = Paho(fleet.port("a"), "told", version=5)
    lose_controller(fleet)
    fleet.cli("down")
    assert not fleet.processes()
    wait_until(lambda: client.disconnects, "the client is told")
    assert client.disconnects[0] == 0x8B
    fleet.cli("down", code=3)
    assert not [path for path in (fleet.home / "run").rglob("*") if path.is_socket()]


def test_workers_without_controller_and_instances_end(make_fleet):
    fleet = make_fleet(HEAD + instance("a", "auto"))
    fleet.start()
    worker = fleet.pid("a")
    fleet.process.send_signal(signal.SIGSTOP)
    os.kill(worker, signal.SIGTERM)  # it drains
    fleet.process.send_signal(signal.SIGKILL)
    fleet.process.wait(10)
    wait_until(lambda: not fleet.processes(), "the worker ends")


def test_usr2_executes_a_new_binary_in_place(make_fleet, tmp_path):
    fleet = three(make_fleet)
    before, controller = pids(fleet), fleet.process.pid
    with Knocking(fleet.port("a")) as knocking, Paho(fleet.port("b"), "stays") as client:
        client.subscribe("#", 1)
        for _ in range(5):
            started = fleet.log("controller").count("controller started")
            fleet.process.send_signal(signal.SIGUSR2)
            wait_until(lambda: fleet.log("controller").count("controller started") > started, "executed again")
            wait_until(lambda: pids(fleet) == before, "all of it is there")
            client.publish("x", "1", 1)
        assert len(client.fence()) == 5 and client.disconnects == []
        assert knocking.connected > 20 and knocking.refused == []
    assert fleet.process.poll() is None and fleet.process.pid == controller
    # Not with a configuration that it would not start with.
    fleet.config.write_text("nonsense")
    fleet.process.send_signal(signal.SIGUSR2)
    wait_until(lambda: "not executed again" in fleet.log("controller"), "it says why not")
    assert pids(fleet) == before


def test_a_new_binary_is_what_usr2_executes(make_fleet, tmp_path):
    fleet = make_fleet(HEAD + instance("a", "auto"))
    binaries = tmp_path / "bin"
    binaries.mkdir()
    for name in ("shoal", "shoal-worker"):
        shutil.copy(BUILD / name, binaries / name)
    with fleet.stderr.open("ab") as err:
        fleet.process = subprocess.Popen([binaries / "shoal", "run"], env=fleet.env, cwd=fleet.home,
                                         stdin=subprocess.DEVNULL, stdout=err, stderr=err, start_new_session=True)
    fleet.wait_ready()
    old = os.stat(f"/proc/{fleet.process.pid}/exe").st_ino
    shutil.copy(BUILD / "shoal", binaries / "next")
    os.replace(binaries / "next", binaries / "shoal")
    fleet.process.send_signal(signal.SIGUSR2)
    wait_until(lambda: os.stat(f"/proc/{fleet.process.pid}/exe").st_ino != old, "another file")
    fleet.wait_ready()


def test_signals_twice_and_during_start_and_stop(make_fleet):
    fleet = three(make_fleet)
    for _ in range(3):
        for number in (signal.SIGUSR2, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGHUP):
            fleet.process.send_signal(number)
        time.sleep(0.05)
    wait_until(lambda: sorted(fleet.ps()) == ["a", "b", "c"], "it answers")
    fleet.wait_ready()
    fleet.process.send_signal(signal.SIGTERM)
    for number in (signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGTERM):
        fleet.process.send_signal(number)
    assert fleet.process.wait(20) == 0
    wait_until(lambda: not fleet.processes(), "nothing is left")
    fleet.spawn()
    for number in (signal.SIGTERM, signal.SIGHUP):
        try:
            fleet.process.send_signal(number)
        except ProcessLookupError:
            pass
    fleet.process.wait(20)
    wait_until(lambda: not fleet.processes(), "nothing is left")
