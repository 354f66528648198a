"""The unit file is one that systemd takes."""

import os
import shutil
import socket
import subprocess
from pathlib import Path

from fleet import BUILD
from test_apply import HEAD, instance

UNIT = Path(__file__).resolve().parents[2] / "packaging/systemd/shoal.service"


def test_systemd_takes_the_unit(tmp_path):
    analyze = shutil.which("systemd-analyze")
    assert analyze, "tools/install-deps check installs it"
    # As it is, but for the place of the program, which is not installed here.
    text = UNIT.read_text()
    assert "ExecStart=/usr/bin/shoal run" in text
    unit = tmp_path / "shoal.service"
    unit.write_text(text.replace("/usr/bin/shoal", str(BUILD / "shoal")))
    done = subprocess.run([analyze, "verify", "--man=no", str(unit)], capture_output=True, text=True,
                          env={**os.environ, "SYSTEMD_UNIT_PATH": f"{tmp_path}:"}, timeout=60)
    about_it = [line for line in (done.stdout + done.stderr).splitlines() if "shoal" in line]
    assert done.returncode == 0 and not about_it, done.stdout + done.stderr


def test_the_watchdog_hears_from_the_controller(make_fleet, tmp_path):
    address = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(address)
        manager.settimeout(20)
        fleet = make_fleet(HEAD + instance("a", "auto"))
        fleet.env |= {"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "200000"}
        fleet.start()
        heard = [manager.recv(4096).decode() for _ in range(6)]
        assert heard.count("READY=1") == 1 and heard.count("WATCHDOG=1") >= 4, heard
