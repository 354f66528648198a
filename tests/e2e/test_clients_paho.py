"""paho for Python: what people do with it in both versions, and what 5.0 adds."""

import queue
import socket
import threading

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

from clients import V5, V311, Paho, Refused
from fleet import PATIENCE_S, wait_until

BOTH = pytest.mark.parametrize("version", [V311, V5], ids=["v311", "v5"])
LIMIT = 1 << 20  # the default packet size


@pytest.fixture
def lab(shared_plants):
    return shared_plants.port("lab")


@pytest.fixture
def plant_a(shared_plants):
    return shared_plants.port("plant-a")


def properties(kind, **values):
    made = Properties(kind)
    for name, value in values.items():
        setattr(made, name, value)
    return made


class Paho5:
    """A 5.0 client that keeps everything the broker tells it. `connect` are CONNECT's properties."""

    def __init__(self, port, client_id="", clean=True, will=None, will_properties=None, user=None, password=None,
                 **connect):
        self.messages, self.granted, self.removed = queue.Queue(), queue.Queue(), queue.Queue()
        self.connacks, self.disconnects = queue.Queue(), queue.Queue()
        self.client = mqtt.Client(client_id, protocol=V5)
        self.client.max_inflight_messages_set(100)
        if user is not None:
            self.client.username_pw_set(user, password)
        if will:
            self.client.will_set(*will, properties=will_properties)
        self.client.on_connect = lambda _c, _u, flags, code, props: self.connacks.put((flags, code, props))
        self.client.on_disconnect = lambda _c, _u, code, props: self.disconnects.put(code)
        self.client.on_message = lambda _c, _u, message: self.messages.put(message)
        self.client.on_subscribe = lambda _c, _u, _mid, codes, _props: self.granted.put([c.value for c in codes])
        self.client.on_unsubscribe = lambda _c, _u, _mid, _props, codes: self.removed.put(codes)
        self.client.connect("127.0.0.1", port, 60, clean_start=clean, properties=properties(PacketTypes.CONNECT, **connect))
        self.client.loop_start()
        flags, self.code, self.connack = self.connacks.get(timeout=PATIENCE_S)
        self.present = bool(flags["session present"])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.client.disconnect()
        self.client.loop_stop()

    def vanish(self):
        """Ends the connection without a DISCONNECT, and at once: paho's own thread looks once a second."""
        self.client._thread_terminate = True
        self.client.socket().shutdown(socket.SHUT_RDWR)
        self.client.loop_stop()

    def subscribe(self, filter, qos=0, id=None, **options):
        props = properties(PacketTypes.SUBSCRIBE, SubscriptionIdentifier=id) if id else None
        self.client.subscribe(filter, options=SubscribeOptions(qos, **options), properties=props)
        return self.granted.get(timeout=PATIENCE_S)[0]

    def unsubscribe(self, filter):
        self.client.unsubscribe(filter)
        codes = self.removed.get(timeout=PATIENCE_S)
        return [c.value for c in (codes if isinstance(codes, list) else [codes])]

    def publish(self, topic, payload, qos=1, retain=False, **values):
        info = self.client.publish(topic, payload, qos, retain, properties(PacketTypes.PUBLISH, **values))
        info.wait_for_publish(PATIENCE_S)
        assert info.is_published()

    def get(self, count=None):
        many = [self.messages.get(timeout=PATIENCE_S) for _ in range(count or 1)]
        return many if count else many[0]

    def fence(self, topic="fence/paho5"):
        """Everything that arrived until now."""
        self.subscribe(topic, 1)
        self.publish(topic, "")
        before = []
        while (message := self.get()).topic != topic:
            before.append(message)
        assert self.unsubscribe(topic) == [0]
        return before

    def texts(self):
        return [(m.topic, m.payload.decode()) for m in self.fence()]


# Both versions


@pytest.mark.covers("MQTT-4.7.3-4", v311="MQTT-4.7.3-4")
@BOTH
def test_topics_in_every_script(lab, version):
    topics = ["ünï/çødé", "工厂/温度", "дом/кухня", "مصنع/١", "😀/🌡️", "a b/c  d", " / ", "/lead", "trail/", "//", "x" * 4096]
    with Paho(lab, version=version) as sub, Paho(lab, version=version) as pub:
        for topic in topics:
            sub.subscribe(topic, 1)
        for topic in topics:
            pub.publish(topic, topic, 1)
        assert [(m.topic, m.payload.decode()) for m in sub.get(len(topics))] == [(t, t) for t in topics]
        sub.subscribe("one/caf\u00e9", 1)
        pub.publish("one/cafe\u0301", "looks the same", 1)  # another topic: nothing is normalized
        pub.publish("one/caf\u00e9", "is the same", 1)
        assert [m.payload for m in sub.fence()] == [b"is the same"]


@BOTH
def test_many_subscriptions_of_one_client(lab, version):
    count = 990
    with Paho(lab, version=version) as sub, Paho(lab, version=version) as pub:
        granted = threading.Event()
        sub.client.on_subscribe = lambda _c, _u, _mid, codes, *_: len(codes) == 90 and granted.set()
        for start in range(0, count, 100):
            sub.client.subscribe([(f"many/{n}/+", n % 3) for n in range(start, min(start + 100, count))])
        assert granted.wait(PATIENCE_S)
        for n in range(0, count, 7):
            pub.client.publish(f"many/{n}/t", str(n), 2)
        wanted = list(range(0, count, 7))
        got = sub.get(len(wanted))
        assert sorted((int(m.payload), m.qos) for m in got) == [(n, n % 3) for n in wanted]


@pytest.mark.parametrize("qos", [0, 1, 2])
@BOTH
def test_the_largest_packet_there_may_be(lab, version, qos):
    head = 1 + 3 + 2 + len("largest") + (2 if qos else 0) + (1 if version == V5 else 0)
    payload = bytes(range(256)) * 4096
    with Paho(lab, version=version) as c:
        c.subscribe("largest", qos)
        c.publish("largest", payload[:LIMIT - head], qos)
        assert c.get().payload == payload[:LIMIT - head]
        assert c.disconnects == []
        if qos == 0:  # others are sent again, again and again
            c.client.publish("largest", payload[:LIMIT - head + 1])
            wait_until(lambda: c.disconnects, "one byte more ends the connection")


@pytest.mark.covers("MQTT-3.1.4-3", v311="MQTT-3.1.4-2")
@BOTH
def test_a_take_over_keeps_the_session(lab, version):
    keep = {"version": version, "clean": False, "expiry_s": 600}
    first = Paho(lab, "taken", **keep)
    first.client.reconnect_delay_set(PATIENCE_S * 2)
    first.subscribe("taken/#", 2)
    with Paho(lab, "taken", **keep) as second, Paho(lab, version=version) as pub:
        assert second.session_present
        wait_until(lambda: first.disconnects, "the first connection ends")
        first.client.loop_stop()
        for n in range(20):
            pub.publish("taken/t", str(n), n % 3)
        got = [int(m.payload) for m in second.get(20)]
        for qos in range(3):  # a QoS 2 message reaches the application with its PUBREL: order holds within a QoS
            assert [n for n in got if n % 3 == qos] == list(range(qos, 20, 3))
        assert first.messages.empty()
    Paho(lab, "taken", version=version).close()


@BOTH
def test_a_wrong_password_is_told(plant_a, version):
    wrong = 0x86 if version == V5 else 4
    for login in ({"user": "alice", "password": "alice"}, {"user": "mallory", "password": "alice's secret"},
                  {"user": "alice", "password": ""}):
        with pytest.raises(Refused) as refusal:
            Paho(plant_a, version=version, **login)
        assert refusal.value.args[0] == wrong
    with Paho(plant_a, version=version, user="alice", password="alice's secret") as c:
        assert c.fence() == []


# 5.0


@pytest.mark.covers("MQTT-3.3.2-15 MQTT-3.3.2-16 MQTT-3.3.2-17 MQTT-3.3.2-18 MQTT-3.3.2-20 MQTT-3.3.2-4")
def test_properties_arrive_as_they_were_sent(lab):
    pairs = [("b", "1"), ("a", "2"), ("b", "3"), ("", ""), ("ключ", "значение"), ("b", "1")]
    with Paho5(lab) as sub, Paho5(lab) as pub:
        sub.subscribe("p/#", 2)
        for qos in range(3):
            pub.publish("p/t", "{}", qos, UserProperty=pairs, ContentType="application/json", ResponseTopic="r/t",
                        CorrelationData=bytes(range(256)), PayloadFormatIndicator=1)
        for qos, message in enumerate(sub.get(3)):
            got = message.properties
            assert (message.qos, got.UserProperty, got.ContentType, got.ResponseTopic, got.CorrelationData,
                    got.PayloadFormatIndicator) == (qos, pairs, "application/json", "r/t", bytes(range(256)), 1)
        pub.publish("p/t", "plain")
        assert sub.get().properties.json() == {}


def test_a_request_gets_its_response(lab):
    with Paho5(lab) as asking, Paho5(lab) as serving:
        def serve(_client, _userdata, request):
            answer = properties(PacketTypes.PUBLISH, CorrelationData=request.properties.CorrelationData)
            serving.client.publish(request.properties.ResponseTopic, request.payload.upper(), 1, properties=answer)
        serving.client.on_message = serve
        serving.subscribe("service/upper", 1)
        asking.subscribe("answers/1", 1)
        for n in range(10):
            asking.publish("service/upper", f"question {n}", ResponseTopic="answers/1", CorrelationData=bytes([n]))
        answers = asking.get(10)
        assert [(m.properties.CorrelationData[0], m.payload.decode()) for m in answers] == \
            [(n, f"QUESTION {n}") for n in range(10)]


@pytest.mark.covers("MQTT-3.3.2-5 MQTT-3.3.2-6")
def test_messages_expire_while_they_wait(lab):
    keep = {"clean": False, "SessionExpiryInterval": 600}
    with Paho5(lab, "late", **keep) as c:
        c.subscribe("late/#", 1)
    with Paho5(lab) as pub:
        pub.publish("late/short", "gone soon", MessageExpiryInterval=1)
        pub.publish("late/long", "stays", MessageExpiryInterval=100)
        pub.publish("late/kept", "gone soon", retain=True, MessageExpiryInterval=1)

        def expired():
            with Paho5(lab) as looking:
                looking.subscribe("late/kept", 1)
                return looking.texts() == []
        wait_until(expired, "the retained message expires")
    with Paho5(lab, "late", **keep) as c:
        assert c.present
        (message,) = c.fence()
        assert message.topic == "late/long" and 90 <= message.properties.MessageExpiryInterval < 100
    Paho5(lab, "late").__exit__()


@pytest.mark.covers("MQTT-3.1.2-23 MQTT-3.1.2-8")
def test_a_session_expires_and_its_will_is_sent_then(lab):
    with Paho5(lab) as watcher:
        watcher.subscribe("dead/#", 1)
        delay = properties(PacketTypes.WILLMESSAGE, WillDelayInterval=600, ContentType="text/plain")
        for present, client_id in ((False, "dead/1"), (True, "dead/1")):
            gone = Paho5(lab, client_id, clean=False, will=(client_id, "expired", 1), will_properties=delay,
                         SessionExpiryInterval=600)
            assert gone.present == present
            gone.vanish()
        Paho5(lab, "dead/2", will=("dead/2", "expired", 1), will_properties=delay, SessionExpiryInterval=1).vanish()
        will = watcher.get()
        assert (will.topic, will.payload, will.properties.json()) == ("dead/2", b"expired", {"ContentType": "text/plain"})
        with Paho5(lab, "dead/2", clean=False) as c:
            assert not c.present
        with Paho5(lab, "dead/1", clean=False) as c:
            assert c.present
        assert watcher.fence() == []


@pytest.mark.covers("MQTT-3.8.3-3")
def test_no_local(lab):
    with Paho5(lab) as c, Paho5(lab) as other:
        c.subscribe("own/quiet", 1, noLocal=True)
        c.subscribe("own/loud", 1)
        for client, text in ((c, "mine"), (other, "theirs")):
            for topic in ("own/quiet", "own/loud"):
                client.publish(topic, text)
        assert c.texts() == [("own/loud", "mine"), ("own/quiet", "theirs"), ("own/loud", "theirs")]


@pytest.mark.covers("MQTT-3.3.1-9 MQTT-3.3.1-10 MQTT-3.3.1-11")
def test_retain_handling(lab):
    with Paho5(lab) as c:
        c.publish("rh/t", "kept", retain=True)
        for handling, first, again in ((0, 1, 1), (1, 1, 0), (2, 0, 0)):
            c.subscribe("rh/t", 1, retainHandling=handling)
            assert len(c.fence()) == first
            c.subscribe("rh/t", 1, retainHandling=handling)
            assert len(c.fence()) == again
            assert c.unsubscribe("rh/t") == [0]
        c.publish("rh/t", "", retain=True)


@pytest.mark.covers("MQTT-3.3.1-12 MQTT-3.3.1-13")
def test_retain_as_published(lab):
    with Paho5(lab) as as_is, Paho5(lab) as plain:
        as_is.subscribe("rap/#", 1, retainAsPublished=True)
        plain.subscribe("rap/#", 1)
        plain.publish("rap/1", "kept", retain=True)
        plain.publish("rap/2", "passing")
        assert [(m.topic, m.retain) for m in as_is.get(2)] == [("rap/1", True), ("rap/2", False)]
        assert [(m.topic, m.retain) for m in plain.get(2)] == [("rap/1", False), ("rap/2", False)]
        plain.publish("rap/1", "", retain=True)


@pytest.mark.covers("MQTT-3.3.4-2 MQTT-3.3.4-3 MQTT-3.3.4-4")
def test_subscription_identifiers(lab):
    with Paho5(lab) as c:
        c.subscribe("id/+", 1, id=1)
        c.subscribe("id/t", 2, id=268_435_455)
        c.subscribe("id/#", 0)
        c.publish("id/t", "both", 2)
        c.publish("id/u", "one", 2)
        both, one = c.get(2)
        assert (sorted(both.properties.SubscriptionIdentifier), both.qos) == ([1, 268_435_455], 2)
        assert (one.properties.SubscriptionIdentifier, one.qos) == ([1], 1)
        c.subscribe("id/t", 1, id=5)
        c.publish("id/t", "replaced", 2)
        last = c.get()
        assert (sorted(last.properties.SubscriptionIdentifier), last.qos) == ([1, 5], 1)
        assert c.fence() == []


@pytest.mark.covers("MQTT-3.3.2-12")
def test_topic_aliases_to_the_broker(lab):
    with Paho5(lab) as sub, Paho5(lab) as pub:
        sub.subscribe("alias/#", 1)
        maximum = pub.connack.TopicAliasMaximum
        assert maximum > 0
        for alias in range(1, maximum + 1):
            pub.publish(f"alias/{alias}", "named", TopicAlias=alias)
        for alias in range(maximum, 0, -1):
            pub.publish("", "by alias", 2, TopicAlias=alias)
        pub.publish("alias/new", "renamed", TopicAlias=1)
        pub.publish("", "by alias", TopicAlias=1)
        names = [m.topic for m in sub.get(2 * maximum + 2)]
        numbers = range(1, maximum + 1)
        assert names == [f"alias/{n}" for n in (*numbers, *reversed(numbers))] + ["alias/new"] * 2
        pub.client.publish("alias/over", "", properties=properties(PacketTypes.PUBLISH, TopicAlias=maximum + 1))
        pub.disconnects.get(timeout=PATIENCE_S)


@pytest.mark.covers("MQTT-3.1.2-24 MQTT-3.1.2-25")
def test_a_client_gets_no_larger_packet_than_it_takes(lab):
    with Paho5(lab, MaximumPacketSize=1000) as sub, Paho5(lab) as pub:
        sub.subscribe("size/#", 1)
        pub.publish("size/1", "x" * 1000)
        pub.publish("size/2", "x" * 900)
        assert [m.topic for m in sub.fence()] == ["size/2"]


@pytest.mark.parametrize("qos", [1, 2])
def test_the_clients_receive_maximum_holds_messages_back(lab, qos):
    with Paho5(lab, ReceiveMaximum=2) as sub, Paho5(lab) as pub:
        sub.subscribe("window", 2)
        for n in range(50):
            pub.client.publish("window", str(n), qos)
        assert [int(m.payload) for m in sub.get(50)] == list(range(50))


@pytest.mark.covers("MQTT-3.10.4-5 MQTT-3.1.4-3")
def test_reason_codes_reach_the_user(lab):
    with Paho5(lab) as c:
        assert c.unsubscribe("never/was") == [0x11]
        assert c.subscribe("/".join("x" * 129), 1) == 0x8F
        assert c.subscribe("$share//nobody", 1) == 0x8F
        assert c.subscribe("here", 2) == 2
        assert c.unsubscribe("here") == [0]
    first = Paho5(lab, "coded")
    first.client.reconnect_delay_set(PATIENCE_S * 2)
    with Paho5(lab, "coded"):
        # paho 1.6 reads the code of a DISCONNECT only when there is more than that: a reason string.
        assert first.disconnects.get(timeout=PATIENCE_S).value == 0x8E
        first.client._thread_terminate = True
        first.client.loop_stop()


@pytest.mark.covers("MQTT-3.1.3-6 MQTT-3.2.2-16")
def test_what_the_broker_decides_is_told(lab):
    with Paho5(lab, SessionExpiryInterval=0xFFFFFFFF) as c, Paho5(lab) as other:
        assert c.connack.SessionExpiryInterval == 7 * 24 * 3600
        assert c.connack.MaximumPacketSize == LIMIT and c.connack.ReceiveMaximum == 100
        name = c.connack.AssignedClientIdentifier
        assert name and name != other.connack.AssignedClientIdentifier
        end = properties(PacketTypes.DISCONNECT, SessionExpiryInterval=0)
        c.client.disconnect(properties=end)
        c.disconnects.get(timeout=PATIENCE_S)
        with Paho5(lab, name, clean=False) as again:
            assert not again.present


@pytest.mark.covers("MQTT-4.8.2-3")
def test_shared_subscriptions(lab):
    numbers = list(range(90))
    with Paho5(lab) as one, Paho5(lab) as two, Paho5(lab) as whole, Paho5(lab) as pub:
        assert one.subscribe("$share/workers/jobs/#", 2) == 2
        assert two.subscribe("$share/workers/jobs/#", 1) == 1
        whole.subscribe("jobs/+", 2)
        for n in numbers:
            pub.client.publish(f"jobs/{n % 3}", str(n), n % 3)
        assert sorted(int(m.payload) for m in whole.get(len(numbers))) == numbers
        parts = [[(int(m.payload), m.qos) for m in c.fence()] for c in (one, two)]
        assert sorted(n for part in parts for n, _ in part) == numbers
        assert all(len(part) > 20 for part in parts)
        assert all(qos == n % 3 for n, qos in parts[0]) and all(qos == min(n % 3, 1) for n, qos in parts[1])
        assert one.unsubscribe("$share/workers/jobs/#") == [0]
        for n in range(10):
            pub.publish("jobs/t", str(n))
        assert [int(m.payload) for m in two.get(10)] == list(range(10))


def test_a_group_waits_for_its_members(lab):
    keep = {"clean": False, "SessionExpiryInterval": 600}
    with Paho5(lab, "member", **keep) as c:
        c.subscribe("$share/waiting/queue", 1)
    with Paho5(lab) as pub:
        for n in range(20):
            pub.publish("queue", str(n))
    with Paho5(lab, "member", **keep) as c:
        assert [int(m.payload) for m in c.get(20)] == list(range(20))
    Paho5(lab, "member").__exit__()
