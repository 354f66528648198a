"""What is wrong in a configuration is one line with its place, and nothing is started."""

import os
import re
import socket
import subprocess

import pytest

from fleet import SHOAL, free_port, listening_ports

LAB = """[instances.lab]
listeners = ["mqtt://127.0.0.1:auto"]
auth = { anonymous = true }
"""

# Name: text of shoal.toml (LAB is lines 1 to 3), line and column, what the line must say.
WRONG = {
    "unknown key": (LAB + "presistence = 'none'\n", "4:1", r'unknown key "presistence".*did you mean "persistence"'),
    "unknown key inside": (LAB + "limits = { conections = 1 }\n", "4:12", r'did you mean "connections"'),
    "unknown table": (LAB + "[instance.x]\n", "4:2", r'did you mean "instances"'),
    "value out of range": (LAB + "limits = { inflight = 0 }\n", "4:23", r"inflight: expected 1 to 65535"),
    "wrong type": (LAB + "limits = { sessions = 'many' }\n", "4:23", r"expected an integer"),
    "not TOML": (LAB + "worker = \n", "4:", r""),
    "missing users file": ("[instances.a]\nlisteners = ['mqtt://127.0.0.1:auto']\nauth = { users_file = 'a.users' }\n",
                           "3:10", r"a\.users.*does not exist.*shoal users add a"),
    "nobody let in": ("[instances.a]\nlisteners = ['mqtt://127.0.0.1:auto']\n", "1:12", r"lets nobody in"),
    "persistence": (LAB + "persistence = 'always'\n", "4:15", r"one of none, crash_safe, power_safe"),
    "no such template": (LAB + "template = 'x'\n", "4:12", r'unknown template "x"'),
    "bad listener": ("[instances.a]\nauth.anonymous = true\nlisteners = ['mqtt://example.org:1']\n", "3:14",
                     r"numeric"),
}


def fails_with_one_line(fleet, command, pattern):
    """Both `check` and `run` print just that line, end with 1 and leave nothing behind."""
    done = fleet.cli(*command, code=1, timeout=20)
    assert done.stdout == ""
    lines = done.stderr.splitlines()
    assert len(lines) == 1 and re.search(pattern, lines[0]), done.stderr
    assert not fleet.processes()
    assert fleet.cli("ps", code=3).stdout == ""


@pytest.mark.parametrize("command", ["check", "run"])
@pytest.mark.parametrize("name", WRONG)
def test_wrong_configuration(make_fleet, name, command):
    text, place, says = WRONG[name]
    fleet = make_fleet(text, fleet_table=False)
    fails_with_one_line(fleet, [command], rf"shoal\.toml:{place}.*{says}")


def test_check_tells_all_problems_at_once(make_fleet):
    fleet = make_fleet(LAB + "presistence = 'none'\nqueue = 1\n", fleet_table=False)
    assert [line.split(": ")[0].rsplit("/", 1)[-1] for line in fleet.cli("check", code=1).stderr.splitlines()] == [
        "shoal.toml:4:1", "shoal.toml:5:1"]


def test_check_accepts_a_good_file_and_starts_nothing(make_fleet):
    fleet = make_fleet(LAB)
    fleet.cli("check")
    assert not fleet.processes()


def test_the_file_is_named_by_option_or_environment(make_fleet):
    fleet = make_fleet(LAB)
    other = fleet.home / "other.toml"
    other.write_text("nonsense = 1\n")
    assert "other.toml:1:1" in fleet.cli("check", "-c", other, code=1).stderr
    assert "other.toml:1:1" in fleet.cli("-c", other, "check", code=1).stderr
    fleet.env["SHOAL_CONFIG"] = str(other)
    assert "other.toml:1:1" in fleet.cli("check", code=1).stderr
    assert "none.toml" in fleet.cli("check", "-c", "none.toml", code=1).stderr


def test_instances_in_files_of_their_own(make_fleet):
    fleet = make_fleet(LAB)
    (fleet.home / "instances.d").mkdir()
    (fleet.home / "instances.d/extra.toml").write_text(
        'listeners = ["mqtt://127.0.0.1:auto"]\nauth = { anonymous = true }\nwrong = 1\n')
    fails_with_one_line(fleet, ["run"], r'instances\.d/extra\.toml:3:1: unknown key "wrong"')


def two_on(port, host="127.0.0.1"):
    return f"""[instances.a]
listeners = ["mqtt://127.0.0.1:auto"]
auth = {{ anonymous = true }}
[instances.b]
listeners = ["mqtt://{host}:{port}"]
auth = {{ anonymous = true }}
"""


def test_two_instances_on_one_port(make_fleet):
    port = free_port()
    fleet = make_fleet(two_on(port).replace("auto", str(port)), fleet_table=False)
    for command in ("check", "run"):
        fails_with_one_line(fleet, [command],
                            rf"shoal\.toml:5:14: .*port {port} is held by instance a \(shoal\.toml:2\)")
    assert port not in listening_ports()


def test_a_port_held_by_another_program(make_fleet):
    with socket.create_server(("127.0.0.1", 0)) as held:
        port = held.getsockname()[1]
        fleet = make_fleet(two_on(port), fleet_table=False)
        fails_with_one_line(fleet, ["run"],
                            rf"shoal\.toml:5:14: .*port {port} is held by python3\S* \(pid {os.getpid()}\)")
        assert "serv" not in fleet.log("a"), "instance a was started"


def test_a_port_held_by_another_fleet(make_fleet):
    port = free_port()
    first = make_fleet(two_on(port), name="first").start()
    second = make_fleet(two_on(port), name="second")
    fails_with_one_line(second, ["run"], rf"shoal\.toml:\d+:14: .*port {port} is held by shoal\S* \(pid \d+\)")
    assert first.ps()["b"]["state"] == "ready"


def test_a_second_controller_is_refused_and_the_first_goes_on(make_fleet):
    fleet = make_fleet(LAB).start()
    before = fleet.pid("lab")
    done = fleet.cli("run", code=1, timeout=20)
    assert len(done.stderr.splitlines()) == 1, done
    assert fleet.pid("lab") == before and fleet.ps()["lab"]["state"] == "ready"


def test_two_homes_do_not_share_a_state_folder(make_fleet):
    one = make_fleet(LAB, name="one").start()
    two = make_fleet(LAB, name="two")
    (two.home / "state").symlink_to(one.home / "state")
    done = two.cli("run", code=1, timeout=20)
    assert "a fleet is running already" in done.stderr and len(done.stderr.splitlines()) == 1, done


@pytest.mark.parametrize("arguments", [["frobnicate"], ["ps", "--nonsense"], ["status"], ["start"], []],
                         ids=lambda a: " ".join(a) or "nothing")
def test_wrong_usage_is_2(make_fleet, arguments):
    done = subprocess.run([SHOAL, *arguments], env=make_fleet().env, capture_output=True, text=True, timeout=20)
    assert done.returncode == 2 and done.stderr


@pytest.mark.parametrize("arguments", [["ps"], ["status", "lab"], ["stop", "lab"], ["start", "lab"], ["down"]],
                         ids=lambda a: " ".join(a))
def test_without_a_controller_it_is_3(make_fleet, arguments):
    done = make_fleet(LAB).cli(*arguments, code=3)
    assert len(done.stderr.splitlines()) == 1
