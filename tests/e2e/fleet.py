"""A fleet under test: a home folder, a `shoal run` process and what is looked at from outside."""

import http.client
import json
import os
import random
import re
import signal
import socket
import subprocess
import time
from contextlib import closing
from pathlib import Path

BUILD = Path(os.environ.get("SHOAL_BUILD", Path(__file__).resolve().parents[2] / "build/dev")).resolve()
SHOAL = str(BUILD / "shoal")
RELEASE = BUILD.name == "release"
# How long an answer may take before a test fails; far more than a working one needs.
PATIENCE_S = 20.0


def wait_until(condition, what, timeout=PATIENCE_S):
    """Polls `condition` until it is true and returns its value."""
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, f"not within {timeout} s: {what}"
        time.sleep(0.01)


# Tests that run beside each other (pytest-xdist) take their ports from every LANES-th hundred.
LANES = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", 1))
LANE = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:])


def hundred_ports(first=200, last=319):
    """The first of a hundred ports below the ephemeral range that no test beside this one takes."""
    return random.choice([h for h in range(first, last + 1) if h % LANES == LANE]) * 100


def free_port(host="127.0.0.1"):
    """A port below the ephemeral range that nobody holds now."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    while True:
        port = hundred_ports() + random.randrange(100)
        with socket.socket(family, socket.SOCK_STREAM) as s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                s.bind((host, port))
                return port
            except OSError:
                continue


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def listening_ports():
    """Ports with a listening socket, of anybody on this machine."""
    ports = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A":
                ports.add(int(fields[1].rsplit(":", 1)[1], 16))
    return ports


class ControlSocket(http.client.HTTPConnection):
    """HTTP on a controller's socket."""

    def __init__(self, path):
        super().__init__("shoal", timeout=PATIENCE_S)
        self.path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Fleet:
    """One controller and its workers, with everything they write under `home`."""

    def __init__(self, home):
        self.home = Path(home)
        self.home.mkdir(parents=True, exist_ok=True)
        self.config = self.home / "shoal.toml"
        self.process = None
        first = hundred_ports()
        self.port_range = f"{first}-{first + 99}"
        self.env = {k: v for k, v in os.environ.items() if not k.startswith("SHOAL_")}
        self.env["SHOAL_HOME"] = str(self.home)
        self.env["ASAN_OPTIONS"] = f"log_path={self.home}/sanitizer:detect_leaks=1"
        self.env["UBSAN_OPTIONS"] = f"log_path={self.home}/sanitizer:print_stacktrace=1"
        self.stderr = self.home / "stderr.txt"
        self.control_socket = self.home / "run" / "control.sock"
        self.launcher = []  # words before `shoal run`

    def write(self, text, fleet_table=True):
        """Writes shoal.toml; `auto` looks in a range that no other test uses."""
        head = f'[fleet]\nport_range = "{self.port_range}"\n' if fleet_table else ""
        self.config.write_text(head + text)
        return self

    def cli(self, *args, input=None, code=0, timeout=60):
        """Runs a command and checks its exit code; `code=None` takes any."""
        done = subprocess.run([SHOAL, *map(str, args)], input=input, env=self.env, cwd=self.home,
                              capture_output=True, text=True, timeout=timeout)
        if code is not None:
            assert done.returncode == code, f"shoal {' '.join(map(str, args))}: exit {done.returncode}, " \
                f"not {code}\n{done.stdout}{done.stderr}"
        return done

    def add_user(self, instance, name, password):
        self.cli("users", "add", instance, name, "--password-stdin", input=password + "\n")

    def spawn(self):
        """`shoal run` in the foreground, not yet ready."""
        with self.stderr.open("ab") as err:
            self.process = subprocess.Popen([*self.launcher, SHOAL, "run"], env=self.env, cwd=self.home, stdin=subprocess.DEVNULL,
                                            stdout=err, stderr=err, start_new_session=True)
        return self

    def start(self):
        self.spawn()
        self.wait_ready()
        return self

    def wait_ready(self, *names):
        def ready():
            assert self.process is None or self.process.poll() is None, \
                f"shoal run ended with {self.process.returncode}:\n{self.output()}"
            instances = self.ps()
            wanted = names or instances
            return instances and all(instances[n]["state"] == "ready" for n in wanted)
        wait_until(ready, f"instances ready\n{self.output()}", 60)

    def ps(self):
        """What `ps --json` prints, by name; empty while no controller answers. Asked for without starting a program:
        with sanitizers that would be most of what the tests take."""
        try:
            with closing(ControlSocket(self.control_socket)) as controller:
                controller.request("GET", "/v1/instances")
                answer = controller.getresponse()
                text = answer.read()
        except (OSError, http.client.HTTPException):
            return {}
        return {i["name"]: i for i in json.loads(text)} if answer.status == 200 else {}

    def port(self, name, listener=0):
        return int(self.ps()[name]["listeners"][listener].rsplit(":", 1)[1])

    def pid(self, name):
        return self.ps()[name]["pid"]

    def log(self, name):
        path = self.home / "log" / f"{name}.log"
        return path.read_text() if path.exists() else ""

    def output(self):
        return self.stderr.read_text(errors="replace") if self.stderr.exists() else ""

    def processes(self):
        """Controllers and workers of this home that live."""
        found = []
        for folder in Path("/proc").iterdir():
            if not folder.name.isdigit():
                continue
            try:
                exe = os.readlink(folder / "exe")
                if not exe.startswith(str(BUILD)):
                    continue
                about = (folder / "environ").read_bytes() + (folder / "cmdline").read_bytes()
            except OSError:
                continue
            if re.search(re.escape(os.fsencode(self.home)) + rb"[/\0]", about + b"\0") and alive(int(folder.name)):
                found.append(int(folder.name))
        return found

    def signal(self, number=signal.SIGTERM, timeout=30):
        """Ends the controller with a signal and returns its exit status."""
        self.process.send_signal(number)
        return self.process.wait(timeout)

    def stop(self):
        if self.process and self.process.poll() is None:
            ports = [int(url.rsplit(":", 1)[1]) for i in self.ps().values() for url in i["listeners"]
                     if i["state"] == "ready"]
            status = self.signal()
            assert status == 0, f"shoal run ended with {status}\n{self.output()}"
            wait_until(lambda: not self.processes(), f"processes gone: {self.processes()}", 5)
            left = set(ports) & listening_ports()
            assert not left, f"ports still open: {left}"

    def close(self):
        """Stops the fleet and checks that nothing is left of it and no sanitizer complained."""
        try:
            self.stop()
            wait_until(lambda: not self.processes(), "nothing left behind", 5)
        finally:
            for pid in self.processes():
                os.kill(pid, signal.SIGKILL)
            if self.process:
                self.process.wait(5)
        reports = "".join(p.read_text(errors="replace")[:6000] for p in sorted(self.home.glob("sanitizer.*")))
        assert not reports, reports
        texts = self.output() + "".join(p.read_text(errors="replace") for p in self.home.rglob("*.log"))
        for phrase in ("Sanitizer", "runtime error:", "Assertion"):
            assert phrase not in texts, texts[texts.index(phrase):][:6000]
