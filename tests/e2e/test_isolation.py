"""What one instance has, no other one sees: client ids, topics, retained messages, sessions, users."""

import itertools

import pytest

from clients import V5, V311, Paho, Refused, mosquitto_pub

pytestmark = pytest.mark.alone

LOGINS = {"plant-a": {"user": "alice", "password": "alice's secret"},
          "plant-b": {"user": "bob", "password": "bob's secret"}, "lab": {}, "lab2": {}}
# Two workers; one worker.
PAIRS = [("plant-a", "plant-b"), ("plant-a", "lab"), ("lab", "lab2")]


@pytest.fixture
def fleet(shared_plants):
    return shared_plants


def client(fleet, name, client_id="", **options):
    return Paho(fleet.port(name), client_id, **LOGINS[name], **options)


@pytest.mark.parametrize("version", [V311, V5])
@pytest.mark.parametrize("one, other", PAIRS)
def test_the_same_client_id_lives_on_both(fleet, one, other, version):
    with client(fleet, one, "twin", version=version) as a, client(fleet, other, "twin", version=version) as b:
        assert a.fence() == [] and b.fence() == [] and a.fence() == []
        assert a.disconnects == [] and b.disconnects == []
        with client(fleet, one, "twin", version=version) as again:  # a take-over stays inside
            again.fence()
            assert b.fence() == [] and b.disconnects == []


@pytest.mark.parametrize("qos", [0, 1, 2])
@pytest.mark.parametrize("one, other", PAIRS)
def test_messages_stay_inside(fleet, one, other, qos):
    with client(fleet, one) as a, client(fleet, other) as b:
        for c in (a, b):
            c.subscribe("#", qos)
        a.publish("t/x", one, qos)
        b.publish("t/x", other, qos)
        assert [m.payload.decode() for m in a.fence("t/fence")] == [one]
        assert [m.payload.decode() for m in b.fence("t/fence")] == [other]


@pytest.mark.parametrize("one, other", PAIRS)
def test_retained_messages_stay_inside(fleet, one, other):
    with client(fleet, one) as a, client(fleet, other) as b:
        a.publish("kept/only-here", one, 1, retain=True)
        a.publish("kept/both", one, 1, retain=True)
        b.publish("kept/both", other, 1, retain=True)
        a.subscribe("kept/#", 1)
        b.subscribe("kept/#", 1)
        assert {(m.topic, m.payload.decode()) for m in a.fence()} == {("kept/only-here", one), ("kept/both", one)}
        assert {(m.topic, m.payload.decode()) for m in b.fence()} == {("kept/both", other)}
        for c, topic in itertools.product((a, b), ("kept/only-here", "kept/both")):
            c.publish(topic, b"", 1, retain=True)


@pytest.mark.parametrize("one, other", PAIRS)
def test_sessions_stay_inside(fleet, one, other):
    client(fleet, one, "keeper", clean=False).close()
    with client(fleet, other, "keeper", clean=False) as b:
        assert not b.session_present
    with client(fleet, one, "keeper", clean=False) as a:
        assert a.session_present
    for name in (one, other):
        client(fleet, name, "keeper", clean=True).close()


def test_users_stay_inside(fleet):
    a, b = fleet.port("plant-a"), fleet.port("plant-b")
    for version, code in ((V311, 5), (V5, 0x87)):
        for port, login in ((a, LOGINS["plant-b"]), (b, LOGINS["plant-a"]),
                            (a, {"user": "alice", "password": "bob's secret"}), (a, {})):
            with pytest.raises(Refused) as refused:
                Paho(port, version=version, **login)
            assert refused.value.args[0] in (code, 4 if version == V311 else 0x86)
    assert mosquitto_pub(a, "t", "x", "-u", "bob", "-P", "bob's secret")[0] != 0
