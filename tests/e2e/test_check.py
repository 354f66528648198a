"""What the machine has for a fleet."""

import resource
import subprocess

from fleet import SHOAL
from test_apply import HEAD, instance


def test_check_adds_up_and_run_refuses_what_cannot_run(make_fleet):
    fleet = make_fleet(HEAD + instance("a", "auto") + instance("b", 40001, enabled=False))
    shown = fleet.cli("check").stdout
    assert ": ok, 2 instances, 2 listeners" in shown and "descriptors" in shown and "memory" in shown
    assert "port 40001 of instance b" in shown and "ip_local_reserved_ports=40001" in shown

    def few():
        resource.setrlimit(resource.RLIMIT_NOFILE, (70, 70))

    def limited(*words):
        return subprocess.run([SHOAL, *words], env=fleet.env, cwd=fleet.home, capture_output=True, text=True,
                              timeout=60, preexec_fn=few)

    checked = limited("check")
    assert checked.returncode == 1 and "FAIL  descriptors" in checked.stdout and "ulimit -Hn" in checked.stdout
    refused = limited("run")
    assert refused.returncode == 1 and "--force" in refused.stderr and not fleet.processes()
