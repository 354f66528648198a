"""Logs: rotation, reopening, levels, JSON, trouble with the disk, `shoal logs`, and standard output."""

import json
import os
import re
import signal
import subprocess
import threading
import time

import pytest
from clients import Paho
from fleet import SHOAL, alive, wait_until
from wire import Wire, connect_packet

LAB = """
[instances.{name}]
worker = "{worker}"
listeners = ["mqtt://127.0.0.1:auto"]
auth = {{ anonymous = true }}
persistence = "none"
log = {{ {log} }}
"""
LINE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z (debug|info |warn |error) ")


def lab(name="lab", log="", worker="own"):
    return LAB.format(name=name, log=log, worker=worker)


def come_and_go(port, client_id):
    """Makes two lines, at a rate at which the instance leaves none out."""
    with Wire(port) as wire:
        wire.connect(client_id)
    time.sleep(0.005)


def files_of(fleet, name):
    """The log and its old files, the oldest first."""
    def age(path):
        last = path.name.rsplit(".", 1)[1]
        return -int(last) if last.isdigit() else 0
    return sorted((p for p in (fleet.home / "log").iterdir() if p.name.startswith(f"{name}.log")), key=age)


def connected(text):
    return re.findall(r"client connected client=(\S+)", text)


def lines_of(fleet, name):
    return "".join(p.read_text() for p in files_of(fleet, name)).splitlines()


def status(fleet, name):
    return json.loads(fleet.cli("status", name, "--json").stdout)


class Follow:
    """A `shoal logs -f` whose lines are collected."""

    def __init__(self, fleet, *args):
        self.lines = []
        self.process = subprocess.Popen([SHOAL, "logs", "-f", *args], env=fleet.env, stdout=subprocess.PIPE, text=True)
        self.reader = threading.Thread(target=self._read)
        self.reader.start()

    def _read(self):
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(10)
        self.reader.join(10)
        self.process.stdout.close()


def test_rotation_by_size_keeps_so_many_and_loses_no_line(make_fleet):
    fleet = make_fleet(lab("few", 'max_size = "4KiB", keep = 2') + lab("all", 'max_size = "4KiB", keep = 900')).start()
    for name in ("few", "all"):
        port = fleet.port(name)
        for i in range(200):
            come_and_go(port, f"c{i}")
    wait_until(lambda: any("c199" in line for line in lines_of(fleet, "all")), "the last line")
    assert connected("\n".join(lines_of(fleet, "all"))) == [f"c{i}" for i in range(200)]
    wait_until(lambda: "c199" in fleet.log("few"), "the last line")
    files = files_of(fleet, "few")
    assert [p.name for p in files] == ["few.log.2", "few.log.1", "few.log"]
    for path in files + files_of(fleet, "all"):
        assert path.stat().st_size <= 4096, path
        assert path.read_bytes().endswith(b"\n")
    assert all(LINE.match(line) for line in lines_of(fleet, "few") + lines_of(fleet, "all"))


@pytest.mark.parametrize("who", ["controller", "worker"])
def test_no_line_is_lost_when_somebody_moves_the_file_and_sends_usr1(make_fleet, who):
    fleet = make_fleet(lab("lab", "max_size = 0")).start()
    port, folder = fleet.port("lab"), fleet.home / "log"
    told = fleet.process.pid if who == "controller" else fleet.pid("lab")
    over = threading.Event()
    ids = []

    def write():
        while not over.is_set():
            ids.append(f"c{len(ids)}")
            come_and_go(port, ids[-1])

    writer = threading.Thread(target=write)
    writer.start()
    moved = []
    try:
        for turn in range(15):
            before = len(ids)
            wait_until(lambda: len(ids) > before + 3, "lines")
            moved.append(folder / f"lab.log-{turn}")
            os.rename(folder / "lab.log", moved[-1])
            wait_until(lambda: len(ids) > before + 6, "lines between moving and telling")
            os.kill(told, signal.SIGUSR1)
            wait_until((folder / "lab.log").exists, "a new file")
    finally:
        over.set()
        writer.join()

    def text_of_all():
        return "".join(p.read_text() for p in [*moved, folder / "lab.log"])

    wait_until(lambda: ids[-1] in connected(text_of_all()), "the last line")
    text = text_of_all()
    # The rate of lines has a bound; what it leaves out is counted in a line of its own.
    assert "lines left out" not in text, "the test writes too fast"
    assert connected(text) == ids
    assert all(LINE.match(line) for line in text.splitlines())


def test_usr1_opens_the_log_of_the_controller_anew(make_fleet):
    fleet = make_fleet(lab()).start()
    os.rename(fleet.home / "log/controller.log", fleet.home / "log/old")
    fleet.process.send_signal(signal.SIGUSR1)
    wait_until((fleet.home / "log/controller.log").exists, "a new file")
    fleet.cli("restart", "lab")
    assert "instance is ready" in fleet.log("controller")


def test_json_lines_are_json_whatever_clients_send(make_fleet):
    fleet = make_fleet('log.format = "json"\n' + lab("lab", 'format = "json", level = "debug"')).start()
    port = fleet.port("lab")
    names = ['quote"back\\slash', "line\nend", "\u2028\u0085", "unicode \u20ac \U0001f41f", "x" * 900]
    for name in names:
        come_and_go(port, name)
    for raw in (b"\xff\xfe", b"\xed\xa0\x80", b"\xc0\xaf", b"cut \xe2\x82"):
        with Wire(port) as wire:
            wire.send(connect_packet(raw))
            wire.recv()
    come_and_go(port, "last")
    wait_until(lambda: "last" in fleet.log("lab"), "the last line")
    seen = []
    for name in ("lab", "controller"):
        for line in (fleet.home / f"log/{name}.log").read_bytes().decode().split("\n")[:-1]:
            about = json.loads(line)
            assert set(about) <= {"time", "level", "instance", "message", "fields"}, about
            assert about["instance"] == name and about["level"] in ("debug", "info", "warn", "error")
            assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", about["time"])
            if about["message"] == "client connected":
                seen.append(about["fields"]["client"])
    assert set(names[:3]) <= set(seen), seen


def test_a_level_changes_while_it_runs_and_stays_when_the_worker_dies(make_fleet):
    fleet = make_fleet(lab("lab", worker="small") + lab("other", worker="small")).start()
    port, other = fleet.port("lab"), fleet.port("other")
    with Paho(port, "stays") as stays:
        assert "warn" in fleet.cli("log-level", "lab", "warn").stdout
        come_and_go(port, "not-logged")
        come_and_go(other, "logged")
        os.kill(fleet.pid("lab"), signal.SIGKILL)
        wait_until(lambda: fleet.ps()["lab"]["restarts"] == 1 and fleet.ps()["lab"]["state"] == "ready", "a new worker")
        wait_until(lambda: stays.connects > 1, "the client is back")
        fleet.cli("log-level", "lab", "info")
        come_and_go(port, "logged-again")
    wait_until(lambda: "logged-again" in fleet.log("lab"), "a line")
    assert "not-logged" not in fleet.log("lab") and fleet.log("lab").count("instance started") == 1
    wait_until(lambda: "logged" in fleet.log("other"), "the other one's line")
    fleet.cli("log-level", "controller", "error")
    fleet.cli("log-level", "nope", "error", code=4)
    fleet.cli("log-level", "lab", "loud", code=2)
    fleet.stop()
    fleet.cli("log-level", "lab", "info", code=3)


@pytest.fixture
def small_log_disk(tmp_path):
    """Mounts a file system of 1 MiB where the logs of `home` are."""
    folder = tmp_path / "home" / "log"
    folder.mkdir(parents=True)
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(folder)], capture_output=True,
                             text=True)
    if mounted.returncode != 0:
        pytest.skip("needs to mount: " + mounted.stderr)
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(folder):
    with (folder / "filler").open("wb", buffering=0) as filler:
        try:
            while filler.write(b"x" * 1024):
                pass
        except OSError:
            pass


def test_a_full_disk_stops_no_instance_and_is_told_and_passes(make_fleet, small_log_disk):
    fleet = make_fleet(lab("lab") + lab("other", worker="small")).start()
    port, other = fleet.port("lab"), fleet.port("other")
    come_and_go(port, "before")
    wait_until(lambda: "before" in fleet.log("lab"), "a line")
    fill(small_log_disk)
    sent = []

    def told():
        # Long lines: few clients fill what waits in memory.
        for _ in range(20):
            sent.append(f"c{len(sent)}-" + "x" * 500)
            come_and_go(port, sent[-1])
        return "No space left" in status(fleet, "lab").get("alarm", "")

    wait_until(told, "the alarm")
    # More than what waits in memory.
    wait_until(lambda: told() and status(fleet, "lab")["stats"]["log_lines_lost"] > 10, "lost lines are counted")
    assert "alarm" not in status(fleet, "other"), "it has written nothing meanwhile"
    with Paho(other) as paho:
        paho.subscribe("t", 1)
        paho.publish("t", "x", 1)
        assert paho.get().payload == b"x"
    assert fleet.ps()["lab"]["restarts"] == 0, fleet.ps()["lab"]["last_exit"] + fleet.output()
    # A worker that starts while it is full serves, too.
    fleet.cli("restart", "other")
    come_and_go(fleet.port("other"), "served")

    (small_log_disk / "filler").unlink()
    fleet.cli("log-level", "controller", "info")
    wait_until(lambda: "alarm" not in status(fleet, "lab"), "the alarm ends")
    come_and_go(port, "after")
    wait_until(lambda: "after" in fleet.log("lab"), "it logs again")
    lost = sum(map(int, re.findall(r"error log lines lost count=(\d+)", fleet.log("lab"))))
    assert lost == status(fleet, "lab")["stats"]["log_lines_lost"]
    lines = fleet.log("lab").splitlines()
    assert all(LINE.match(line) for line in lines), lines
    # Each client has two lines: it came, it went.
    about_clients = len([line for line in lines if " client " in line])
    assert abs(about_clients + lost - 2 * (len(sent) + 2)) <= 6, (about_clients, lost, len(sent))
    assert re.search("instance=lab what=write-log error=.*No space", fleet.log("controller"))


def test_a_log_that_cannot_be_rotated_is_told_and_passes(make_fleet):
    fleet = make_fleet(lab("lab", 'max_size = "2KiB", keep = 1')).start()
    port, obstacle = fleet.port("lab"), fleet.home / "log/lab.log.new"
    obstacle.mkdir()
    for i in range(100):
        come_and_go(port, f"c{i}")
    wait_until(lambda: "cannot be rotated" in status(fleet, "lab").get("alarm", ""), "the alarm")
    assert (fleet.home / "log/lab.log").stat().st_size <= 4096
    obstacle.rmdir()
    wait_until(lambda: "alarm" not in status(fleet, "lab"), "the alarm ends")
    assert "c99" in "\n".join(lines_of(fleet, "lab"))


def test_an_instance_whose_log_cannot_be_opened_says_so_and_the_others_serve(make_fleet):
    fleet = make_fleet(lab("bad") + lab("good"))
    (fleet.home / "log/bad.log").mkdir(parents=True)
    fleet.spawn()
    fleet.wait_ready("good")
    come_and_go(fleet.port("good"), "served")
    assert "bad.log cannot be opened" in wait_until(lambda: fleet.ps()["bad"]["last_exit"], "the reason")
    (fleet.home / "log/bad.log").rmdir()
    fleet.wait_ready("bad")


def test_logs_of_several_by_time_level_and_age(make_fleet):
    fleet = make_fleet(lab("plant-a", 'max_size = "2KiB", keep = 99') + lab("plant-b", 'format = "json"') + lab("lab"))
    fleet.start()
    ports = [fleet.port(name) for name in ("plant-a", "plant-b", "lab")]
    for i in range(40):
        come_and_go(ports[i % 3], f"c{i}")
    middle = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(time.time() + 1))
    while time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime()) <= middle:
        time.sleep(0.05)
    for i in range(40, 60):
        come_and_go(ports[i % 3], f"c{i}")
    with Wire(ports[0]) as wire:
        wire.send(b"\xf0\x00")  # no CONNECT
        wire.recv()
    come_and_go(ports[0], "last")
    wait_until(lambda: "last" in fleet.log("plant-a") and "c59" in fleet.log("lab"), "the last lines")
    assert len(files_of(fleet, "plant-a")) > 2

    def ids(text):
        return re.findall(r'client connected(?: client=|","fields":{"client":")(\w+)', text)

    everything = fleet.cli("logs", "plant-a", "plant-b", "lab").stdout
    assert ids(everything) == [f"c{i}" for i in range(60)] + ["last"]
    assert fleet.cli("logs", "--all").stdout.count("client connected") == 61
    assert "controller | " in fleet.cli("logs", "--all").stdout
    plants = ids(fleet.cli("logs", "plant-*").stdout)
    assert plants == [f"c{i}" for i in range(60) if i % 3 != 2] + ["last"]
    assert ids(fleet.cli("logs", "--since", middle, "plant-?", "lab").stdout) == \
        [f"c{i}" for i in range(40, 60)] + ["last"]
    assert len(fleet.cli("logs", "-n", "30", "plant-a").stdout.splitlines()) == 30
    worse = fleet.cli("logs", "--level", "warn", "plant-*").stdout.splitlines()
    assert worse and all("warn" in line or "error" in line for line in worse)
    assert not ids("\n".join(worse))
    for line in fleet.cli("logs", "--level", "info", "plant-b", "lab").stdout.splitlines():
        assert line.startswith("lab     | ") or json.loads(line)["instance"] == "plant-b"
    assert "Z info" not in fleet.cli("logs", "--all", "--level", "error").stdout
    fleet.cli("logs", "nothing-*", code=4)
    fleet.cli("logs", code=2)
    fleet.cli("logs", "lab", "--level", "loud", code=2)


def test_logs_follow_over_rotation_without_losing_a_line(make_fleet):
    fleet = make_fleet(lab("a", 'max_size = "4KiB", keep = 99') + lab("b", "max_size = 0")).start()
    ports = [fleet.port("a"), fleet.port("b")]
    ids = [f"c{i}" for i in range(300)]
    come_and_go(ports[0], "early")
    wait_until(lambda: "early" in fleet.log("a"), "a line before")
    with Follow(fleet, "a") as one, Follow(fleet, "a", "b") as both:
        wait_until(lambda: one.lines and both.lines, "what was there")
        for i, name in enumerate(ids):
            come_and_go(ports[i % 2], name)
            if i % 50 == 25:
                os.rename(fleet.home / "log/b.log", fleet.home / f"log/b.log-{i}")
                os.kill(fleet.pid("b"), signal.SIGUSR1)
        wait_until(lambda: any(ids[-1] in line for line in both.lines), "the last line")
        wait_until(lambda: any(ids[-2] in line for line in one.lines), "the last line")
    assert connected("\n".join(one.lines)) == ["early"] + ids[::2]
    seen = connected("\n".join(both.lines))
    assert sorted(seen) == sorted(["early"] + ids)
    assert [i for i in seen if i in ids[::2]] == ids[::2] and [i for i in seen if i in ids[1::2]] == ids[1::2]
    stamps = [line.split(" | ")[1][:24] for line in both.lines]
    assert stamps == sorted(stamps)


@pytest.mark.parametrize("format", ["text", "json"])
@pytest.mark.parametrize("target", ["pipe", "file"])
def test_logs_to_standard_output(make_fleet, tmp_path, format, target):
    log = f'format = "{format}"'
    names = ["a", "b", "lab", "lab2"]
    fleet = make_fleet(f"log = {{ {log} }}\n" + lab("a", log) + lab("b", log) + lab("lab", log, "small") +
                       lab("lab2", log, "small"))
    out = (tmp_path / "out").open("wb") if target == "file" else subprocess.PIPE
    with fleet.stderr.open("ab") as err:
        fleet.process = subprocess.Popen([SHOAL, "run", "--log", "stdout"], env=fleet.env, cwd=fleet.home,
                                         stdin=subprocess.DEVNULL, stdout=out, stderr=err, start_new_session=True)
    got = bytearray()
    reader = threading.Thread(target=lambda: got.extend(fleet.process.stdout.read()))
    if target == "pipe":
        reader.start()
    fleet.wait_ready()
    ports = [fleet.port(name) for name in names]

    def crowd(port, name):
        for i in range(100):
            come_and_go(port, f"{name}-{i}-" + "x" * 300)

    threads = [threading.Thread(target=crowd, args=pair) for pair in zip(ports, names)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not list(fleet.home.glob("log/*")), "no files"
    assert "plain" not in fleet.cli("logs", "a", code=1).stdout
    fleet.stop()
    if target == "pipe":
        reader.join(10)
        fleet.process.stdout.close()
    else:
        out.close()
        got = (tmp_path / "out").read_bytes()
    lines = got.decode().split("\n")
    assert lines.pop() == ""
    counts = dict.fromkeys([*names, "controller"], 0)
    for line in lines:
        if format == "json":
            about = json.loads(line)
            name, connects = about["instance"], about["message"] == "client connected"
        else:
            assert LINE.match(line), line
            name, connects = re.match(LINE.pattern + r"(\S+): ", line)[2], "client connected" in line
        counts[name] += connects
    assert counts == {"a": 100, "b": 100, "lab": 100, "lab2": 100, "controller": 0}
    assert any("controller ended" in line for line in lines)


def test_standard_output_that_nobody_reads_keeps_nobody_waiting(make_fleet):
    fleet = make_fleet(lab())
    with fleet.stderr.open("ab") as err:
        fleet.process = subprocess.Popen([SHOAL, "run", "--log", "stdout"], env=fleet.env, cwd=fleet.home,
                                         stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=err,
                                         start_new_session=True)
    fleet.wait_ready()
    port = fleet.port("lab")

    def crowd():
        for _ in range(50):
            come_and_go(port, "x" * 500)
        return status(fleet, "lab")["stats"]["log_lines_lost"] > 0

    wait_until(crowd, "lost lines are counted")
    assert "not read fast enough" in status(fleet, "lab")["alarm"]
    assert alive(fleet.process.pid)
    fleet.stop()
    fleet.process.stdout.close()


def test_the_background_has_no_standard_output(make_fleet):
    fleet = make_fleet(lab())
    fleet.cli("up", "-d", "--log", "stdout", code=2)
    fleet.cli("run", "--log", "syslog", code=2)
