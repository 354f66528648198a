"""A worker process as it looks from outside."""

import os
import time
from pathlib import Path

from fleet import alive, wait_until


class Observed:
    """What an attack costs a worker: call `begin`, attack, then `end`."""

    def __init__(self, pid, log):
        self.pid = pid
        self.log = Path(log)

    def _status_kb(self, key):
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith(key + ":"):
                return int(line.split()[1])
        raise AssertionError(f"{self.pid} ended")

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def cpu_s(self):
        total = 0
        for task in Path(f"/proc/{self.pid}/task").iterdir():
            total += int((task / "schedstat").read_text().split()[0])
        return total / 1e9

    def log_bytes(self):
        return self.log.stat().st_size if self.log.exists() else 0

    def begin(self):
        Path(f"/proc/{self.pid}/clear_refs").write_text("5")  # the peak counts from here
        self.rss_before_kb = self._status_kb("VmRSS")
        self.descriptors_before = self.descriptors()
        self.log_before = self.log_bytes()
        self.cpu_before_s = self.cpu_s()
        self.since = time.monotonic()

    def end(self):
        """Figures of the time since `begin`. Asserts that the process lives."""
        assert alive(self.pid), f"worker {self.pid} is gone"
        return {"peak_mb": round((self._status_kb("VmHWM") - self.rss_before_kb) / 1024, 1),
                "left_mb": round((self._status_kb("VmRSS") - self.rss_before_kb) / 1024, 1),
                "log_kb": round((self.log_bytes() - self.log_before) / 1024, 1),
                "cpu_s": round(self.cpu_s() - self.cpu_before_s, 2),
                "seconds": round(time.monotonic() - self.since, 2)}

    def comes_to_rest(self):
        """Everything the attack opened is closed, and the processor is left alone."""
        wait_until(lambda: self.descriptors() <= self.descriptors_before,
                   f"descriptors closed, {self.descriptors_before} before")

        def idle():
            used, since = self.cpu_s(), time.monotonic()
            time.sleep(0.1)
            return self.cpu_s() - used < 0.02 * (time.monotonic() - since)

        wait_until(idle, "worker idle again")
