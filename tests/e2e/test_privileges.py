"""A controller that root starts becomes `fleet.user`; what it may do then, and what workers may."""

import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
from pathlib import Path

import pytest

from clients import Paho
from fleet import SHOAL, Fleet, wait_until
from test_apply import HEAD, instance

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
NOBODY = 65534
OPEN = '[defaults]\nauth = { anonymous = true }\n'
BIND = 1 << 10  # CAP_NET_BIND_SERVICE
UNPRIVILEGED_FROM = int(Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text())


def low_port():
    while True:
        port = random.randrange(200, 1000)
        with socket.socket() as s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                s.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue


@pytest.fixture
def fleet():
    """In a folder that everybody can reach, with `user = "nobody"`."""
    home = Path(tempfile.mkdtemp(prefix="shoal-"))
    home.chmod(0o755)
    made = Fleet(home)
    yield made
    try:
        made.close()
    finally:
        shutil.rmtree(home, ignore_errors=True)


def write(fleet, text, user="nobody"):
    fleet.write(f'user = "{user}"\n' + text)


def run_refused(fleet, *launcher):
    done = subprocess.run([*launcher, SHOAL, "run"], env=fleet.env, cwd=fleet.home, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and not fleet.processes(), done.stderr
    return done.stderr


def status(pid):
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {key: value.strip() for key, _, value in (line.partition(":") for line in lines)}


def capabilities(pid):
    """Permitted, and what goes on to what it executes."""
    now = status(pid)
    return int(now["CapPrm"], 16), int(now["CapInh"], 16) | int(now["CapAmb"], 16)


def check_rights(fleet, *names):
    controller = fleet.process.pid
    assert status(controller)["Uid"].split() == [str(NOBODY)] * 4 and set(status(controller)["Groups"].split()) <= {"65534"}
    assert capabilities(controller) == (BIND, 0)
    for name in names:
        pid = fleet.pid(name)
        assert status(pid)["Uid"].split() == [str(NOBODY)] * 4
        assert capabilities(pid) == (0, 0) and status(pid)["NoNewPrivs"] == "1"


def test_it_drops_to_the_user_and_binds_low_ports_all_the_same(fleet):
    first, second, third = low_port(), low_port(), low_port()
    durable = {"persistence": "crash_safe"}
    write(fleet, HEAD + instance("low", first, **durable))
    fleet.start()
    check_rights(fleet, "low")
    for path in ("state", "state/low", "state/low/store", "log", "log/low.log", "log/controller.log", "run"):
        assert (fleet.home / path).stat().st_uid == NOBODY, path
    Paho(first, "x").close()

    write(fleet, HEAD + instance("low", first, **durable) + instance("later", second))
    fleet.cli("apply")
    Paho(second, "x").close()
    check_rights(fleet, "low", "later")

    # Executed again it has the same rights, and nobody else has got any.
    pids = fleet.pid("low"), fleet.pid("later")
    fleet.process.send_signal(signal.SIGUSR2)
    wait_until(lambda: fleet.log("controller").count("controller started") == 2 and fleet.ps(), "executed again")
    write(fleet, HEAD + instance("low", first, **durable) + instance("later", second) + instance("last", third))
    fleet.cli("apply")
    Paho(third, "x").close()
    check_rights(fleet, "low", "later", "last")
    assert pids == (fleet.pid("low"), fleet.pid("later"))
    os.kill(pids[0], signal.SIGKILL)
    wait_until(lambda: fleet.ps()["low"]["restarts"] == 1 and fleet.ps()["low"]["state"] == "ready", "it is back")
    Paho(first, "x").close()
    check_rights(fleet, "low")


def test_up_in_the_background_gives_the_user_what_it_makes(fleet):
    write(fleet, OPEN + instance("lab", "auto"))
    fleet.cli("up", "-d")
    try:
        assert status(fleet.pid("lab"))["Uid"].split() == [str(NOBODY)] * 4
        assert (fleet.home / "log/controller.log").stat().st_uid == NOBODY
        # Who only looks, and comes before the next controller, makes nothing that is in its way.
        fleet.cli("ps")
        fleet.cli("down")
        fleet.cli("ps", code=3)
        fleet.cli("up", "-d")
        Paho(fleet.port("lab"), "x").close()
    finally:
        fleet.cli("down", code=None)


def test_what_the_user_cannot_use_is_said_before_anything_starts(fleet):
    write(fleet, HEAD + instance("lab", "auto"))
    (fleet.home / "state").mkdir(mode=0o755)
    said = run_refused(fleet)
    assert "shoal.toml:3:8: fleet.user: the folder" in said and f"chown -R nobody: {fleet.home}/state" in said, said
    shutil.rmtree(fleet.home / "state")
    (fleet.home / "log").mkdir(exist_ok=True)
    os.chown(fleet.home / "log", NOBODY, NOBODY)
    (fleet.home / "log/lab.log").touch(mode=0o600)
    said = run_refused(fleet)
    assert "the log of instance lab" in said and "cannot be written by nobody" in said, said
    fleet.config.chmod(0o600)
    said = run_refused(fleet)
    assert "the configuration" in said and "cannot be read by nobody" in said, said


def test_users_that_cannot_be_become(fleet):
    write(fleet, HEAD + instance("lab", "auto"), "no-such-user")
    assert "there is no user no-such-user; `useradd --system no-such-user` makes one" in run_refused(fleet)
    write(fleet, HEAD + instance("lab", "auto"), "nobody:no-such-group")
    assert "there is no group no-such-group" in run_refused(fleet)
    write(fleet, HEAD + instance("lab", "auto"))
    somebody = ["setpriv", "--reuid=54321", "--regid=54321", "--clear-groups"]
    assert "only root can become nobody; start it as root or as nobody" in run_refused(fleet, *somebody)
    # That very user may.
    fleet.launcher = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
    os.chown(fleet.home, NOBODY, NOBODY)
    fleet.start()
    Paho(fleet.port("lab"), "x").close()


def test_low_ports_without_rights_say_what_to_do(fleet):
    port = low_port()
    fleet.write(HEAD + instance("low", port))
    os.chown(fleet.home, NOBODY, NOBODY)
    somebody = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
    if port >= UNPRIVILEGED_FROM:
        pytest.skip("every user may bind these ports here")
    said = run_refused(fleet, *somebody)
    assert f"port {port} needs CAP_NET_BIND_SERVICE" in said, said
    assert f"setcap cap_net_bind_service=ep {SHOAL}" in said and f"ip_unprivileged_port_start={port}" in said


def test_without_a_user_root_is_warned_in_the_log(fleet):
    fleet.write(HEAD + instance("lab", "auto"))
    fleet.start()
    assert "it runs as root" in fleet.log("controller")
    assert status(fleet.process.pid)["Uid"].split() == ["0"] * 4
