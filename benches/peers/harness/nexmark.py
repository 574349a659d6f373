"""NEXMark: first every system's answer to every query is compared on a small set of events, then queries are timed, in turns.

Two ways of timing, never mixed: `memory`, where events lie in memory as each engine's own rows (Littoral, DBSP), and `file`,
where each system reads and decodes the same NDJSON (Littoral, Flink). Rows that come out are dropped in both.
"""

import os
import subprocess

from . import answers
from .install import HERE, ROOT
from .measure import Failed, Slope, Worker, process

QUERIES = [f"q{number}" for number in range(23)]
# The set for comparing: fewer events to a second, so that there are several windows.
CHECK = (30_000, 1_000)
RATE = 10_000
SIZES = {
    "small": {"memory": (200_000, 600_000), "file": (50_000, 200_000)},
    "full": {"memory": (500_000, 2_000_000), "file": (500_000, 4_000_000)},
}
CANNOT = {"q6": "Flink has no OVER windows over rows that are taken back"}


class Nexmark:
    """Where things are, and which systems run."""

    def __init__(self, folder, systems, prefix, queries):
        self.folder, self.prefix, self.queries = folder, prefix, queries
        self.dbsp = []
        if "dbsp" in systems:
            self.dbsp = subprocess.run([folder / "bin/dbsp", "queries"], capture_output=True, text=True, check=True).stdout.split()
        self.flink = [q for q in QUERIES if (HERE / f"flink/{q}.sql").exists()] if "flink" in systems else []

    def events(self, count, rate):
        place = self.folder / f"data/nexmark-{count}-{rate}"
        if not (place / "side_input.ndjson").exists():
            process([str(self.folder / "bin/peers"), "nexmark", str(place), str(count), str(rate)], os.devnull)
        return place

    def littoral(self, query, count, rate, source=None, answer=None):
        words = [self.folder / "bin/peers", "run", query, ROOT / f"queries/nexmark/{query}.sql", count, rate]
        words += ["--from", source] if source else []
        words += ["--answer", answer] if answer else []
        return process(self.prefix + [str(word) for word in words], self.folder / "run-littoral.log")

    def run_dbsp(self, query, count, rate, answer=None):
        words = [self.folder / "bin/dbsp", query, count, rate] + ([answer] if answer else [])
        return process(self.prefix + [str(word) for word in words], self.folder / "run-dbsp.log")

    def worker(self):
        words = [self.folder / "venv-flink/bin/python", HERE / "systems/flink.py", "nexmark"]
        return Worker(self.prefix + [str(word) for word in words], self.folder / "run-flink.log")

    def check(self, told):
        """What each system says to each query that is not Littoral's answer over events in memory: (system, query) and why."""
        wrong, source, place = {}, self.events(*CHECK), self.folder / "answer.csv"
        flink = self.worker() if self.flink else None
        for query in self.queries:
            told(f"comparing {query}")
            self.littoral(query, *CHECK, answer=place)
            expected = answers.lines(place)
            runs = {"littoral from file": lambda q: self.littoral(q, *CHECK, source=source, answer=place)}
            if query in self.dbsp:
                runs["dbsp"] = lambda q: self.run_dbsp(q, *CHECK, answer=place)
            if query in self.flink:
                runs["flink"] = lambda q: flink.job({"query": q, "folder": str(source), "answer": str(place)})
            for system, run in runs.items():
                place.unlink(missing_ok=True)
                try:
                    run(query)
                    why = answers.difference(expected, answers.lines(place))
                except Failed as failed:
                    why = str(failed)
                    if system == "flink":
                        flink.end()
                        flink = self.worker()
                if why:
                    wrong[system, query] = why
        if flink:
            flink.end()
        return wrong

    def time(self, size, turns, wrong, told):
        """Slopes by way, query and system; none where answers differ."""
        slopes = {}
        sizes = SIZES[size]
        sources = [self.events(count, RATE) for count in sizes["file"]] if self.flink else []
        for turn in turns:
            flink = self.worker() if self.flink else None
            if flink:
                flink.job({"query": "q0", "folder": str(sources[0]), "answer": None})
            for query in self.queries:
                told(f"NEXMark, round {turn + 1}: {query}")
                runs = {("memory", "littoral"): lambda n: self.littoral(query, n, RATE)}
                if query in self.dbsp:
                    runs["memory", "dbsp"] = lambda n: self.run_dbsp(query, n, RATE)
                if flink:
                    runs["file", "littoral"] = lambda n: self.littoral(query, n, RATE, source=self.events(n, RATE))
                if query in self.flink:
                    runs["file", "flink"] = lambda n: flink.job({"query": query, "folder": str(self.events(n, RATE)), "answer": None})
                for (way, system), run in runs.items():
                    named = "littoral from file" if (way, system) == ("file", "littoral") else system
                    if (named, query) in wrong:
                        continue
                    try:
                        slope = slopes.setdefault((way, query, system), Slope(sizes[way]))
                        slope.add(*[run(count) for count in sizes[way]])
                    except Failed as failed:
                        wrong[named, query] = str(failed)
                        slopes.pop((way, query, system), None)
                        if system == "flink":
                            flink.end()
                            flink = self.worker()
            if flink:
                flink.end()
        return slopes
