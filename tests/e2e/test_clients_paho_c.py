"""Paho C, synchronous and asynchronous: the scenarios of tests/paho_c."""

import os
import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest

from fleet import BUILD, Fleet

PROGRAMS = {kind: BUILD / f"tests/paho_c/paho_c_{kind}" for kind in ("sync", "async")}
VERSIONS = {"v311": "4", "v5": "5"}
BUILT = all(os.access(program, os.X_OK) for program in PROGRAMS.values())
pytestmark = pytest.mark.skipif(not BUILT, reason="tests/paho_c is not built: libpaho-mqtt-dev, development build")

INSTANCES = """
[instances.{kind}-{version}]
listeners = ["mqtt://127.0.0.1:auto"]
auth = {{ anonymous = true }}
persistence = "none"
worker = "{worker}"
"""
LOCKED = """
[instances.locked]
listeners = ["mqtt://127.0.0.1:auto"]
auth = { users_file = "locked.users" }
persistence = "none"
"""


def scenarios():
    """(kind, version, name) of each."""
    if not BUILT:
        return []
    return [(kind, version, name) for kind, program in PROGRAMS.items() for version, number in VERSIONS.items()
            for name in subprocess.run([program, number], capture_output=True, text=True, check=True).stdout.split()]


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """What became of each scenario. They run side by side, since the libraries wait for themselves often."""
    fleet = Fleet(tmp_path_factory.mktemp("module") / "home").write(LOCKED + "".join(
        INSTANCES.format(kind=kind, version=version, worker="own" if version == "v5" else "small")
        for kind in PROGRAMS for version in VERSIONS))
    fleet.add_user("locked", "alice", "alice's secret")
    fleet.start()
    # What the libraries leak at their end is their own affair.
    env = {**os.environ, "ASAN_OPTIONS": "detect_leaks=0"}

    def run(kind, version, name):
        port = ports["locked" if name == "password" else f"{kind}-{version}"]
        return subprocess.run([PROGRAMS[kind], str(port), VERSIONS[version], name], capture_output=True, text=True,
                              timeout=60, env=env)

    ports = {name: int(instance["listeners"][0].rsplit(":", 1)[1]) for name, instance in fleet.ps().items()}
    with ThreadPoolExecutor(8) as pool:
        yield {case: pool.submit(run, *case) for case in scenarios()}
    fleet.close()


@pytest.mark.parametrize("kind, version, name", scenarios())
def test_paho_c(results, kind, version, name):
    done = results[kind, version, name].result()
    assert done.returncode == 0, done.stderr[-3000:]
