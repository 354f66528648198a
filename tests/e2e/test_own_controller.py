"""The example of a program of one's own: two brokers in one process, from two files."""

import os
import signal
import subprocess

import pytest

from clients import V5, Paho, Refused
from fleet import BUILD, SHOAL

OWN_CONTROLLER = os.path.join(BUILD, "examples", "own_controller")
USERS = {"one": ("alice", "a"), "two": ("bob", "b")}


@pytest.fixture
def ports(tmp_path):
    """name -> port of the running example; at the end it must leave cleanly (leaks are an exit code)."""
    (tmp_path / "shoal.toml").write_text("".join(
        f'[instances.{name}]\nlisteners = ["mqtt://127.0.0.1:auto"]\nauth = {{ users_file = "{name}.users" }}\n'
        for name in USERS))
    for name, (user, password) in USERS.items():
        subprocess.run([SHOAL, "users", "add", name, user, "--password-stdin", "-c", tmp_path / "shoal.toml"],
                       input=password, text=True, check=True, capture_output=True)
        (tmp_path / f"{name}.conf").write_text(
            f"name = {name}\nlisten = mqtt://127.0.0.1:0\nusers_file = {name}.users  # its own\n")
    process = subprocess.Popen([OWN_CONTROLLER, tmp_path / "one.conf", tmp_path / "two.conf"],
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        lines = [process.stdout.readline().split() for _ in USERS]
        yield {line[0]: int(line[3]) for line in lines}
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=30)
        assert (process.returncode, err) == (0, "")
        assert "one: " in out and "two: " in out
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def test_ports_users_topics_and_client_ids_are_apart(ports):
    def client(name, version=V5):
        user, password = USERS[name]
        return Paho(ports[name], "twin", version=version, user=user, password=password)

    with client("one") as one, client("two") as two:
        for c in (one, two):
            c.subscribe("#", 2)
        one.publish("t/x", "one", 2)
        two.publish("t/x", "two", 2)
        assert [m.payload for m in one.fence("t/fence")] == [b"one", b"one"]  # its greeting and its message
        assert [m.payload for m in two.fence("t/fence")] == [b"two", b"two"]
        assert one.disconnects == [] and two.disconnects == []
    with pytest.raises(Refused):
        Paho(ports["one"], user="bob", password="b")


def test_a_bad_file_is_named(tmp_path):
    (tmp_path / "bad.conf").write_text("name = x\nlisten\n")
    run = subprocess.run([OWN_CONTROLLER, tmp_path / "bad.conf", tmp_path / "bad.conf"], capture_output=True, text=True)
    assert run.returncode == 1
    assert f"{tmp_path}/bad.conf:2: expected" in run.stderr
