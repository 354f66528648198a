"""Whose a port is."""

import json
import os
import socket

from fleet import free_port
from test_apply import HEAD, instance


def ports(fleet):
    return {one["instance"]: one for one in json.loads(fleet.cli("ports", "--json").stdout)}


def test_every_port_has_an_owner_also_while_nothing_runs(make_fleet):
    port = free_port()
    fleet = make_fleet(HEAD + instance("a", "auto") + instance("b", port) + instance("c", "auto") + instance("d", 40123,
                                                                                                          enabled=False))
    assert ports(fleet)["a"]["port"] == 0 and ports(fleet)["b"]["port"] == port
    fleet.spawn().wait_ready("a", "b", "c")
    now = ports(fleet)
    first, last = map(int, open("/proc/sys/net/ipv4/ip_local_port_range").read().split())
    assert now["a"]["port"] == fleet.port("a") and now["a"]["state"] == "ready" and now["a"]["from"] == "auto"
    assert "shoal.toml:" in now["b"]["from"]
    if first <= 40123 <= last:
        assert "outgoing" in now["d"]["note"]
    fleet.cli("stop", "c")
    mine = now["c"]["port"]
    with socket.create_server(("127.0.0.1", mine)):
        assert f"pid {os.getpid()}" in ports(fleet)["c"]["note"]
    fleet.stop()
    later = ports(fleet)
    assert later["c"]["port"] == mine and later["a"]["state"] == "-"


def test_a_second_controller_says_who_has_the_home(make_fleet):
    fleet = make_fleet(HEAD + instance("a", "auto")).start()
    refused = fleet.cli("run", code=1)
    assert f"{fleet.process.pid}" in refused.stderr
    fleet.cli("up", "-d", code=5)
    assert fleet.ps()["a"]["state"] == "ready"


def test_status_of_what_failed_has_its_last_lines(make_fleet):
    fleet = make_fleet(HEAD.replace('persistence = "none"', 'persistence = "crash_safe"') + instance("a", "auto"))
    (fleet.home / "state/a").mkdir(parents=True)
    (fleet.home / "state/a/store").write_text("no folder")
    fleet.spawn()
    import fleet as f
    f.wait_until(lambda: fleet.ps().get("a", {}).get("restarts", 0) > 1, "it tries")
    shown = fleet.cli("status", "a").stdout
    assert "store" in shown and "last exit" in shown
