"""The clients that people use: paho, mosquitto_pub/_sub and mqtt.js."""

import json
import queue
import subprocess
import threading
from collections import namedtuple
from pathlib import Path

import paho.mqtt.client as mqtt
from paho.mqtt.properties import Properties
from paho.mqtt.packettypes import PacketTypes
from fleet import PATIENCE_S

HERE = Path(__file__).parent
V311, V5 = mqtt.MQTTv311, mqtt.MQTTv5
Message = namedtuple("Message", "topic payload qos retain")


class Refused(Exception):
    """CONNACK with an error; `args[0]` is the code."""


class Paho:
    """A paho client on a thread of its own. Messages queue up in order of arrival."""

    def __init__(self, port, client_id="", version=V311, user=None, password=None, clean=True, will=None,
                 keep_alive=60, expiry_s=0):
        self.version = version
        self.messages = queue.Queue()
        self.connects = 0
        self.disconnects = []
        self._connected = threading.Event()
        self._granted = queue.Queue()
        self.code = None
        self.session_present = None
        how = {"clean_session": clean} if version == V311 else {}
        self.client = mqtt.Client(client_id, protocol=version, **how)
        self.client.max_inflight_messages_set(100)
        if user is not None:
            self.client.username_pw_set(user, password)
        if will:
            self.client.will_set(*will)
        self.client.on_connect = self._on_connect
        self.client.on_disconnect = lambda *args: self.disconnects.append(args[2])
        self.client.on_message = lambda _c, _u, m: self.messages.put(
            Message(m.topic, m.payload, m.qos, bool(m.retain)))
        self.client.on_subscribe = lambda _c, _u, _mid, granted, *_: self._granted.put(granted)
        if version == V5:
            properties = Properties(PacketTypes.CONNECT)
            properties.SessionExpiryInterval = expiry_s
            self.client.connect("127.0.0.1", port, keep_alive, clean_start=clean, properties=properties)
        else:
            self.client.connect("127.0.0.1", port, keep_alive)
        self.client.loop_start()
        assert self._connected.wait(PATIENCE_S), "no CONNACK"
        if self.code:
            self.client.loop_stop()
            raise Refused(self.code)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def _on_connect(self, _client, _userdata, flags, code, _properties=None):
        self.connects += 1
        self.session_present = bool(flags["session present"])
        self.code = code if isinstance(code, int) else code.value
        if self.code:
            self.client.disconnect()
        self._connected.set()

    def subscribe(self, filter, qos=0):
        """Returns the granted QoS or the refusal's code."""
        self.client.subscribe(filter, qos)
        granted = self._granted.get(timeout=PATIENCE_S)[0]
        return granted if isinstance(granted, int) else granted.value

    def publish(self, topic, payload, qos=0, retain=False):
        """Returns when the QoS' handshake is done."""
        info = self.client.publish(topic, payload, qos, retain)
        info.wait_for_publish(PATIENCE_S)
        assert info.is_published(), f"{topic}: no acknowledgement"

    def get(self, count=None):
        """The next message, or the next `count` as a list."""
        many = [self.messages.get(timeout=PATIENCE_S) for _ in range(count or 1)]
        return many if count else many[0]

    def fence(self, topic="fence/own"):
        """Everything that arrived until now: a message to itself marks the end."""
        self.subscribe(topic, 1)
        self.publish(topic, "fence", 1)
        before = []
        while True:
            message = self.get()
            if message.topic == topic:
                return before
            before.append(message)

    def close(self):
        self.client.disconnect()
        self.client.loop_stop()

    def vanish(self):
        """Ends the connection without a DISCONNECT, as a crash would."""
        self.client.loop_stop()
        self.client._sock_close()


def mosquitto_pub(port, topic, message, *options):
    done = subprocess.run(["mosquitto_pub", "-p", str(port), "-t", topic, "-m", message, *map(str, options)],
                          capture_output=True, text=True, timeout=PATIENCE_S)
    return done.returncode, done.stderr.strip()


class MosquittoSub:
    """mosquitto_sub that has subscribed; `lines(n)` waits for its next n messages, `TOPIC PAYLOAD`."""

    def __init__(self, port, filter, *options):
        self.process = subprocess.Popen(
            ["stdbuf", "-oL", "mosquitto_sub", "-d", "-v", "-p", str(port), "-t", filter, *map(str, options)],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self._lines = queue.Queue()
        self._subscribed = threading.Event()
        self.debug = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        assert self._subscribed.wait(PATIENCE_S), f"no SUBACK: {self.debug}"

    def _read(self):
        for line in self.process.stdout:
            line = line.rstrip("\n")
            if line.startswith(("Client ", "Subscribed ")):
                self.debug.append(line)
                if line.startswith("Subscribed "):
                    self._subscribed.set()
            elif line:
                self._lines.put(line)

    def waiting(self):
        """How many messages `lines` has now."""
        return self._lines.qsize()

    def lines(self, count):
        return [self._lines.get(timeout=PATIENCE_S) for _ in range(count)]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(PATIENCE_S)
        self._reader.join(PATIENCE_S)
        self.process.stdout.close()


def mqttjs(scenario, port, **options):
    """Runs a scenario of mqttjs.mjs and returns what it reports."""
    done = subprocess.run(["node", str(HERE / "mqttjs.mjs"), json.dumps({"scenario": scenario, "port": port, **options})],
                          capture_output=True, text=True, timeout=3 * PATIENCE_S)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)
