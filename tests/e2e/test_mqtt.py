"""MQTT with the clients people use, on a worker of its own and on a shared one."""

import re
import socket
import struct
from contextlib import ExitStack

import pytest

from clients import V5, V311, MosquittoSub, Paho, mosquitto_pub, mqttjs
from fleet import wait_until
from wire import DISCONNECT, PUBACK, PUBLISH, SUBSCRIBE, Wire, connect_packet, packet, text

ALICE = {"user": "alice", "password": "alice's secret"}
PLACES = {"plant-a": ALICE, "lab": {}}
BOTH = pytest.mark.parametrize("version", [V311, V5], ids=["v311", "v5"])
EVERY_QOS = pytest.mark.parametrize("qos", [0, 1, 2])


@pytest.fixture(params=PLACES)
def place(request, shared_plants):
    """(port, login) of an instance."""
    return shared_plants.port(request.param), PLACES[request.param]


@pytest.fixture
def lab(shared_plants):
    return shared_plants.port("lab")


@pytest.mark.covers("MQTT-4.2.0-1 MQTT-4.6.0-5 MQTT-4.6.0-6", v311="MQTT-4.6.0-5 MQTT-4.6.0-6 MQTT-7.1.1-1")
@BOTH
@EVERY_QOS
def test_paho_gets_every_message_once_and_in_order(place, version, qos):
    port, login = place
    with Paho(port, version=version, **login) as sub, Paho(port, version=version, **login) as pub:
        assert sub.subscribe("order/+/t", qos) == qos
        sent = [(f"order/{i % 3}/t", f"{i}") for i in range(300)]
        infos = [pub.client.publish(topic, payload, qos) for topic, payload in sent]
        for info in infos:
            info.wait_for_publish(20)
        got = sub.get(len(sent))
        assert [(m.topic, m.payload.decode()) for m in got] == sent
        assert all(m.qos == qos and not m.retain for m in got)
        assert sub.fence() == []


@BOTH
@EVERY_QOS
def test_a_big_payload_arrives_whole(lab, version, qos):
    payload = bytes(range(256)) * 3900  # just below the default packet size limit of 1 MiB
    with Paho(lab, version=version) as sub, Paho(lab, version=version) as pub:
        sub.subscribe("big", qos)
        for _ in range(3):
            pub.publish("big", payload, qos)
        assert [m.payload == payload for m in sub.get(3)] == [True] * 3


@pytest.mark.covers("MQTT-3.2.2-15")
@BOTH
def test_a_packet_above_the_limit_ends_the_connection(lab, version):
    with Wire(lab) as c:
        c.connect("huge", version)
        c.publish("big", b"x" * (1 << 20))
        last = c.recv()
        assert last is None or (version == V5 and last[0] == 14 and last[2][0] == 0x95)
        assert last is None or c.recv() is None


@pytest.mark.covers("MQTT-3.3.1-5 MQTT-3.3.1-6 MQTT-3.3.1-12",
                    v311="MQTT-3.3.1-5 MQTT-3.3.1-6 MQTT-3.3.1-7 MQTT-3.3.1-8 MQTT-3.3.1-9 MQTT-3.3.1-10 MQTT-3.3.1-11")
@BOTH
@EVERY_QOS
def test_retained(lab, version, qos):
    with Paho(lab, version=version) as pub:
        pub.publish("kept/1", "old", qos, retain=True)
        pub.publish("kept/1", "new", qos, retain=True)
        pub.publish("kept/2", "two", qos, retain=True)
        pub.fence()
        with Paho(lab, version=version) as sub:
            sub.subscribe("kept/+", qos)
            assert sorted(sub.get(2)) == [("kept/1", b"new", qos, True), ("kept/2", b"two", qos, True)]
            pub.publish("kept/1", "live", qos, retain=True)
            assert sub.get() == ("kept/1", b"live", qos, False)
        for topic in ("kept/1", "kept/2"):
            pub.publish(topic, b"", qos, retain=True)
        pub.fence()
        with Paho(lab, version=version) as sub:
            sub.subscribe("kept/+", qos)
            assert sub.fence() == []


SLOW = """
    [instances.slow]
    auth = { anonymous = true }
    listeners = ["mqtt://127.0.0.1:auto"]
    limits = { client_messages_per_second = 20 }
    """


@pytest.mark.covers("MQTT-3.1.2-8 MQTT-3.14.4-3", v311="MQTT-3.1.2-8 MQTT-3.14.4-3")
@BOTH
def test_a_will_is_published_when_the_client_vanishes_and_only_then(lab, version):
    with Paho(lab, version=version) as watcher:
        watcher.subscribe("will/#", 1)
        Paho(lab, version=version, will=("will/polite", "never", 1, False)).close()
        Paho(lab, version=version, will=("will/gone", "gone", 1, False)).vanish()
        assert watcher.get() == ("will/gone", b"gone", 1, False)
        assert watcher.fence() == []


@pytest.mark.covers("MQTT-3.1.2-15", v311="MQTT-3.1.2-17")
@BOTH
def test_a_retained_will_is_kept(lab, version):
    Paho(lab, version=version, will=("will/kept", "gone", 1, True)).vanish()
    with Paho(lab, version=version) as later:
        later.subscribe("will/kept", 1)
        message = later.get()
        assert (message.topic, message.payload) == ("will/kept", b"gone")
        later.publish("will/kept", b"", 1, retain=True)


@pytest.mark.covers("MQTT-3.1.2-23 MQTT-3.2.2-3", v311="MQTT-3.1.2-4 MQTT-3.1.2-5")
@BOTH
@EVERY_QOS
def test_a_persistent_session_keeps_what_arrives_while_away(lab, version, qos):
    keep = {"version": version, "clean": False, "expiry_s": 600}
    with Paho(lab, "sleeper", **keep) as c:
        assert not c.session_present
        c.subscribe("away/#", 2)
    with Paho(lab, version=version) as pub:
        for i in range(50):
            pub.publish("away/t", f"{i}", qos)
        pub.fence()
    with Paho(lab, "sleeper", **keep) as c:
        assert c.session_present
        if qos:
            assert [int(m.payload) for m in c.get(50)] == list(range(50))
        assert c.fence("fence/sleeper") == []
    with Paho(lab, "sleeper", version=version, clean=True) as c:
        assert not c.session_present


@pytest.mark.covers("MQTT-3.1.2-22 MQTT-3.12.4-1", v311="MQTT-3.1.2-24 MQTT-3.12.4-1")
@BOTH
def test_keep_alive_is_enforced_and_pings_keep_a_client(lab, version):
    with Paho(lab, version=version, keep_alive=1) as pinging, Wire(lab) as silent:
        silent.connect("silent", version, keep_alive=1)
        last = silent.recv()  # blocks until the broker ends it
        assert last is None or (last[0] == 14 and last[2][0] == 0x8D)
        pinging.fence()
        assert pinging.disconnects == []


@pytest.mark.covers("MQTT-3.10.4-2", v311="MQTT-3.10.4-2")
@BOTH
def test_unsubscribe_ends_delivery(lab, version):
    with Paho(lab, version=version) as c:
        c.subscribe("u/1", 1)
        c.subscribe("u/2", 1)
        done = []
        c.client.on_unsubscribe = lambda *args: done.append(args)
        c.client.unsubscribe("u/1")
        wait_until(lambda: done, "UNSUBACK")
        c.publish("u/1", "no", 1)
        c.publish("u/2", "yes", 1)
        assert [m.topic for m in c.fence()] == ["u/2"]


@pytest.mark.covers("MQTT-3.1.4-3", v311="MQTT-3.1.4-2")
@BOTH
def test_a_second_connection_takes_the_client_id_over(lab, version):
    with Wire(lab) as first, Wire(lab) as second:
        first.connect("same", version)
        second.connect("same", version)
        last = first.recv()
        assert last is None or (version == V5 and last[0] == 14 and last[2][0] == 0x8E)
        assert second.ping() == []


@pytest.mark.covers("", v311="MQTT-7.0.0-2")
@pytest.mark.parametrize("version", ["mqttv311", "mqttv5"])
@EVERY_QOS
def test_mosquitto_clients(place, version, qos):
    port, login = place
    options = ["-V", version, "-q", qos]
    if login:
        options += ["-u", login["user"], "-P", login["password"]]
    assert mosquitto_pub(port, "m/kept", "kept", "-r", *options) == (0, "")
    with MosquittoSub(port, "m/#", *options) as sub:
        assert sub.lines(1) == ["m/kept kept"]
        for i in range(5):
            assert mosquitto_pub(port, f"m/{i}", f"message {i}", *options) == (0, "")
        assert sub.lines(5) == [f"m/{i} message {i}" for i in range(5)]
    assert mosquitto_pub(port, "m/kept", "", "-r", *options) == (0, "")


@pytest.mark.parametrize("version", [4, 5])
@EVERY_QOS
def test_mqttjs(place, version, qos):
    port, login = place
    how = {"version": version, "qos": qos, **login}
    report = mqttjs("roundtrip", port, **how)
    assert report["granted"] == qos
    assert [(m["topic"], m["text"]) for m in report["messages"][:60]] == [(f"js/{i}/t", f"m{i}") for i in range(60)]
    assert report["messages"][60]["size"] == 300_000
    kept = mqttjs("retained", port, **how)
    assert (kept["text"], kept["retain"], kept["qos"]) == ("kept", True, qos)
    will = mqttjs("will", port, **how)
    assert (will["topic"], will["text"], will["qos"]) == ("js/will", "gone", qos)


@pytest.mark.parametrize("version", [4, 5])
def test_mqttjs_sessions_and_keep_alive(lab, version):
    assert mqttjs("session", lab, version=version) == {
        "present": True,
        "message": {"topic": "js/session", "size": 10, "text": "while away", "qos": 1, "retain": False}}
    assert mqttjs("keep_alive", lab, version=version) == {"stayed": True}


def test_clients_of_both_versions_meet(lab):
    with Paho(lab, version=V311) as old, Paho(lab, version=V5) as new:
        for c in (old, new):
            c.subscribe("mixed/#", 2)
        old.publish("mixed/1", "from 3.1.1", 2)
        new.publish("mixed/2", "from 5.0", 1)
        for c in (old, new):
            # At QoS 2 paho has it when the flow is over, which may be after the other one came.
            assert sorted((m.topic, m.qos) for m in c.get(2)) == [("mixed/1", 2), ("mixed/2", 1)]


GARBAGE = {
    "the first byte of something else": b"G",
    "not MQTT": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    "PUBLISH before CONNECT": bytes.fromhex("30050001747879"),
    "bad protocol name": bytes.fromhex("100c00044d515458040200000000"),
    "remaining length of five bytes": bytes.fromhex("10ffffffffff01"),
    "reserved flag in CONNECT": bytes.fromhex("100c00044d5154540403003c0000"),
    "type 0": bytes.fromhex("0000"),
}


@pytest.mark.covers("", v311="MQTT-4.8.0-1")
@pytest.mark.parametrize("name", GARBAGE)
def test_garbage_ends_that_connection_only(lab, name):
    with Wire(lab) as neighbour, Wire(lab, timeout=5) as bad:  # sooner than the time to CONNECT
        neighbour.connect("neighbour")
        bad.send(GARBAGE[name])
        while (last := bad.recv()) is not None:
            assert last[0] == 2 and last[2][1] != 0  # a refusing CONNACK at most
        assert neighbour.ping() == []


@pytest.mark.covers("MQTT-3.1.2-8 MQTT-3.14.4-3", v311="MQTT-3.1.2-10 MQTT-3.14.4-3")
@BOTH
def test_what_was_said_before_a_reset_counts_also_while_the_client_waits(make_fleet, version):
    """Its messages go out at the rate the instance allows; the DISCONNECT behind them keeps the will back."""
    fleet = make_fleet(SLOW).start()
    port = fleet.port("slow")
    with Wire(port) as watcher:
        watcher.connect("watcher", V311)
        watcher.subscribe("#")
        with Wire(port) as hasty:
            hasty.connect("hasty", version, will=("last", b"will", 0, False))
            properties = b"\0" if version == V5 else b""
            said = b"".join(packet(PUBLISH, 0, text("said") + properties + str(n).encode()) for n in range(30))
            hasty.send(said + packet(DISCONNECT, 0, b""))
            hasty.resets()
        for n in range(30):
            kind, flags, body = watcher.recv()
            assert (kind, body) == (3, b"\0\4said" + str(n).encode())
        wait_until(lambda: re.search("client disconnected.* client=hasty", fleet.log("slow")), "the end is logged")
        assert watcher.ping() == []


def test_a_flood_that_ends_in_a_reset_is_heard_in_order(make_fleet):
    """The client is slowed and gone before most of what it said is handled. Then more is delivered in one go than
    waits for the turn's end, so its own answers are flushed in the middle."""
    fleet = make_fleet("""
        [instances.flood]
        auth = { anonymous = true }
        listeners = ["mqtt://127.0.0.1:auto"]
        limits = { inflight = 1, queued_messages = 20 }
        """).start()
    port = fleet.port("flood")
    with ExitStack() as open_:
        for n in range(40):
            reader = open_.enter_context(Wire(port))
            reader.connect(f"reader-{n}")
            reader.subscribe("large")
        sluggard = open_.enter_context(Wire(port))
        sluggard.connect("sluggard")
        sluggard.subscribe("slow", 1)
        watcher = open_.enter_context(Wire(port))
        watcher.connect("watcher")
        watcher.subscribe("number")
        numbers = iter(range(1000))
        with Wire(port) as hasty:
            hasty.connect("hasty", will=("number", b"will", 0, False))
            for n in range(10):
                hasty.publish("slow", b"", 1, packet_id=1)
                assert hasty.recv()[0] == PUBACK
            said = packet(PUBLISH, 2, text("slow") + b"\0\1")
            for n in range(9):
                said += packet(PUBLISH, 2, text("large") + struct.pack("!H", n + 2) + bytes(12000))
                said += b"".join(packet(PUBLISH, 0, text("number") + str(next(numbers)).encode()) for _ in range(5))
            hasty.send(said + packet(DISCONNECT, 0, b""))
            assert hasty.recv()[0] == PUBACK
            hasty.resets()
        wait_until(lambda: re.search("client disconnected.* client=hasty", fleet.log("flood")), "the end is logged")
        got = [body[8:] for _, _, body in watcher.ping()]
        assert got == [str(n).encode() for n in range(next(numbers))]
        assert not re.search("violated the protocol.*client=hasty", fleet.log("flood"))


def test_a_reader_that_was_ended_for_its_input_and_then_resets_hurts_nobody(make_fleet):
    """It is closed because what it began to say takes memory that others need, while much waits for it to read."""
    fleet = make_fleet("""
        [instances.full]
        auth = { anonymous = true }
        listeners = ["mqtt://127.0.0.1:auto"]
        limits = { input_bytes_total = "2MiB" }
        """).start()
    port, pid = fleet.port("full"), fleet.pid("full")
    with ExitStack() as open_:
        begun = packet(PUBLISH, 0, text("large") + bytes(1000000))[:200000]
        reader = socket.socket()
        open_.callback(reader.close)
        reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        reader.connect(("127.0.0.1", port))
        subscription = struct.pack("!H", 1) + b"\0" + text("large") + b"\0"
        reader.sendall(connect_packet("reader", V5) + packet(SUBSCRIBE, 2, subscription))
        wait_until(lambda: "client=reader" in fleet.log("full"), "the reader is connected")
        writer = open_.enter_context(Wire(port))
        writer.connect("writer", V5)
        for n in range(12):
            writer.publish("large", bytes(500000), 1, packet_id=1 + n)
            assert writer.recv()[0] == PUBACK
        reader.sendall(begun)
        others = [open_.enter_context(Wire(port)) for _ in range(20)]
        for n, other in enumerate(others):
            other.connect(f"other-{n}", V5)
            other.send(begun)
        wait_until(lambda: re.search("client disconnected.* client=reader", fleet.log("full")), "the reader is closed")
        reader.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        reader.close()
        writer.ping()
        assert fleet.pid("full") == pid


def test_a_client_that_hung_up_is_forgotten_soon(make_fleet):
    """However much it said before and however slowly it is read: it keeps its place for ten seconds at most."""
    fleet = make_fleet(SLOW).start()
    with Wire(fleet.port("slow")) as hasty:
        hasty.connect("hasty")
        hasty.send(packet(PUBLISH, 0, text("t")) * 20000)
        hasty.resets()
    wait_until(lambda: re.search("client disconnected.* client=hasty", fleet.log("slow")), "the end is logged")
