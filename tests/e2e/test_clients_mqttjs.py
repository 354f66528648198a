"""mqtt.js: the checks of mqttjs_checks.mjs."""

import pytest

from clients import mqttjs

BOTH = ["order", "retained", "will", "session", "big", "topics", "takeOver", "password"]
ONLY_V5 = ["properties", "request", "messageExpiry", "sessionExpiry", "subscriptionOptions", "subscriptionIds", "aliases",
           "aliasesFromTheBroker", "limits", "codes", "shared"]


@pytest.fixture(scope="module")
def reports(shared_plants):
    """What was wrong, by version and check."""
    ports = {name: shared_plants.port(name) for name in ("lab", "lab2", "plant-a")}
    return {version: mqttjs("checks", ports[name], locked=ports["plant-a"], version=version)
            for version, name in ((4, "lab"), (5, "lab2"))}


def test_every_check_is_here(reports):
    assert set(reports[4]) == set(BOTH) and set(reports[5]) == {*BOTH, *ONLY_V5}


@pytest.mark.parametrize("version, name", [(4, name) for name in BOTH] + [(5, name) for name in BOTH + ONLY_V5])
def test_mqttjs(reports, version, name):
    assert reports[version][name] is None, reports[version][name]
