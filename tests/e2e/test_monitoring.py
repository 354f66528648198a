"""What an operator watches a fleet with: metrics, health, clients, top, events."""

import contextlib
import fcntl
import http.client
import json
import os
import pty
import queue
import shutil
import signal
import socket
import struct
import subprocess
import termios
import threading
import time
from pathlib import Path

from clients import V5, Paho
from exposition import Page
from fleet import PATIENCE_S, SHOAL, ControlSocket, free_port, wait_until
from wire import DISCONNECT, Wire

REFERENCE = Path(__file__).resolve().parents[2] / "docs/reference/metrics.md"
PROMTOOL = os.environ.get("PROMTOOL") or shutil.which("promtool")
LAB = """
[instances.{}]
worker = "{}"
listeners = ["mqtt://127.0.0.1:auto"]
auth = {{ anonymous = true }}
persistence = "none"
"""


def get(connection, target, method="GET"):
    connection.request(method, target)
    response = connection.getresponse()
    return response.status, response.read().decode(), response.headers["Content-Type"]


def page(fleet):
    status, text, content_type = get(ControlSocket(fleet.control_socket), "/metrics")
    assert status == 200 and content_type.startswith("text/plain; version=0.0.4"), content_type
    return Page(text)


def monitored(make_fleet, *instances):
    """A fleet with `fleet.metrics`, and that port."""
    port = free_port()
    fleet = make_fleet()
    fleet.write(f'[fleet]\nport_range = "{fleet.port_range}"\nmetrics = "127.0.0.1:{port}"\n'
                + "".join(LAB.format(*one) for one in instances), fleet_table=False)
    return fleet.start(), port


def test_the_page_counts_what_happened(make_fleet):
    fleet, port = monitored(make_fleet, ("lab", "small"), ("lab2", "small"), ("own", "own"))
    with Paho(fleet.port("lab")) as publisher, Paho(fleet.port("lab")) as subscriber:
        subscriber.subscribe("t", 1)
        for number in range(20):
            publisher.publish("t", b"x" * 100, number % 2)
        subscriber.get(20)
        subscriber.fence()
        status, text, _ = get(http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S), "/metrics")
        assert status == 200
        now = Page(text)
        assert now.value("shoal_connections", instance="lab") == 2
        assert now.value("shoal_messages_received_total", instance="lab") == 21
        assert now.value("shoal_messages_delivered_total", instance="lab") == 21
        assert now.value("shoal_messages_received_total", instance="lab2") == 0
        assert now.value("shoal_sent_bytes_total", instance="lab") > 2000
        assert now.value("shoal_delivery_latency_seconds_count", instance="lab") == 21
        assert 0 < now.value("shoal_delivery_latency_seconds_sum", instance="lab") < PATIENCE_S
        assert 0 < now.value("shoal_ack_latency_seconds_count", instance="lab") <= 11
        assert now.value("shoal_instances", state="ready") == 3
        assert now.value("shoal_instance_up", instance="own") == 1
        assert now.value("shoal_worker_resident_memory_bytes", worker="small", shared="true") > 1e5
        assert now.value("shoal_worker_resident_memory_bytes", worker="own", shared="false") > 1e5
        assert now.names() == page(fleet).names()
    documented = {line.split("`")[1] for line in REFERENCE.read_text().splitlines() if line.startswith("| `shoal_")}
    assert now.names() == documented


def test_promtool_takes_the_page(make_fleet):
    fleet, _ = monitored(make_fleet, ("lab", "small"))
    status, text, _ = get(ControlSocket(fleet.control_socket), "/metrics")
    assert status == 200
    Page(text)
    if not PROMTOOL:  # the whole of Prometheus comes with it: Page checks the format, and what it checks of names
        return
    done = subprocess.run([PROMTOOL, "check", "metrics"], input=text, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_counters_go_on_over_crash_restart_and_stop(make_fleet):
    fleet, _ = monitored(make_fleet, ("lab", "own"), ("other", "own"))

    def say(count):
        with Paho(fleet.port("lab")) as client:
            client.subscribe("t", 1)
            for _ in range(count):
                client.publish("t", "hello", 1)
            client.get(count)
            client.fence()

    say(10)
    pages = [page(fleet)]
    assert pages[0].value("shoal_messages_received_total", instance="lab") == 11
    os.kill(fleet.pid("lab"), signal.SIGKILL)
    wait_until(lambda: fleet.ps()["lab"]["restarts"] == 1, "one restart")
    pages.append(page(fleet))
    fleet.wait_ready()
    pages.append(page(fleet))
    say(5)
    pages.append(page(fleet))
    assert pages[-1].value("shoal_messages_received_total", instance="lab") == 17
    assert pages[-1].value("shoal_instance_restarts_total", instance="lab") == 1
    say(3)  # nobody looks between this and the end: the last word counts it
    fleet.cli("restart", "lab")
    pages.append(page(fleet))
    assert pages[-1].value("shoal_messages_received_total", instance="lab") == 21
    fleet.cli("stop", "lab")
    pages.append(page(fleet))
    assert pages[-1].value("shoal_messages_received_total", instance="lab") == 21
    assert pages[-1].value("shoal_instance_up", instance="lab") == 0
    assert pages[-1].value("shoal_connections", instance="lab") == 0
    for before, after in zip(pages, pages[1:]):
        for key, value in before.counters().items():
            assert after.counters().get(key, 0 if key[0].startswith("shoal_worker") else -1) >= value \
                or key[0].startswith("shoal_worker"), key


def test_health_and_readiness(make_fleet):
    fleet, port = monitored(make_fleet, ("lab", "own"), ("other", "own"))
    tcp = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
    assert get(tcp, "/healthz")[:2] == (200, "ok\n")
    assert get(tcp, "/readyz")[:2] == (200, "[]\n")
    assert get(tcp, "/v1/instances")[0] == 404
    assert get(tcp, "/v1/shutdown", "POST")[0] == 404
    assert get(tcp, "/metrics", "POST")[0] == 405
    assert get(ControlSocket(fleet.control_socket), "/readyz")[0] == 200

    def not_ready():
        status, text, _ = get(tcp, "/readyz")
        return status == 503 and text

    os.kill(fleet.pid("lab"), signal.SIGKILL)
    text = wait_until(not_ready, "death seen")
    assert '"name":"lab"' in text and '"why":' in text and "other" not in text, text
    fleet.wait_ready()
    assert get(tcp, "/readyz")[0] == 200
    fleet.cli("stop", "lab")
    assert get(tcp, "/readyz")[:2] == (200, "[]\n"), "nobody wants it to run"


def test_the_metrics_port_is_checked_like_others(make_fleet):
    fleet, port = monitored(make_fleet, ("lab", "own"))
    second = make_fleet(name="second")
    second.write(f'[fleet]\nport_range = "{second.port_range}"\nmetrics = "127.0.0.1:{port}"\n'
                 + LAB.format("lab", "own"), fleet_table=False)
    refused = second.cli("run", code=1).stderr
    assert f"shoal.toml:3:11: fleet.metrics: port {port} is held by shoal (pid {fleet.process.pid}); " \
        "stop it, or choose another port" in refused
    assert not second.processes()


def test_who_holds_the_metrics_port_stalls_nobody(make_fleet):
    fleet, port = monitored(make_fleet, ("lab", "own"))
    crowd = [socket.create_connection(("127.0.0.1", port), PATIENCE_S) for _ in range(40)]
    for one in crowd:
        one.sendall(b"GET /metrics HTTP/1.1\r\nX: ")
    started = time.monotonic()
    fleet.cli("ps")
    assert time.monotonic() - started < PATIENCE_S / 2
    crowd[0].sendall(b"x" * 10_000)
    assert crowd[0].recv(100).startswith(b"HTTP/1.1 431")
    for one in crowd:
        one.close()
    wait_until(lambda: get(http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S), "/healthz")[0] == 200,
               "served again")


def clients(fleet, name):
    return {c["client_id"]: c for c in json.loads(fleet.cli("clients", name, "--json").stdout)}


def test_clients_are_listed(make_fleet):
    fleet = make_fleet(LAB.format("lab", "own") + LAB.format("empty", "own"))
    fleet.write(fleet.config.read_text().replace('auth = { anonymous = true }',
                                                 'auth = { anonymous = true, users_file = "u" }', 1), fleet_table=False)
    fleet.add_user("lab", "alice", "alice's secret")
    fleet.start()
    port = fleet.port("lab")
    hostile = "a\x1b[31m\u202eb"
    with Paho(port, "first", user="alice", password="alice's secret", keep_alive=30) as first, \
            Paho(port, hostile, version=V5):
        first.subscribe("a")
        first.subscribe("b/#", 1)
        listed = clients(fleet, "lab")
        assert set(listed) == {"first", hostile}
        one = listed["first"]
        assert one["user"] == "alice" and one["protocol"] == "3.1.1" and one["keep_alive_s"] == 30
        assert one["subscriptions"] == 2 and one["address"].startswith("127.0.0.1:") and one["connected_s"] < 60
        assert listed[hostile]["user"] is None and listed[hostile]["protocol"] == "5.0"
        table = fleet.cli("clients", "lab").stdout
        assert "\x1b" not in table and "\u202e" not in table and r"a\x1B[31m\u{202E}b" in table
        assert table.splitlines()[0].split()[:4] == ["CLIENT", "USER", "ADDRESS", "MQTT"]
    assert clients(fleet, "empty") == {}
    fleet.cli("clients", "nobody", code=4)
    fleet.cli("stop", "empty")
    assert "empty is stopped" in fleet.cli("clients", "empty", code=1).stderr


def test_many_clients_come_in_pages(make_fleet):
    fleet = make_fleet(LAB.format("lab", "own")).start()
    port = fleet.port("lab")
    count = 3000
    with contextlib.ExitStack() as crowd:
        for number in range(count):
            one = crowd.enter_context(socket.create_connection(("127.0.0.1", port), PATIENCE_S))
            name = f"client-{number:05}-{'x' * (number % 50)}".encode()
            body = b"\0\4MQTT\4\2\0\0" + len(name).to_bytes(2, "big") + name
            one.sendall(b"\x10" + bytes([len(body)]) + body)
        wait_until(lambda: fleet.ps()["lab"]["clients"] == count, "all are connected", 60)
        assert len(clients(fleet, "lab")) == count
        sizes = []
        after = 0
        while after is not None:
            page_of_clients = f"/v1/instances/lab/clients?limit=700&after={after}"
            status, text, _ = get(ControlSocket(fleet.control_socket), page_of_clients)
            assert status == 200 and len(text) < 1_000_000
            sizes.append(len(json.loads(text)["clients"]))
            after = json.loads(text)["next"]
        assert max(sizes) <= 700 and sum(sizes) == count


def test_a_kicked_client_learns_why_and_may_come_again(make_fleet):
    fleet = make_fleet(LAB.format("lab", "own")).start()
    port = fleet.port("lab")
    name = "k /%\u00e4"
    with Wire(port) as v5:
        v5.connect(name, 5)
        assert fleet.cli("kick", "lab", name).stdout == f"{name} is disconnected\n"
        kind, _, body = v5.recv()
        assert kind == DISCONNECT and body[0] == 0x98
        assert "no client of that id" in fleet.cli("kick", "lab", name, code=4).stderr
    with Wire(port) as again:
        again.connect(name, 5)
        assert set(clients(fleet, "lab")) == {name}
    fleet.cli("kick", "nobody", "x", code=4)


def test_top_shows_what_goes_on(make_fleet):
    fleet = make_fleet(LAB.format("lab", "own") + LAB.format("idle", "small")).start()
    with Paho(fleet.port("lab")) as client, Paho(fleet.port("lab")) as subscriber:
        subscriber.subscribe("t")
        stop = threading.Event()

        def publish():
            while not stop.is_set():
                client.client.publish("t", "x" * 100)
                stop.wait(0.002)

        publisher = threading.Thread(target=publish)
        publisher.start()
        try:
            lines = fleet.cli("top", "--once", "--sort", "out").stdout.splitlines()
        finally:
            stop.set()
            publisher.join()
    assert lines[0].split() == ["NAME", "STATE", "CLIENTS", "IN/S", "OUT/S", "BYTES", "IN/S", "BYTES", "OUT/S",
                                "QUEUED", "CPU", "%", "MEMORY"]
    first, second = lines[1].split(), lines[2].split()
    assert first[:3] == ["lab", "ready", "2"] and float(first[3]) > 10 and float(first[4]) > 10, lines
    assert second[:5] == ["idle", "ready", "0", "0", "0"], lines
    assert second[-1] == "MiB" and float(second[-2]) > 1, lines
    fleet.cli("top", "--sort", "colour", code=2)
    fleet.cli("down")
    fleet.cli("top", "--once", code=3)


def test_top_on_a_terminal_leaves_it_as_it_was(make_fleet):
    fleet = make_fleet(LAB.format("lab", "own")).start()
    for end in (b"q", signal.SIGINT):
        master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 10, 40, 0, 0))
        before = termios.tcgetattr(slave)
        process = subprocess.Popen([SHOAL, "top"], stdin=slave, stdout=slave, stderr=slave, env=fleet.env,
                                   cwd=fleet.home)
        shown = b""
        while shown.count(b"NAME") < 2:
            shown += os.read(master, 4096)
        assert termios.tcgetattr(slave) != before
        os.write(master, end) if isinstance(end, bytes) else process.send_signal(end)
        assert process.wait(PATIENCE_S) == 0
        assert termios.tcgetattr(slave) == before
        while b"\x1b[?1049l" not in shown:
            shown += os.read(master, 4096)
        assert shown.startswith(b"\x1b[?1049h")
        os.close(master)
        os.close(slave)


class Follower:
    """`shoal events -f`, whose lines can be waited for."""

    def __init__(self, fleet):
        self.process = subprocess.Popen([SHOAL, "events", "-f"], env=fleet.env, cwd=fleet.home, text=True,
                                        stdout=subprocess.PIPE)
        self.lines = queue.Queue()
        threading.Thread(target=lambda: [self.lines.put(json.loads(line)) for line in self.process.stdout],
                         daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(PATIENCE_S)
        self.process.stdout.close()

    def until(self, **wanted):
        while True:
            event = self.lines.get(timeout=PATIENCE_S)
            assert event["time"].endswith("Z") and event["number"] > 0
            if wanted.items() <= event.items():
                return event


def test_events_tell_states_and_limits(make_fleet):
    fleet = make_fleet(LAB.format("lab", "own") + 'limits.packet_size = "1 KiB"\n').start()
    with Follower(fleet) as events:
        events.until(instance="lab", kind="state", state="ready", was="starting")
        os.kill(fleet.pid("lab"), signal.SIGKILL)
        death = events.until(instance="lab", kind="state", state="backoff")
        assert death["because"] == "killed by signal 9 (KILL)"
        events.until(instance="lab", kind="state", state="ready")
        for _ in range(2):
            with Wire(fleet.port("lab")) as wire:
                wire.connect("large")
                wire.publish("t", b"x" * 2000)
                assert wire.recv() is None
        seen = 0
        while seen < 2:
            seen += events.until(instance="lab", kind="limit", limit="packet_size")["times"]
        assert seen == 2
        fleet.cli("stop", "lab")
        events.until(instance="lab", kind="state", state="stopped", because="stopped as asked")
    known = [json.loads(line) for line in fleet.cli("events").stdout.splitlines()]
    assert [one["number"] for one in known] == list(range(1, len(known) + 1))
    fleet.cli("down")
    fleet.cli("events", "-f", code=3)
