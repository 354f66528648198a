"""Workers that hang or crash: what the log says of it, and who gets a worker of its own.

What cannot be had by asking is made by writing into the program of a running worker: a function that loops, or is no
instruction at all.
"""

import os
import platform
import signal
import struct
import subprocess

import pytest
from clients import Paho
from fleet import BUILD, wait_until
from test_apply import HEAD, instance

LOOP = b"\xeb\xfe"  # jmp to itself
CRASH = b"\x0f\x0b"  # ud2
PUBLISH = "shoal::broker::Router::publish("

writes_code = pytest.mark.skipif(platform.machine() != "x86_64", reason="writes x86 instructions")


def overwrite(pid, function, code):
    """Puts `code` at the beginning of a function of that worker."""
    symbols = subprocess.run(["nm", "-C", BUILD / "shoal-worker"], capture_output=True, text=True, check=True).stdout
    [line] = [line for line in symbols.splitlines() if line[19:].startswith(function)]
    address = int(line.split()[0], 16)
    with open(BUILD / "shoal-worker", "rb") as executable:
        if struct.unpack("<H", executable.read(18)[16:])[0] == 3:  # it may be loaded anywhere
            with open(f"/proc/{pid}/maps") as maps:
                address += int(next(line for line in maps if "shoal-worker" in line).split("-")[0], 16)
    with open(f"/proc/{pid}/mem", "r+b", buffering=0) as memory:
        memory.seek(address)
        memory.write(code)


def publish_without_answer(port):
    client = Paho(port)
    client.client.publish("a", "b", 0)
    return client


def two_in_one(make_fleet):
    return make_fleet(HEAD + instance("lab", "auto", worker="s") + instance("lab2", "auto", worker="s")
                      + instance("own", "auto")).start()


@writes_code
def test_a_worker_that_hangs_tells_where_and_is_replaced(make_fleet):
    fleet = two_in_one(make_fleet)
    stuck, untouched = fleet.pid("lab"), fleet.pid("own")
    overwrite(stuck, PUBLISH, LOOP)
    with Paho(fleet.port("own")) as neighbour:
        client = publish_without_answer(fleet.port("lab"))
        wait_until(lambda: fleet.ps()["lab"]["pid"] not in (stuck, None), "another worker", 40)
        fleet.wait_ready()
        assert neighbour.disconnects == []
        client.vanish()
    assert fleet.pid("own") == untouched and fleet.ps()["own"]["restarts"] == 0
    assert fleet.ps()["lab2"]["restarts"] == 1
    log = fleet.log("controller")
    assert f"pid={stuck}" in log and "worker hangs and is replaced" in log
    stack = [line for line in log.splitlines() if " stack " in line]
    assert any("thread " + str(stuck) in line for line in stack), log
    publish = next(i for i, line in enumerate(stack) if "Router::publish" in line)
    assert any("Connection::read" in line for line in stack[publish:]), stack
    last = fleet.ps()["lab"]["last_exit"]
    assert last.startswith("killed: it hangs: one turn takes 1") and last.endswith("for lab"), last


def test_a_worker_that_is_halted_is_replaced(make_fleet):
    fleet = make_fleet(HEAD + instance("lab", "auto")).start()
    halted = fleet.pid("lab")
    os.kill(halted, signal.SIGSTOP)
    wait_until(lambda: fleet.ps()["lab"]["pid"] not in (halted, None), "another worker", 40)
    fleet.wait_ready()
    assert fleet.ps()["lab"]["last_exit"] == "killed: it was halted by a signal"


@writes_code
def test_who_crashes_its_worker_twice_gets_one_of_its_own(make_fleet):
    fleet = two_in_one(make_fleet)
    crashed = []
    for times in (1, 2):
        crashed.append(fleet.pid("lab"))
        overwrite(crashed[-1], PUBLISH, CRASH)
        client = publish_without_answer(fleet.port("lab"))
        wait_until(lambda: fleet.ps()["lab"]["restarts"] == times and fleet.ps()["lab"]["state"] == "ready",
                   "it is back")
        fleet.wait_ready()
        client.vanish()
    now = fleet.ps()
    assert now["lab"]["worker"] == "own" and now["lab2"]["worker"] == "s"
    assert now["lab"]["pid"] != now["lab2"]["pid"]
    assert now["lab"]["last_exit"] == "killed by signal 4 (ILL) while it worked for lab"
    status = fleet.cli("status", "lab").stdout
    assert "crashed 2 times while it worked for it; `shoal restart lab` brings it back" in status
    assert "NOTE" not in fleet.cli("status", "lab2").stdout
    log = fleet.log("controller")
    assert log.count("Router::publish") >= 2, log
    # The next controller knows it, too.
    fleet.process.send_signal(signal.SIGKILL)
    fleet.process.wait(10)
    fleet.start()
    assert fleet.ps()["lab"]["worker"] == "own" and fleet.pid("lab") == now["lab"]["pid"]
    # Whose worker it was does not matter: what it died of is known.
    overwrite(now["lab2"]["pid"], PUBLISH, CRASH)
    client = publish_without_answer(fleet.port("lab2"))
    wait_until(lambda: fleet.ps()["lab2"]["restarts"] == 3 and fleet.ps()["lab2"]["state"] == "ready", "it is back")
    client.vanish()
    assert fleet.ps()["lab2"]["last_exit"] == "killed by signal 4 (ILL) while it worked for lab2"
    # By hand it is as the configuration says.
    fleet.cli("restart", "lab")
    now = fleet.ps()
    assert now["lab"]["worker"] == "s" and now["lab"]["pid"] == now["lab2"]["pid"]
    assert "NOTE" not in fleet.cli("status", "lab").stdout


def test_quit_does_not_end_a_worker(make_fleet):
    fleet = make_fleet(HEAD + instance("lab", "auto")).start()
    pid = fleet.pid("lab")
    with Paho(fleet.port("lab")) as client:
        os.kill(pid, signal.SIGQUIT)
        client.subscribe("a", 1)
        client.publish("a", "b", 1)
        assert [m.payload for m in client.fence()] == [b"b"]
        assert client.disconnects == []
    assert fleet.pid("lab") == pid
