"""The unit file is one that systemd takes."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from fleet import BUILD

UNIT = Path(__file__).resolve().parents[2] / "packaging/systemd/shoal.service"


def test_systemd_takes_the_unit(tmp_path):
    analyze = shutil.which("systemd-analyze")
    if not analyze:
        pytest.skip("needs systemd-analyze")
    # As it is, but for the place of the program, which is not installed here.
    text = UNIT.read_text()
    assert "ExecStart=/usr/bin/shoal run" in text
    unit = tmp_path / "shoal.service"
    unit.write_text(text.replace("/usr/bin/shoal", str(BUILD / "shoal")))
    done = subprocess.run([analyze, "verify", "--man=no", str(unit)], capture_output=True, text=True,
                          env={**os.environ, "SYSTEMD_UNIT_PATH": f"{tmp_path}:"}, timeout=60)
    about_it = [line for line in (done.stdout + done.stderr).splitlines() if "shoal" in line]
    assert done.returncode == 0 and not about_it, done.stdout + done.stderr
