"""Runs a process to its end within a time limit, with its wall time and CPU seconds; medians and slopes of such figures."""

import json
import os
import statistics
import subprocess
import threading
import time

LIMIT = 900


class Failed(Exception):
    """A process did not do what it should."""


def last_json(text):
    lines = [line for line in text.splitlines() if line.startswith("{")]
    return json.loads(lines[-1]) if lines else {}


def process(words, log, env=None):
    """Seconds from start to end of a process and CPU seconds of all it waited for; what it printed as JSON goes over both."""
    started = time.monotonic()
    with open(log, "ab") as errors:
        child = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=errors, env={**os.environ, **(env or {})})
        timer = threading.Timer(LIMIT, child.kill)
        timer.start()
        text = child.stdout.read().decode(errors="replace")
        _, status, usage = os.wait4(child.pid, 0)
        timer.cancel()
    child.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.monotonic() - started
    if child.returncode != 0:
        raise Failed(f"{words[0]} ended with {child.returncode}; see {log}")
    return {"seconds": seconds, "cpu": usage.ru_utime + usage.ru_stime, **last_json(text)}


def turns(rounds, ends, told):
    """Numbers of rounds; none is begun after the time at which the bench shall end, but the first always is."""
    for turn in range(rounds):
        if turn and time.monotonic() > ends:
            told(f"the time is over after {turn} rounds of {rounds}")
            return
        yield turn


class Worker:
    """A process that takes jobs on its standard input, a JSON object a line, and answers each with one."""

    def __init__(self, words, log):
        self.errors = open(log, "ab")
        self.child = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.errors, text=True)
        self.log = log

    def job(self, job):
        timer = threading.Timer(LIMIT, self.child.kill)
        timer.start()
        try:
            self.child.stdin.write(json.dumps(job) + "\n")
            self.child.stdin.flush()
            for line in self.child.stdout:
                if line.startswith("{"):
                    return json.loads(line)
        except BrokenPipeError:
            pass
        finally:
            timer.cancel()
        raise Failed(f"the process ended at {job.get('query')}; see {self.log}")

    def end(self):
        self.child.stdin.close()
        try:
            self.child.wait(30)
        except subprocess.TimeoutExpired:
            self.child.kill()
        self.errors.close()


class Slope:
    """Figures of one system at two sizes, over rounds. A row's cost is the slope between them; the rest is the start."""

    def __init__(self, sizes):
        self.sizes = sizes
        self.runs = []

    def add(self, small, large):
        self.runs.append((small, large))

    def median(self, figure="seconds"):
        """The median of the runs of each size."""
        return [statistics.median(run[size][figure] for run in self.runs) for size in (0, 1)]

    def micros(self, figure="seconds"):
        """Microseconds a row, from the medians of both sizes; least and most of the rounds. Not above 0: the noise was greater."""
        span = (self.sizes[1] - self.sizes[0]) / 1e6
        small, large = self.median(figure)
        each = [(large[figure] - small[figure]) / span for small, large in self.runs]
        return (large - small) / span, min(each), max(each)

    def start(self):
        """Seconds that a run takes without rows."""
        return max(self.median()[0] - self.micros()[0] * self.sizes[0] / 1e6, 0.0)
