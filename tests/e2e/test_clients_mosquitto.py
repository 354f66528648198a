"""mosquitto_pub, mosquitto_sub and mosquitto_rr, in every version they speak."""

import signal
import subprocess

import pytest

from clients import MosquittoSub, mosquitto_pub
from fleet import PATIENCE_S, wait_until

VERSIONS = pytest.mark.parametrize("version", ["mqttv31", "mqttv311", "mqttv5"])
EVERY_QOS = pytest.mark.parametrize("qos", [0, 1, 2])
V5 = ("-V", "mqttv5")


@pytest.fixture
def lab(shared_plants):
    return shared_plants.port("lab")


def tool(name, port, *options, input=None, code=0):
    """Runs a tool to its end and returns what it printed."""
    done = subprocess.run([f"mosquitto_{name}", "-p", str(port), *map(str, options)], input=input,
                          capture_output=True, timeout=PATIENCE_S)
    assert done.returncode == code, (done.returncode, done.stdout, done.stderr)
    return done.stdout


@VERSIONS
@EVERY_QOS
def test_a_stream_of_lines_arrives_in_order(lab, version, qos):
    lines = [f"line {n}" for n in range(400)]
    with MosquittoSub(lab, "lines", "-V", version, "-q", qos) as sub:
        tool("pub", lab, "-t", "lines", "-l", "-q", qos, "-V", version, input="\n".join(lines).encode())
        assert sub.lines(len(lines)) == [f"lines {line}" for line in lines]


@VERSIONS
def test_a_file_arrives_as_it_is(lab, version, tmp_path):
    file = tmp_path / "file"
    file.write_bytes(bytes(range(256)) * 4000)
    tool("pub", lab, "-t", "file", "-f", file, "-q", 1, "-r", "-V", version)
    assert tool("sub", lab, "-t", "file", "-C", 1, "-N", "-q", 1, "-V", version) == file.read_bytes()
    tool("pub", lab, "-t", "file", "-n", "-q", 1, "-r", "-V", version)


@VERSIONS
@EVERY_QOS
def test_retained_is_set_replaced_and_cleared(lab, version, qos):
    how = ("-q", qos, "-V", version)
    for text in ("old", "new"):
        for topic in ("kept/1", "kept/2"):
            assert mosquitto_pub(lab, topic, text, "-r", *how) == (0, "")
    with MosquittoSub(lab, "kept/+", "-F", "%t %p %r %q", *how) as sub:
        assert sorted(sub.lines(2)) == [f"kept/1 new 1 {qos}", f"kept/2 new 1 {qos}"]
        assert mosquitto_pub(lab, "kept/1", "live", "-r", *how) == (0, "")
        assert sub.lines(1) == [f"kept/1 live 0 {qos}"]
    for topic in ("kept/1", "kept/2"):
        tool("pub", lab, "-t", topic, "-n", "-r", *how)
    with MosquittoSub(lab, "kept/#", "-v", *how) as sub:
        assert mosquitto_pub(lab, "kept/end", "end", *how) == (0, "")
        assert sub.lines(1) == ["kept/end end"]


@pytest.mark.covers("MQTT-3.1.2-8 MQTT-3.14.4-3", v311="MQTT-3.1.2-8 MQTT-3.14.4-3")
@VERSIONS
def test_a_killed_client_leaves_its_will(lab, version):
    with MosquittoSub(lab, "wills/#", "-q", 1, "-V", version) as watcher:
        will = ("--will-topic", "wills/t", "--will-qos", "1", "-V", version, "--will-payload")
        # It answers SIGTERM with DISCONNECT: in 5.0 with 0x04, which asks for the will.
        with MosquittoSub(lab, "any", *will, "asked for"):
            pass
        if version == "mqttv5":
            assert watcher.lines(1) == ["wills/t asked for"]
        tool("sub", lab, "-t", "any", "-E", *will, "never")
        with MosquittoSub(lab, "any", *will, "killed") as dying:
            dying.process.send_signal(signal.SIGKILL)
        assert watcher.lines(1) == ["wills/t killed"]
        assert mosquitto_pub(lab, "wills/end", "end", "-q", "1", "-V", version) == (0, "")
        assert watcher.lines(1) == ["wills/end end"]


@VERSIONS
def test_a_session_waits_for_its_client(lab, version):
    keep = ("-c", "-i", "waiting", "-q", 2, "-t", "wait/#", "-V", version)
    tool("sub", lab, *keep, "-E")
    for n in range(30):
        assert mosquitto_pub(lab, "wait/t", str(n), "-q", n % 3, "-V", version) == (0, "")
    kept = [n for n in range(30) if n % 3]
    got = tool("sub", lab, *keep, "-C", len(kept), "-F", "%p %q").decode().split("\n")[:-1]
    assert sorted(got, key=lambda line: int(line.split()[0])) == [f"{n} {n % 3}" for n in kept]
    for qos in (1, 2):  # each has its order; when a client hands out what it gets depends on the QoS
        assert [line for line in got if line.endswith(f" {qos}")] == [f"{n} {qos}" for n in kept if n % 3 == qos]
    tool("sub", lab, "-i", "waiting", "-t", "wait/#", "-E", "-V", version)


@VERSIONS
def test_topics_in_every_script_and_many_of_them(lab, version):
    topics = ["工厂/温度", "дом/кухня", "😀", "a b", "/"] + [f"many/{n}" for n in range(300)]
    more = [word for topic in topics[1:] for word in ("-t", topic)]
    with MosquittoSub(lab, topics[0], *more, "-F", "%t=%p", "-q", 1, "-V", version) as sub:
        for topic in [*topics[:5], "many/0", "many/150", "many/299"]:
            assert mosquitto_pub(lab, topic, topic, "-q", 1, "-V", version) == (0, "")
            assert sub.lines(1) == [f"{topic}={topic}"]


@VERSIONS
def test_a_client_of_the_same_name_takes_over(lab, version):
    with MosquittoSub(lab, "over/#", "-i", "over", "-q", 1, "-V", version) as sub:
        tool("pub", lab, "-i", "over", "-t", "elsewhere", "-m", "x", "-q", 1, "-V", version)
        if version == "mqttv5":  # it is told so, and gives up
            sub.process.wait(PATIENCE_S)
            assert "DISCONNECT (142)" in sub.lines(1)[0]
            return
        # It takes it for a lost connection: it comes back and subscribes again.
        wait_until(lambda: sum(line.startswith("Subscribed") for line in sub.debug) == 2, "the first one is back")
        assert mosquitto_pub(lab, "over/t", "again", "-q", 1, "-V", version) == (0, "")
        assert sub.lines(1) == ["over/t again"]


@pytest.mark.parametrize("version, code", [("mqttv31", 4), ("mqttv311", 4), ("mqttv5", 0x86)])
def test_a_wrong_password_is_told(shared_plants, version, code):
    port = shared_plants.port("plant-a")
    login = ("-t", "t", "-m", "m", "-q", 1, "-V", version, "-u", "alice", "-P")
    tool("pub", port, *login, "wrong", code=code)
    tool("pub", port, *login, "alice's secret")


@pytest.mark.covers("MQTT-3.3.2-4 MQTT-3.3.2-15 MQTT-3.3.2-16 MQTT-3.3.2-17 MQTT-3.3.2-18 MQTT-3.3.2-20")
def test_properties_of_a_message(lab):
    sent = ("content-type", "text/plain", "response-topic", "r/t", "payload-format-indicator", "1",
            "message-expiry-interval", "60")
    given = [word for name, value in zip(sent[::2], sent[1::2]) for word in ("-D", "publish", name, value)]
    pairs = [word for n in range(5) for word in ("-D", "publish", "user-property", f"n{n % 2}", f"v{n}")]
    with MosquittoSub(lab, "p/#", "-F", "%t|%C|%R|%D|%F|%E|%P|%S", "-D", "subscribe", "subscription-identifier", "77",
                      "-q", 1, *V5) as sub:
        assert mosquitto_pub(lab, "p/t", "m", "-q", 1, *V5, *given, "-D", "publish", "correlation-data", "c-7",
                             *pairs) == (0, "")
        names = " ".join(f"n{n % 2}:v{n}" for n in range(5))
        assert sub.lines(1) == [f"p/t|text/plain|r/t|c-7|1|60|{names}|77"]


def test_a_request_and_its_response(lab):
    with MosquittoSub(lab, "rr/in", "-F", "%R %D %p", *V5) as serving:
        with subprocess.Popen(["mosquitto_rr", "-p", str(lab), "-t", "rr/in", "-e", "rr/out", "-m", "six times nine",
                               "-D", "publish", "correlation-data", "c-1", *V5], stdout=subprocess.PIPE) as asking:
            assert serving.lines(1) == ["rr/out c-1 six times nine"]
            assert mosquitto_pub(lab, "rr/out", "forty-two", "-D", "publish", "correlation-data", "c-1", *V5) == (0, "")
            assert asking.communicate(timeout=PATIENCE_S)[0] == b"forty-two\n"


def test_topic_aliases(lab):
    with MosquittoSub(lab, "alias/#", "-q", 1, *V5) as sub:
        tool("pub", lab, "-t", "alias/t", "-m", "m", "--repeat", 5, "-q", 1, *V5, "-D", "publish", "topic-alias", "3")
        assert sub.lines(5) == ["alias/t m"] * 5


@pytest.mark.covers("MQTT-3.1.2-23")
def test_a_session_is_kept_as_long_as_asked(lab):
    keep = ("-c", "-i", "expiring", "-q", 1, "-t", "expiring/t", *V5)
    tool("sub", lab, *keep, "-E", "-x", 60)
    assert mosquitto_pub(lab, "expiring/t", "kept", "-q", 1, *V5) == (0, "")
    assert tool("sub", lab, *keep, "-C", 1, "-x", 0) == b"kept\n"
    assert mosquitto_pub(lab, "expiring/t", "nobody", "-q", 1, *V5) == (0, "")
    with MosquittoSub(lab, "expiring/t", *keep[:5], *V5) as sub:
        assert mosquitto_pub(lab, "expiring/t", "after", "-q", 1, *V5) == (0, "")
        assert sub.lines(1) == ["expiring/t after"]
    tool("sub", lab, "-i", "expiring", "-t", "expiring/t", "-E", *V5)


@pytest.mark.parametrize("version", ["mqttv311", "mqttv5"])
def test_shared_subscriptions(lab, version):
    how = ("-q", 1, "-V", version)
    with MosquittoSub(lab, "$share/g/shared/#", *how) as one, MosquittoSub(lab, "$share/g/shared/#", *how) as two:
        tool("pub", lab, "-t", "shared/t", "-l", *how, input="\n".join(map(str, range(60))).encode())
        wait_until(lambda: one.waiting() + two.waiting() == 60, "all arrive")
        got = [sub.lines(sub.waiting()) for sub in (one, two)]
        assert sorted(int(line.split()[1]) for part in got for line in part) == list(range(60))
        assert all(len(part) >= 10 for part in got)


@VERSIONS
def test_what_the_broker_tells_about_itself(lab, version):
    topics = ["version", "uptime", "clients/connected", "load/messages/received/1min"]
    asked = [word for topic in topics for word in ("-t", f"$SYS/broker/{topic}")]
    lines = tool("sub", lab, *asked, "-C", len(topics), "-F", "%t %p", "-V", version).decode().splitlines()
    told = {topic.removeprefix("$SYS/broker/"): value for topic, value in (line.split(" ", 1) for line in lines)}
    assert set(told) == set(topics)
    assert told["version"].startswith("shoal ") and told["uptime"].endswith(" seconds")
    assert int(told["clients/connected"]) >= 1 and float(told["load/messages/received/1min"]) >= 0
