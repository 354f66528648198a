"""`make bench`: that its table has what was measured and says what was not. Not how fast anything is."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from fleet import BUILD

pytestmark = pytest.mark.alone
ROOT = Path(__file__).resolve().parents[2]
LIAR = f"""#!{sys.executable}
import re, signal, sys
sys.path[:0] = {[str(ROOT / "tests/e2e"), str(ROOT / "tests/hostile")]}
from lying_broker import LyingBroker
port = int(re.search(r"listener (\\d+) 127.0.0.1", open(sys.argv[sys.argv.index("-c") + 1]).read())[1])
broker = LyingBroker({{5: "lose"}}, port)
signal.pause()
"""


def compare(*words, code=0):
    done = subprocess.run([sys.executable, ROOT / "bench/compare.py", "--build", BUILD, "--seconds", "0.2", *map(str, words)],
                          capture_output=True, text=True, timeout=500)
    assert done.returncode == code, done.stdout + done.stderr
    lines = [line for line in done.stdout.splitlines() if line.startswith("|")]
    return done.stdout, [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_both_brokers_are_in_the_table_and_it_can_be_printed_again(tmp_path):
    kept = tmp_path / "results.json"
    out, (head, _, row) = compare("--rows", "window-1", "--persistence", "crash_safe", "--rounds", 2, "--json", kept)
    assert head == ["", "mosquitto", "Shoal", "ratio", "Shoal, crash_safe", "ratio", "bar", "reached"]
    assert row[0] == "pairs 10:10 QoS 1, window 1" and row[6] == "0.8" and row[7] in ("yes", "no")
    for figure in row[1], row[2], row[4]:
        assert re.fullmatch(r"[0-9.,]+ µs", figure)
    assert float(row[3]) > 0 and float(row[5]) > 0
    data = json.loads(kept.read_text())
    assert [(r["round"], r["broker"]) for r in data["runs"]] == [
        (n, broker) for n in (1, 2) for broker in ("mosquitto", "Shoal", "Shoal, crash_safe")]
    assert all(r["result"]["ok"] and r["result"]["qos"] == 1 for r in data["runs"])
    assert data["commit"] and data["date"] and "mosquitto version" in data["mosquitto"]
    again = subprocess.run([sys.executable, ROOT / "bench/compare.py", "--table", kept], capture_output=True, text=True)
    assert again.returncode == 0 and again.stdout == out


def test_what_is_kept_has_commit_and_date(tmp_path):
    compare("--rows", "create-shared", "--write", tmp_path)
    page, = tmp_path.glob("*.md")
    data = json.loads(page.with_suffix(".json").read_text())
    assert page.stem.startswith(data["date"][:10]) and data["commit"] in page.read_text()
    assert "shared worker" in page.read_text()


def test_a_run_that_does_not_hold_is_no_figure(tmp_path):
    liar = tmp_path / "liar"
    liar.write_text(LIAR)
    os.chmod(liar, 0o755)
    out, (_, _, row) = compare("--rows", "window-1", "--mosquitto", liar, code=1)
    assert row[1] == "failed" and row[2].endswith("µs") and row[3] == row[5] == "–"
    assert "1 messages lost" in out


def test_what_does_not_start_is_said(tmp_path):
    out, (_, _, row) = compare("--rows", "connect", "--mosquitto", "/bin/false", code=1)
    assert row[1] == "failed" and "ended with 1" in out


@pytest.mark.soak
def test_every_row_can_be_measured():
    out, (_, _, *rows) = compare("--full")
    assert len(rows) > 25 and "failed" not in out
    assert all(row[2] != "–" for row in rows), "a figure of Shoal in every row"
