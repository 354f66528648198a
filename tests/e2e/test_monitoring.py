"""What an operator watches a fleet with: metrics, health, clients, top."""

import http.client
import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

from clients import V5, Paho
from exposition import Page
from fleet import PATIENCE_S, free_port, wait_until

REFERENCE = Path(__file__).resolve().parents[2] / "docs/reference/metrics.md"
PROMTOOL = os.environ.get("PROMTOOL") or shutil.which("promtool")
LAB = """
[instances.{}]
worker = "{}"
listeners = ["mqtt://127.0.0.1:auto"]
auth = {{ anonymous = true }}
persistence = "none"
"""


class Local(http.client.HTTPConnection):
    """HTTP on the control socket."""

    def __init__(self, fleet):
        super().__init__("shoal", timeout=PATIENCE_S)
        self.path = str(fleet.home / "run" / "control.sock")

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


def get(connection, target, method="GET"):
    connection.request(method, target)
    response = connection.getresponse()
    return response.status, response.read().decode(), response.headers["Content-Type"]


def page(fleet):
    status, text, content_type = get(Local(fleet), "/metrics")
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
    status, text, _ = get(Local(fleet), "/metrics")
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
    assert get(Local(fleet), "/readyz")[0] == 200
    for _ in range(3):  # the back-off grows, so that it can be seen
        fleet.wait_ready()
        os.kill(fleet.pid("lab"), signal.SIGKILL)
        wait_until(lambda: fleet.ps()["lab"]["state"] != "ready", "death seen")
    status, text, _ = get(tcp, "/readyz")
    assert status == 503 and '"name":"lab"' in text and '"why":' in text and "other" not in text, text
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
