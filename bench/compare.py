#!/usr/bin/env python3
"""Shoal beside mosquitto: every row by `shoal bench` on fresh brokers, one after the other, as a table in Markdown.

    bench/compare.py                             one round, one reactor: `make bench`
    bench/compare.py --rounds 5 --threads 1,2 --persistence crash_safe --write bench/results: `make bench-full`
    bench/compare.py --rows 'pairs*,connect'     only some rows
    bench/compare.py --table FILE.json           the table of results that are there

A run in which something was lost, repeated, out of order or refused is no figure: the row says `failed`, and the exit
code is 1. That a bar is missed is told, and is no error: one round on a busy machine proves nothing.
docs/performance.md says what the rows mean.
"""

import argparse
import datetime
import fnmatch
import json
import os
import resource
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
RUN_LIMIT_S = 180
BUSY_CORES = 0.2  # of others, from which on a run is told to be doubtful

# ---- What is measured: plain data -----------------------------------------------------------------------------------

# Loads by name: arguments of `shoal bench`, without broker, MQTT version (3.1.1 unless given) and time.
LOADS = {
    "pairs-q0": "throughput --map pairs --pubs 10 --subs 10 -q 0",
    "pairs-q1": "throughput --map pairs --pubs 10 --subs 10 -q 1",
    "pairs-q2": "throughput --map pairs --pubs 10 --subs 10 -q 2",
    "window-10": "throughput --map pairs --pubs 10 --subs 10 -q 1 --window 10",
    "window-1": "throughput --map pairs --pubs 10 --subs 10 -q 1 --window 1",
    "fanout-q0": "throughput --map fanout --pubs 1 --subs 100 -q 0",
    "fanout-q1": "throughput --map fanout --pubs 1 --subs 100 -q 1",
    "fanin": "throughput --map fanin --pubs 50 --subs 1 -q 1",
    "shared": "throughput --map shared --pubs 10 --subs 10 -q 1 --proto 5",
    "large": "throughput --map pairs --pubs 4 --subs 4 -q 0 --window 20 --payload 16384",
    "subs": "throughput --filters 100k --mix 70,20,10 --pubs 4 --subs 100 -q 0",
    "latency": "latency --map pairs --pubs 10 --subs 10 --rate 3000 -q 1",
    "unsaturated-q0": "latency --map pairs --pubs 500 --subs 500 --rate 5000 -q 0",
    "unsaturated-q1": "latency --map pairs --pubs 500 --subs 500 --rate 5000 -q 1",
    "retained": "retained --count 50k --subs 2 -q 1",
    "connect": "conn --count 10k --concurrency 64",
    "idle": "conn --count 10k --hold --subscribe 1",
    "quiet": "conn --count 15k --hold --subscribe 1 --keepalive 0",
    # What is done without `shoal bench`, see the functions of these names.
    "own-worker": None,
    "shared-worker": None,
    "create-own": None,
    "create-shared": None,
    "thousand": None,
}
MESSAGE_LOADS = list(LOADS)[:list(LOADS).index("retained")]


@dataclass
class Row:
    load: str
    name: str
    figure: str           # key of `shoal bench --json`
    unit: str
    ratio: float = None   # the bar, as a ratio to mosquitto
    most: float = None    # the bar, as a figure of its own
    full: bool = False    # only in `make bench-full`


CPU, CONNECTION, PSS = "cpu_us_per_message", "cpu_us_per_connection", "pss_bytes_per_"
ROWS = [
    Row("pairs-q0", "throughput pairs 10:10 QoS 0", CPU, "µs", ratio=0.035),
    Row("pairs-q1", "pairs 10:10 QoS 1", CPU, "µs", ratio=0.035),
    Row("pairs-q2", "pairs 10:10 QoS 2", CPU, "µs", ratio=0.025),
    Row("window-10", "pairs 10:10 QoS 1, window 10", CPU, "µs", ratio=0.11),
    Row("window-1", "pairs 10:10 QoS 1, window 1", CPU, "µs", ratio=0.8),
    Row("fanout-q0", "fan-out 1:100 QoS 0", CPU, "µs", ratio=0.03),
    Row("fanout-q1", "fan-out 1:100 QoS 1", CPU, "µs", ratio=0.035),
    Row("fanin", "fan-in 50:1 QoS 1", CPU, "µs", ratio=0.045),
    Row("shared", "shared 10:10 QoS 1 (MQTT 5.0)", CPU, "µs", ratio=0.035),
    Row("large", "pairs 4:4 QoS 0, 16 KiB, window 20", CPU, "µs", ratio=0.40),
    Row("subs", "100,000 filters, random topics", CPU, "µs", ratio=0.22),
    Row("retained", "retained: 50,000 to 2 subscribers, QoS 1", CPU, "µs", ratio=0.08),
    Row("latency", "3,000 messages/s, QoS 1", CPU, "µs", ratio=0.75),
    Row("latency", "the same: p99", "latency_p99_us", "µs", ratio=0.9),
    Row("connect", "connection, 10,000 of them, 64 at a time", CONNECTION, "µs", ratio=0.75),
    Row("idle", "idle connection with a subscription, 10,000 of them", PSS + "connection", "B", most=700),
    Row("subs", "subscription, 100,000 of them", PSS + "subscription", "B", most=220),
    Row("retained", "retained message, 50,000 of them", PSS + "retained_message", "B", most=260),
    Row("own-worker", "idle instance in a worker of its own, 100 of them", "pss_bytes", "B", most=350_000),
    Row("own-worker", "the same: threads", "threads", "", most=1),
    Row("shared-worker", "idle instance in a shared worker, 100 of them", "pss_bytes", "B", most=16_384),
    Row("create-own", "from the request to the first CONNACK, own worker", "ms", "ms", most=10),
    Row("create-shared", "from the request to the first CONNACK, shared worker", "ms", "ms", most=1),
    Row("unsaturated-q0", "500 pairs, 10 messages/s each, QoS 0", CPU, "µs"),
    Row("unsaturated-q1", "500 pairs, 10 messages/s each, QoS 1", CPU, "µs"),
    Row("quiet", "15,000 idle connections: wake-ups a second", "wake_ups_per_s", "/s", full=True),
    Row("thousand", "1,000 instances in a worker, a pair each, by one with 1,000 pairs", "ratio", "", most=1.3, full=True),
]


# ---- Brokers --------------------------------------------------------------------------------------------------------

next_port = 20_000 + os.getpid() % 50 * 20


def free_port():
    """Below the ephemeral range, and each only once: a closed connection holds its pair of ports for a minute."""
    global next_port
    while True:
        next_port = next_port + 1 if next_port < 31_999 else 20_000
        with socket.socket() as s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                s.bind(("127.0.0.1", next_port))
                return next_port
            except OSError:
                pass


def wait_for(condition, what, limit_s=60):
    end = time.monotonic() + limit_s
    while not (value := condition()):
        if time.monotonic() > end:
            raise RuntimeError(f"not within {limit_s} s: {what}")
        time.sleep(0.01)
    return value


def end(process):
    process.terminate()
    try:
        process.wait(30)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(5)


def connack(port, limit_s=20, process=None):
    """Connects at once and again until there is a CONNACK."""
    connect = bytes([0x10, 13, 0, 4]) + b"MQTT" + bytes([4, 2, 0, 60, 0, 1]) + b"b"
    until = time.monotonic() + limit_s
    while True:
        if process and process.poll() is not None:
            raise RuntimeError(f"{process.args[0]} ended with {process.returncode}")
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=limit_s) as s:
                s.sendall(connect)
                answer = s.recv(4)
                if answer[:1] == b"\x20":
                    return
        except (ConnectionRefusedError, ConnectionResetError):
            pass
        if time.monotonic() > until:
            raise RuntimeError(f"no CONNACK from port {port} within {limit_s} s")
        time.sleep(0.0002)


class Mosquitto:
    """One process for each instance."""

    name, shoal = "mosquitto", False

    def __init__(self, options):
        self.program = options.mosquitto

    def start(self, stack, count=1, worker="own"):
        self.home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        self.ports = []
        processes = [self.launch(stack, free_port()) for _ in range(count)]
        for port, process in zip(self.ports, processes):
            connack(port, process=process)
        self.pids = [process.pid for process in processes]
        return self

    def launch(self, stack, port):
        config = self.home / f"{port}.conf"
        config.write_text(f"listener {port} 127.0.0.1\n" + (ROOT / "bench/mosquitto.conf").read_text())
        process = subprocess.Popen([self.program, "-c", config], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        stack.callback(end, process)
        self.ports.append(port)
        return process

    def create(self, stack):
        """Milliseconds from the wish for a broker to its first CONNACK."""
        port = free_port()
        begin = time.perf_counter()
        process = self.launch(stack, port)
        connack(port, process=process)
        return (time.perf_counter() - begin) * 1e3


class Shoal:
    """A controller, and the instances in workers of their own or in a shared one."""

    shoal = True

    def __init__(self, options, threads=1, persistence="none"):
        self.program, self.threads, self.persistence = options.build / "shoal", threads, persistence
        self.name = "Shoal" + (f", {threads} reactors" if threads > 1 else "") + (
            f", {persistence}" if persistence != "none" else "")

    def start(self, stack, count=1, worker="own"):
        self.home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        self.ports = [free_port() for _ in range(count)]
        text = (ROOT / "bench/shoal.toml").read_text()
        text += f'[templates.more]\nworker = "{worker}"\n'
        for number, port in enumerate(self.ports):
            text += f'[instances.x{number}]\nlisteners = ["mqtt://127.0.0.1:{port}"]\nworker = "{worker}"\n'
            text += f'persistence = "{self.persistence}"\n'
            if self.threads != 1:
                text += f"threads = {self.threads}\n"
        (self.home / "shoal.toml").write_text(text)
        self.environment = {k: v for k, v in os.environ.items() if not k.startswith("SHOAL_")}
        self.environment["SHOAL_HOME"] = str(self.home)
        errors = (self.home / "stderr.txt").open("wb")
        process = subprocess.Popen([self.program, "run"], env=self.environment, stdin=subprocess.DEVNULL,
                                   stdout=errors, stderr=errors, start_new_session=True)
        stack.callback(end, process)

        def ready():
            if process.poll() is not None:
                raise RuntimeError("shoal run: " + (self.home / "stderr.txt").read_text(errors="replace")[-600:])
            done = subprocess.run([self.program, "ps", "--json"], env=self.environment, capture_output=True, text=True)
            instances = json.loads(done.stdout) if done.returncode == 0 else []
            return instances if instances and all(i["state"] == "ready" for i in instances) else None

        instances = wait_for(ready, "instances ready")
        self.pids = sorted({i["pid"] for i in instances})
        return self

    def create(self, stack):
        port = free_port()
        body = json.dumps({"instances": [{"name": f"new{port}", "template": "more",
                                          "keys": {"listeners": f"mqtt://127.0.0.1:{port}"}}]}).encode()
        request = (b"POST /v1/instances HTTP/1.1\r\nHost: shoal\r\nConnection: close\r\n"
                   b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body)) + body
        with socket.socket(socket.AF_UNIX) as api:
            api.settimeout(20)
            api.connect(str(self.home / "run/control.sock"))
            begin = time.perf_counter()
            api.sendall(request)
            connack(port)
            taken = (time.perf_counter() - begin) * 1e3
            answer = api.recv(4096)
            if b" 20" not in answer[:12]:
                raise RuntimeError("POST /v1/instances: " + answer.decode(errors="replace"))
        return taken


# ---- Runs -----------------------------------------------------------------------------------------------------------


def bench(options, broker, words, ports=None, pids=None):
    """One run of `shoal bench`: its figures. What it found wrong is in `faults`."""
    words = [*words.split(), "--port", ",".join(map(str, ports or broker.ports)), "--setup", "60", "--json"]
    pids = broker.pids if pids is None else pids
    if pids:
        words += ["--pid", ",".join(map(str, pids))]
    if "--proto" not in words:
        words += ["--proto", "3"]
    if words[0] in ("throughput", "latency") or "--hold" in words:
        words += ["--seconds", str(options.seconds)]
    if words[0] in ("throughput", "latency"):
        words += ["--warmup", str(min(0.5, options.seconds))]
        if getattr(broker, "persistence", "none") != "none":
            words += ["--persistent"]
    done = subprocess.run([options.build / "shoal", "bench", *words], capture_output=True, text=True, timeout=RUN_LIMIT_S)
    try:
        result = json.loads(done.stdout)
    except ValueError:
        result = {"faults": []}
    if done.returncode != 0 and not result["faults"]:
        result["faults"] = [done.stderr.strip() or f"shoal bench: exit code {done.returncode}"]
    return result


def pss_bytes(pid):
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024


def check_instances(options, broker):
    """That what was measured works: every instance answers, and hears nothing of others."""
    return bench(options, broker, "instances", pids=[])["faults"]


def own_worker(options, broker, stack):
    broker.start(stack, 100)
    time.sleep(0.5)
    return {"pss_bytes": sum(map(pss_bytes, broker.pids)) / len(broker.pids),
            "threads": max(len(os.listdir(f"/proc/{pid}/task")) for pid in broker.pids),
            "faults": check_instances(options, broker)}


def shared_worker(options, broker, stack):
    if not broker.shoal:
        return None
    one = type(broker)(options, broker.threads).start(stack, 1, "small")
    broker.start(stack, 101, "small")
    time.sleep(0.5)
    return {"pss_bytes": (pss_bytes(broker.pids[0]) - pss_bytes(one.pids[0])) / 100,
            "faults": check_instances(options, broker)}


def create(options, broker, stack, worker):
    if not broker.shoal and worker != "own":
        return None
    broker.start(stack, 1, worker)
    return {"ms": statistics.median(broker.create(stack) for _ in range(10)), "faults": []}


def thousand(options, broker, stack):
    """CPU for each message of many instances in one worker, by that of one instance with the same load."""
    if not broker.shoal:
        return None
    with ExitStack() as one:
        alone = bench(options, broker.start(one, 1, "small"), "throughput --pubs 1000 --subs 1000 -q 1 --window 10")
    together = bench(options, broker.start(stack, 1000, "small"), "throughput --pubs 1 --subs 1 -q 1 --window 10")
    faults = alone["faults"] + together["faults"]
    return {"ratio": None if faults else together[CPU] / alone[CPU], "faults": faults}


def busy_s():
    """CPU time of the machine, what the hypervisor took away included."""
    user, nice, system, _, _, _, _, steal = map(int, Path("/proc/stat").read_text().split()[1:9])
    return (user + nice + system + steal) / os.sysconf("SC_CLK_TCK")


def children_s():
    """CPU time of this program and of what it started and has ended."""
    return sum(u.ru_utime + u.ru_stime for u in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)))


def used_s(pids):
    """CPU time of processes that still run."""
    total = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        total += int(fields[11]) + int(fields[12])
    return total / os.sysconf("SC_CLK_TCK")


def run(options, load, broker):
    with ExitStack() as stack:
        if load in ("own-worker", "shared-worker", "thousand"):
            return {"own-worker": own_worker, "shared-worker": shared_worker, "thousand": thousand}[load](
                options, broker, stack)
        if load in ("create-own", "create-shared"):
            return create(options, broker, stack, {"create-own": "own", "create-shared": "small"}[load])
        broker.start(stack)
        time.sleep(0.2)
        began, busy, own, used = time.monotonic(), busy_s(), children_s(), used_s(broker.pids)
        result = bench(options, broker, LOADS[load])
        ours = children_s() - own
        try:
            ours += used_s(broker.pids) - used
        except OSError:
            return result  # it is gone, which the run has noticed
        result["other_cores"] = max(0, busy_s() - busy - ours) / (time.monotonic() - began)
        return result


def fits(load, broker):
    """What is not as by default is measured under load only: other persistences by messages, more reactors by all loads."""
    if not broker.shoal:
        return True
    return (broker.persistence == "none" or load in MESSAGE_LOADS) and (broker.threads == 1 or LOADS[load] is not None)


def measure(options, brokers, loads):
    runs = []
    for number in range(options.rounds):
        for load in loads:
            for broker in brokers:
                if not fits(load, broker):
                    continue
                try:
                    result = run(options, load, broker)
                except (RuntimeError, OSError, KeyError, subprocess.TimeoutExpired) as error:
                    result = {"faults": [str(error)]}
                if result is None:
                    continue
                runs.append({"round": number + 1, "load": load, "broker": broker.name, "result": result})
                shown = [f"{r.figure} {result[r.figure]:.4g}" for r in ROWS if r.load == load and result.get(r.figure) is not None]
                print(f"{number + 1}/{options.rounds} {load}, {broker.name}:",
                      ", ".join(shown), *result["faults"], file=sys.stderr, flush=True)
    return runs


# ---- The table ------------------------------------------------------------------------------------------------------


def text(value, unit=""):
    if value is None:
        return "–"
    digits = 0 if abs(value) >= 100 or value == int(value) else 1 if abs(value) >= 10 else 2 if abs(value) >= 1 else 3
    return f"{value:,.{digits}f}" + (f" {unit}" if unit else "")


def table(data):
    """The rows in Markdown, and below what was wrong."""
    brokers, runs = data["brokers"], data["runs"]
    yardstick = brokers[0]

    def failed(load, broker):
        return any(r["result"]["faults"] for r in runs if (r["load"], r["broker"]) == (load, broker))

    def median(row, broker):
        found = [r["result"].get(row.figure) for r in runs if (r["load"], r["broker"]) == (row.load, broker)]
        found = [value for value in found if value is not None]
        return statistics.median(found) if found else None

    head = ["", yardstick, *(word for broker in brokers[1:] for word in (broker, "ratio")), "bar", "reached"]
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    for row in ROWS:
        if not any(r["load"] == row.load for r in runs):
            continue
        base = median(row, yardstick)
        cells = [row.name, "failed" if failed(row.load, yardstick) else text(base, row.unit)]
        reached = None
        for broker in brokers[1:]:
            value = median(row, broker)
            ratio = value / base if value is not None and base and not failed(row.load, yardstick) else None
            if failed(row.load, broker):
                cells += ["failed", "–"]
            else:
                cells += [text(value, row.unit), "–" if ratio is None else f"{ratio:.3f}"]
                if broker == brokers[1]:
                    compared, bar = (value, row.most) if row.most is not None else (ratio, row.ratio)
                    reached = None if compared is None or bar is None else compared <= bar
        bar = f"≤ {text(row.most, row.unit)}" if row.most is not None else row.ratio and f"{row.ratio:g}" or "–"
        cells += [bar, {None: "–", True: "yes", False: "no"}[reached]]
        lines.append("| " + " | ".join(cells) + " |")
    notes = [f"- failed: {r['load']}, {r['broker']}, round {r['round']}: {'; '.join(r['result']['faults'])}"
             for r in runs if r["result"]["faults"]]
    busy = {r["load"] for r in runs if r["result"].get("other_cores", 0) > BUSY_CORES}
    if busy:
        notes.append(f"- The machine was busy with other things during {', '.join(b for b in LOADS if b in busy)}.")
    return "\n".join(lines + ([""] + notes if notes else []))


def page(data):
    """Table and circumstances, as they are kept."""
    about = f"{data['date'][:10]}, commit {data['commit']}, {data['machine']}; {data['mosquitto']}. "
    rounds = data["rounds"]
    about += f"Medians of {rounds} interleaved rounds. " if rounds > 1 else "One round. "
    about += f"{data['seconds']:g} s a load. What the rows mean: [performance](../../docs/performance.md)."
    return f"# Shoal beside mosquitto\n\n{about}\n\n{table(data)}\n"


def output_of(*words):
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True)
    return done.stdout.strip()


def circumstances(options):
    cpu = [line.split(":", 1)[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines()
           if line.startswith("model name")]
    commit = output_of("git", "rev-parse", "--short", "HEAD") or "unknown"
    changed = output_of("git", "status", "--porcelain", "--untracked-files=no")
    return {
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "commit": commit + (" with changes" if changed else ""),
        "machine": f"{os.cpu_count()} cores{' ' + cpu[0] if cpu else ''}",
        "mosquitto": (output_of(options.mosquitto, "-h").splitlines() or ["mosquitto, version unknown"])[0],
        "rounds": options.rounds, "seconds": options.seconds,
    }


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=1, help="interleaved rounds; the table has medians (1)")
    parser.add_argument("--rows", help="loads by name or pattern, comma-separated (all of `make bench`)")
    parser.add_argument("--full", action="store_true", help="also the rows that take long")
    parser.add_argument("--threads", default="1", help="numbers of reactors, such as 1,2 (1)")
    parser.add_argument("--persistence", choices=["crash_safe", "power_safe"],
                        help="the message rows with persistent sessions and this persistence, too")
    parser.add_argument("--seconds", type=float, default=3, help="length of each load (3)")
    parser.add_argument("--build", type=Path, default=ROOT / "build/release", help="folder of the programs")
    parser.add_argument("--mosquitto", default="/usr/sbin/mosquitto", help="the other broker")
    parser.add_argument("--json", type=Path, help="write the results there")
    parser.add_argument("--write", type=Path, metavar="FOLDER", help="write DATE-mosquitto.md and .json there")
    parser.add_argument("--table", type=Path, metavar="FILE", help="print the table of these results, measure nothing")
    return parser.parse_args()


def main():
    options = arguments()
    if options.table:
        print(table(json.loads(options.table.read_text())))
        return 0
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that what was started is ended
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    loads = list(dict.fromkeys(r.load for r in ROWS if options.full or options.rows or not r.full))
    if options.rows:
        patterns = options.rows.split(",")
        loads = [load for load in loads if any(fnmatch.fnmatch(load, p) for p in patterns)]
        if not loads:
            sys.exit(f"no row is called {options.rows}; there are {', '.join(LOADS)}")
    brokers = [Mosquitto(options), *(Shoal(options, int(n)) for n in options.threads.split(","))]
    if options.persistence:
        brokers.append(Shoal(options, persistence=options.persistence))
    data = circumstances(options) | {"brokers": [b.name for b in brokers]}
    data["runs"] = measure(options, brokers, loads)
    print(table(data))
    if options.json:
        options.json.write_text(json.dumps(data, indent=1) + "\n")
    if options.write:
        stem = options.write / f"{data['date'][:10]}-mosquitto"
        stem.with_suffix(".json").write_text(json.dumps(data, indent=1) + "\n")
        stem.with_suffix(".md").write_text(page(data))
        print(f"written to {stem}.md and .json", file=sys.stderr)
    return 1 if any(r["result"]["faults"] for r in data["runs"]) else 0


if __name__ == "__main__":
    sys.exit(main())
