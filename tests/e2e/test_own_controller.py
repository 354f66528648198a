"""Two brokers inside one program that is not ours: examples/own_controller."""

import signal
import subprocess

import pytest

from clients import V5, V311, Paho, Refused
from fleet import BUILD

A = {"user": "alice", "password": "alice's secret"}
B = {"user": "bob", "password": "bob's secret"}
FLEET = """[instances.a]
listeners = ["mqtt://127.0.0.1:auto"]
auth = { users_file = "a.users" }
[instances.b]
listeners = ["mqtt://127.0.0.1:auto"]
auth = { users_file = "b.users" }
"""


@pytest.fixture
def ports(make_fleet):
    """Ports of the two, while the program runs; it ends cleanly and leaks nothing."""
    fleet = make_fleet(FLEET)  # never started: only for `shoal users`
    fleet.add_user("a", *A.values())
    fleet.add_user("b", *B.values())
    for name in "ab":
        (fleet.home / f"{name}.conf").write_text(
            f"name = {name}\nlisten = mqtt://127.0.0.1:0\nusers_file = {name}.users\nlog_file = {name}.log\n")
    process = subprocess.Popen([BUILD / "examples/own_controller", "a.conf", "b.conf"], cwd=fleet.home, env=fleet.env,
                               stdout=subprocess.PIPE, text=True)
    try:
        lines = [process.stdout.readline().split() for _ in range(2)]
        assert [line[0] for line in lines] == ["a", "b"]
        yield [int(line[-1]) for line in lines]
    finally:
        process.send_signal(signal.SIGTERM)
        rest, _ = process.communicate(timeout=20)
    assert process.returncode == 0 and "a: " in rest and "b: " in rest


@pytest.mark.parametrize("version", [V311, V5])
def test_two_brokers_in_one_process_share_nothing(ports, version):
    with Paho(ports[0], "twin", version, **A) as a, Paho(ports[1], "twin", version, **B) as b:
        a.publish("kept/a", "a", 1, retain=True)
        b.publish("kept/b", "b", 1, retain=True)
        for c, name in ((a, b"a"), (b, b"b")):
            c.subscribe("#", 2)
            assert {m.payload for m in c.get(2)} == {name}  # its greeting and what it kept
        for qos in range(3):
            a.publish(f"t/{qos}", "a", qos)
            b.publish(f"t/{qos}", "b", qos)
        for c, name in ((a, b"a"), (b, b"b")):
            assert [(m.topic, m.payload) for m in c.get(3)] == [(f"t/{qos}", name) for qos in range(3)]
            assert c.fence() == [] and c.disconnects == []
    for port, login in ((ports[0], B), (ports[1], A)):
        with pytest.raises(Refused):
            Paho(port, version=version, **login)


def test_a_file_that_is_wrong_is_named(make_fleet):
    home = make_fleet().home
    (home / "a.conf").write_text("name = a\nport = 1\n")
    done = subprocess.run([BUILD / "examples/own_controller", "a.conf", "a.conf"], cwd=home, capture_output=True,
                          text=True, timeout=20)
    assert done.returncode == 1 and "a.conf:2:" in done.stderr
