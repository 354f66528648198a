"""A strict reader of Prometheus' text format 0.0.4, which also checks what good names are."""

import re

NAME = r"[a-z_][a-z0-9_]*"
SAMPLE = re.compile(rf'({NAME})(?:{{((?:{NAME}="(?:[^"\\\n]|\\["\\n])*",?)*)}})? (\S+)')
LABEL = re.compile(rf'({NAME})="((?:[^"\\\n]|\\["\\n])*)"(?:,|$)')
UNESCAPED = {r"\\": "\\", r"\"": '"', r"\n": "\n"}


def unescape(text):
    return re.sub(r'\\["\\n]', lambda m: UNESCAPED[m.group()], text)


class Page:
    """Samples by name and labels; a page with any fault in it fails the test."""

    def __init__(self, text):
        assert text.endswith("\n") and "\r" not in text
        self.types = {}
        self.samples = {}
        family = None
        ended = set()
        for line in text[:-1].split("\n"):
            if line.startswith("# HELP "):
                name, help_text = line[len("# HELP "):].split(" ", 1)
                assert name not in self.types and help_text.strip(), line
                if family:
                    ended.add(family)
                family = name
                self.types[name] = None
            elif line.startswith("# TYPE "):
                name, kind = line[len("# TYPE "):].split(" ")
                assert name == family and self.types[name] is None and kind in ("counter", "gauge", "histogram"), line
                assert name.endswith("_total") == (kind == "counter"), f"{name} is a {kind}"
                assert name.startswith("shoal_") and not re.search(r"_(ms|us|kb|mb|percent)(_|$)", name), name
                self.types[name] = kind
            else:
                self._sample(line, family)
        for name, kind in self.types.items():
            assert kind, f"{name} has no type"
            if kind == "histogram":
                self._check_histogram(name)

    def _sample(self, line, family):
        found = SAMPLE.fullmatch(line)
        assert found, f"no sample: {line!r}"
        name, labels, value = found.groups()
        suffixes = ("_bucket", "_sum", "_count") if self.types[family] == "histogram" else ("",)
        assert name in [family + suffix for suffix in suffixes], f"{line} is not of {family}"
        pairs = LABEL.findall(labels or "")
        assert "".join(f'{n}="{v}",' for n, v in pairs).rstrip(",") == (labels or ""), line
        assert len({n for n, _ in pairs}) == len(pairs), line
        key = (name, *sorted((n, unescape(v)) for n, v in pairs))
        assert key not in self.samples, f"twice: {line}"
        self.samples[key] = float(value)
        assert self.samples[key] >= 0, line

    def _check_histogram(self, name):
        series = {}
        for (sample, *labels), value in self.samples.items():
            if sample == f"{name}_bucket":
                rest = tuple(label for label in labels if label[0] != "le")
                series.setdefault(rest, []).append((float(dict(labels)["le"]), value))
        for labels, buckets in series.items():
            assert buckets == sorted(buckets) and [v for _, v in buckets] == sorted(v for _, v in buckets), labels
            assert buckets[-1][0] == float("inf")
            assert buckets[-1][1] == self.samples[(f"{name}_count", *labels)]
            assert (f"{name}_sum", *labels) in self.samples

    def value(self, name, **labels):
        return self.samples[(name, *sorted(labels.items()))]

    def names(self):
        return set(self.types)

    def counters(self):
        """Everything that may only grow."""
        return {key: value for key, value in self.samples.items()
                if self.types.get(key[0]) == "counter" or re.search("_(bucket|sum|count)$", key[0])}
