"""Signals that somebody sends to a worker, also twice and at the wrong moment."""

import os
import signal
import time

from clients import V5, Paho
from fleet import wait_until
from test_apply import HEAD, instance


def send(pid, *numbers):
    for number in numbers:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            return


def ready_pid(fleet, name):
    """Of its worker, which may have got a signal that nobody has noticed yet."""
    one = fleet.ps()[name]
    return one["pid"] if one["state"] == "ready" else None


def answers(fleet, name):
    try:
        Paho(fleet.port(name), "x").close()
    except OSError:
        return False
    return True


def test_what_is_not_for_it_does_nothing(make_fleet):
    fleet = make_fleet(HEAD + instance("lab", "auto")).start()
    pid = fleet.pid("lab")
    with Paho(fleet.port("lab"), "stays") as client:
        for number in (signal.SIGINT, signal.SIGHUP, signal.SIGPIPE, signal.SIGUSR1, signal.SIGQUIT):
            send(pid, number, number)
        client.fence()
        assert client.disconnects == []
    assert fleet.pid("lab") == pid and fleet.ps()["lab"]["restarts"] == 0


def test_term_drains_and_twice_is_no_more(make_fleet):
    fleet = make_fleet(HEAD + instance("lab", "auto") + instance("other", "auto")).start()
    pid, other = fleet.pid("lab"), fleet.pid("other")
    client = Paho(fleet.port("lab"), "told", version=V5)
    send(pid, signal.SIGTERM, signal.SIGTERM)
    wait_until(lambda: client.disconnects, "the client is told")
    assert client.disconnects[0] in (0x8B, "Server shutting down") or "shutting" in str(client.disconnects[0])
    client.vanish()
    wait_until(lambda: fleet.ps()["lab"]["restarts"] == 1 and fleet.ps()["lab"]["state"] == "ready", "it is back")
    assert fleet.ps()["lab"]["last_exit"] == "its worker got SIGTERM from somebody"
    assert fleet.pid("other") == other


def test_during_start_and_stop(make_fleet):
    fleet = make_fleet(HEAD + instance("lab", "auto") + instance("other", "auto")).start()
    other = fleet.pid("other")
    for number in (signal.SIGUSR1, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGTERM, signal.SIGQUIT):
        before = wait_until(lambda: ready_pid(fleet, "lab"), "it is ready")
        fleet.cli("restart", "lab", "--no-wait")
        send(before, number, number)  # it is stopping
        until = time.monotonic() + 5
        while time.monotonic() < until:
            pid = fleet.ps()["lab"]["pid"]
            if pid not in (None, before):
                send(pid, number, number)  # it is starting, or has just started
                break
    wait_until(lambda: answers(fleet, "lab"), "it is there in the end")
    assert fleet.pid("other") == other and fleet.ps()["other"]["restarts"] == 0
