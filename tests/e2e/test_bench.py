"""`shoal bench`: that it counts exactly, says what is wrong, and ends when it should. Not how fast anything is."""

import json
import resource
import signal
import subprocess

import pytest

from fleet import SHOAL, free_port, wait_until
from lying_broker import LyingBroker

SHORT = ["--seconds", "0.2", "--warmup", "0.05"]


@pytest.fixture
def fleet(shared_plants):
    return shared_plants


def bench(fleet, *words, code=0, input=None):
    return json.loads(fleet.cli("bench", *words, "--json", code=code, input=input, timeout=60).stdout)


def stats(fleet, name):
    return json.loads(fleet.cli("status", name, "--json").stdout)["stats"]


FAULTS = ["lost", "duplicates", "out_of_order", "misdelivered", "damaged", "refused"]


def faults(result):
    return {key: result[key] for key in FAULTS if result[key]}


MAPS = [(map, version) for map in ["pairs", "fanin", "fanout", "shared"] for version in ["3", "5"]
        if (map, version) != ("shared", "3")]  # shared subscriptions are MQTT 5.0's


@pytest.mark.parametrize("qos", [0, 1, 2])
@pytest.mark.parametrize("map, version", MAPS)
def test_throughput_delivers_everything(fleet, version, qos, map):
    result = bench(fleet, "throughput", "lab", "--map", map, "--pubs", 2, "--subs", 3, "-q", qos, "--proto", version,
                   "--count", 100, "--window", 10)
    copies = {"pairs": 3, "fanin": 6, "fanout": 6, "shared": 2}[map]
    assert (result["sent"], result["delivered"], result["expected"]) == (200, 100 * copies, 100 * copies)
    assert result["ok"] and faults(result) == {} and result["unacknowledged"] == 0
    assert result["latency_p50_us"] <= result["latency_p99_us"] <= result["latency_max_us"]


def test_of_an_instance_the_process_is_known(fleet):
    result = bench(fleet, "latency", "plant-a", "-u", "alice", "--password-stdin", "--rate", 200, *SHORT,
                   input="alice's secret\n")
    assert result["ok"] and result["unsent"] == 0 and result["cpu_us_per_message"] > 0
    assert result["sent"] == result["delivered"] == 50


def test_several_brokers_get_the_load_each(fleet):
    result = bench(fleet, "throughput", "lab", "lab2", "--pubs", 1, "--subs", 1, "--count", 50)
    assert (result["brokers"], result["delivered"]) == (2, 100)


def test_many_filters_each_topic_matched_by_one(fleet):
    result = bench(fleet, "throughput", "lab", "--filters", "1k", "--subs", 5, "--pubs", 2, "--mix", "40,30,30", "--count", 300)
    assert result["ok"] and result["delivered"] == 600 and result["subscriptions"] == 1000
    assert "pss_bytes_per_subscription" in result


@pytest.mark.parametrize("qos", [0, 1])
def test_retained_messages_come_once_to_each_and_are_gone_afterwards(fleet, qos):
    result = bench(fleet, "retained", "lab", "--count", 300, "--subs", 3, "-q", qos)
    assert result["ok"] and result["delivered"] == 900 and result["retained"] == 300
    assert stats(fleet, "lab")["retained_now"] == 0


def test_connections(fleet):
    result = bench(fleet, "conn", "lab", "--count", 100, "--concurrency", 8)
    assert result["ok"] and result["connected"] == 100 and "cpu_us_per_connection" in result
    result = bench(fleet, "conn", "lab", "--count", 50, "--hold", "--subscribe", 2)
    assert result["ok"] and result["subscriptions"] == 100 and "pss_bytes_per_connection" in result
    assert "wake_ups_per_s" not in result, "of no time"
    result = bench(fleet, "conn", "lab", "--count", 50, "--hold", "--keepalive", 0, "--seconds", "0.3")
    assert result["ok"] and "wake_ups_per_s" in result
    wait_until(lambda: stats(fleet, "lab")["connections_now"] == 0, "all have left")


def test_who_asks_for_more_connections_than_an_instance_accepts_is_told(make_fleet):
    fleet = make_fleet("""
        [instances.slow]
        listeners = ["mqtt://127.0.0.1:auto"]
        auth = { anonymous = true }
        persistence = "none"
        limits = { connects_per_second = 50 }
        """).start()
    assert bench(fleet, "conn", "slow", "--count", 20)["warnings"] == []
    warning, = bench(fleet, "conn", "slow", "--count", 100)["warnings"]
    assert "50 connections a second" in warning and "limits.connects_per_second" in warning


@pytest.mark.parametrize("version", ["3", "5"])
def test_persistent_sessions_are_gone_afterwards(make_fleet, version):
    fleet = make_fleet("""
        [instances.lab]
        listeners = ["mqtt://127.0.0.1:auto"]
        auth = { anonymous = true }
        persistence = "crash_safe"
        """).start()
    words = ["lab", "--pubs", 2, "--subs", 3, "-q", 1, "--proto", version, "--persistent"]
    run = subprocess.Popen([SHOAL, "bench", "latency", *map(str, words), "--seconds", "20", "--json"], env=fleet.env,
                           stdout=subprocess.PIPE, text=True)
    wait_until(lambda: stats(fleet, "lab")["messages_received"] > 10, "under way")
    kept = json.loads(fleet.cli("store", "inspect", "lab", "--json").stdout)
    run.send_signal(signal.SIGINT)
    assert json.loads(run.communicate(timeout=20)[0])["warnings"] == []
    assert kept["sessions"] == 5 and stats(fleet, "lab")["sessions_now"] == 0
    result = bench(fleet, "throughput", *words, "--count", 50)
    assert result["ok"] and result["delivered"] == 150 and stats(fleet, "lab")["sessions_now"] == 0


def test_instances_get_their_own_only(fleet):
    ports = [fleet.port("lab"), fleet.port("lab2")]
    result = bench(fleet, "instances", "--port", f"{ports[0]},{ports[1]}")
    assert result["ok"] and (result["working"], result["leaked"]) == (2, 0)
    # Two ports of one broker are not two brokers.
    result = bench(fleet, "instances", "--port", f"{ports[0]},{ports[0]}", code=1)
    assert not result["ok"] and result["leaked"] > 0
    result = bench(fleet, "instances", "--port", f"{ports[0]},{free_port()}", "--seconds", "0.3", code=1)
    assert (result["working"], result["silent"]) == (1, 1) and "refused" in result["faults"][0]


def test_pub_and_sub_meet(fleet):
    before = stats(fleet, "lab")["subscriptions_now"]
    sub = subprocess.Popen([SHOAL, "bench", "sub", "lab", "--clients", "2", "-t", "b/%i", "-q", "1", "--count", "40",
                            "--seconds", "20", "--json"], env=fleet.env, stdout=subprocess.PIPE, text=True)
    wait_until(lambda: stats(fleet, "lab")["subscriptions_now"] == before + 2, "subscribed")
    sent = bench(fleet, "pub", "lab", "--clients", 2, "-t", "b/%i", "-q", 1, "--rate", 1000, "--count", 40, "--payload", 100)
    assert sent["ok"] and (sent["sent"], sent["acknowledged"]) == (40, 40)
    got = json.loads(sub.communicate(timeout=20)[0])
    assert got["ok"] and (got["received"], got["checked"]) == (40, 40) and sub.returncode == 0


@pytest.mark.parametrize("lies, wrong", [
    ({2: "lose", 3: "lose", 10: "lose"}, {"lost": 3}),
    ({7: "twice", 9: "twice"}, {"duplicates": 2}),
    ({9: "hold"}, {"out_of_order": 1}),
    ({6: "damage"}, {"damaged": 1, "lost": 1}),
    ({7: "astray"}, {"misdelivered": 1}),
    ({3: "lose", 6: "twice", 9: "hold"}, {"lost": 1, "duplicates": 1, "out_of_order": 1}),
], ids=lambda value: "-".join(value) if isinstance(next(iter(value)), str) else None)
def test_a_broker_that_lies_is_caught_in_exact_numbers(fleet, lies, wrong):
    with LyingBroker(lies) as broker:
        words = ["throughput", "--port", broker.port, "--host", "127.0.0.1", "--proto", 3, "--map", "pairs", "--subs", 2]
        result = bench(fleet, *words, "--pubs", 2, "--window", 4, "--count", 10, code=1)
    assert faults(result) == wrong and result["sent"] == 20 and not result["ok"]
    assert result["delivered"] == 20 - wrong.get("lost", 0)
    assert len(result["faults"]) == len(wrong)


def test_at_qos_1_a_duplicate_is_told_and_allowed(fleet):
    with LyingBroker({4: "twice"}) as broker:
        result = bench(fleet, "throughput", "--port", broker.port, "--proto", 3, "--pubs", 1, "--subs", 1, "-q", 1, "--count", 10)
    assert result["ok"] and result["duplicates"] == 1 and len(result["warnings"]) >= 1


def test_a_connection_that_is_lost_ends_the_run_with_the_figures_so_far(fleet):
    with LyingBroker({8: "drop"}) as broker:
        result = bench(fleet, "throughput", "--port", broker.port, "--proto", 3, "--pubs", 1, "--subs", 1, "--window", 2,
                       "--count", 50, code=1)
    assert result["delivered"] == 7 and any("connection" in line for line in result["faults"])


@pytest.mark.parametrize("kind", ["throughput", "latency", "conn", "retained"])
def test_nobody_there_and_nobody_let_in_are_one_line(fleet, kind):
    for options, says in ([["-p", free_port()], "refused"], [["plant-a"], "bad user name"]):
        done = fleet.cli("bench", kind, *options, code=1, timeout=20)
        lines = [line for line in done.stderr.splitlines() if "warning" not in line]
        assert len(lines) == 1 and says in lines[0].lower(), done.stderr
        assert done.stdout == "", "figures of nothing"
    assert "nosuch" in fleet.cli("bench", kind, "nosuch", code=4).stderr


def test_ctrl_c_ends_it_with_the_figures_so_far(fleet):
    before = stats(fleet, "lab2")["messages_received"]
    run = subprocess.Popen([SHOAL, "bench", "throughput", "lab2", "--seconds", "60", "--json", "--window", "2"],
                           env=fleet.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    wait_until(lambda: stats(fleet, "lab2")["messages_received"] > before + 1000, "under way")
    run.send_signal(signal.SIGINT)
    out, err = run.communicate(timeout=20)
    result = json.loads(out)
    assert run.returncode == 0, err
    assert result["interrupted"] and result["ok"] and result["sent"] == result["delivered"] > 1000
    wait_until(lambda: stats(fleet, "lab2")["connections_now"] == 0, "all have left")


def test_too_few_descriptors_are_told_up_front(fleet):
    done = subprocess.run([SHOAL, "bench", "conn", "lab", "--hold", "--count", "1000"], env=fleet.env, text=True,
                          capture_output=True, timeout=20, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (200, 200)))
    assert done.returncode == 1 and "RLIMIT_NOFILE" in done.stderr and "1032" in done.stderr, done.stderr
    assert stats(fleet, "lab")["connections_now"] == 0


def test_a_process_that_is_not_there_is_an_error(fleet):
    done = fleet.cli("bench", "conn", "-p", fleet.port("lab"), "--pid", 4_000_000, code=1)
    assert "4000000" in done.stderr
