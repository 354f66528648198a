import os
import resource
from contextlib import ExitStack

import pytest

from fleet import SHOAL, Fleet

FOUR = """
[instances.plant-a]
listeners = ["mqtt://127.0.0.1:auto"]
auth = { users_file = "plant-a.users" }
persistence = "none"

[instances.plant-b]
listeners = ["mqtt://127.0.0.1:auto"]
auth = { users_file = "plant-b.users" }
persistence = "none"

[instances.lab]
worker = "small"
listeners = ["mqtt://127.0.0.1:auto"]
auth = { anonymous = true }
persistence = "none"

[instances.lab2]
worker = "small"
listeners = ["mqtt://127.0.0.1:auto"]
auth = { anonymous = true }
persistence = "none"
"""


def pytest_configure(config):
    config.addinivalue_line("markers", "smoke: the shortest way through everything")
    config.addinivalue_line("markers", "soak: loads the machine for long; release build (make soak)")
    config.addinivalue_line("markers", "release: says something only about the release build")
    config.addinivalue_line("markers", "covers(v5, v311): ids of the statements shown; see tests/conformance/README.md")
    config.addinivalue_line("markers", "large: says something more about the release build")
    config.addinivalue_line("markers", "alone: loads the machine or looks at how it is loaded: not beside others")
    config.addinivalue_line("markers", "hostile: attacks by clients; make soak makes them on the dev build too")
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def pytest_runtest_setup(item):
    for mark in item.iter_markers("covers"):
        for version, ids in zip(("5.0", "3.1.1"), (*mark.args, mark.kwargs.get("v311", ""))):
            item.user_properties.append((f"covers {version}", ids))


def pytest_sessionstart(session):
    if not os.access(SHOAL, os.X_OK):
        pytest.exit(f"{SHOAL} is not built", returncode=1)


@pytest.fixture
def make_fleet(tmp_path):
    """Makes fleets, each in a folder of its own, and closes them."""
    with ExitStack() as fleets:
        def make(text="", name="home", **options):
            fleet = Fleet(tmp_path / name).write(text, **options)
            fleets.callback(fleet.close)
            return fleet

        yield make


def four(home):
    fleet = Fleet(home).write(FOUR)
    fleet.add_user("plant-a", "alice", "alice's secret")
    fleet.add_user("plant-b", "bob", "bob's secret")
    return fleet.start()


@pytest.fixture
def plants(tmp_path):
    """plant-a (alice) and plant-b (bob) in own workers, lab and lab2 (anonymous) in a shared one."""
    fleet = four(tmp_path / "plants")
    yield fleet
    fleet.close()


@pytest.fixture(scope="module")
def shared_plants(tmp_path_factory):
    """The same for a whole module, whose tests leave it as they found it."""
    fleet = four(tmp_path_factory.mktemp("module") / "plants")
    yield fleet
    fleet.close()
