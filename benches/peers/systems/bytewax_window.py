"""The window on Bytewax: bytewax_window.py INPUT.ndjson OUTPUT.csv. One worker, no recovery store."""

import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path

import bytewax.operators as op
import bytewax.operators.windowing as win
import orjson
from bytewax.connectors.files import FileSink, FileSource
from bytewax.dataflow import Dataflow
from bytewax.testing import run_main

START = datetime(2024, 1, 1, tzinfo=timezone.utc)
LENGTH = timedelta(seconds=10)


def fold(group, reading):
    value = reading["value"]
    group[0] += 1
    group[1] += value
    if value < group[2]:
        group[2] = value
    if value > group[3]:
        group[3] = value
    return group


def merge(a, b):
    return [a[0] + b[0], a[1] + b[1], min(a[2], b[2]), max(a[3], b[3])]


def line(keyed):
    key, (window, group) = keyed
    start = (START + window * LENGTH).timestamp()
    return key, f"{key},{round(start * 1e6)},{','.join(str(part) for part in group)}"


flow = Dataflow("window")
lines = op.input("read", flow, FileSource(Path(sys.argv[1]), batch_size=10_000))
keyed = op.key_on("key", op.map("decode", lines, orjson.loads), lambda reading: reading["key"])
clock = win.EventClock(
    ts_getter=lambda reading: datetime.fromtimestamp(reading["ts"] / 1e6, timezone.utc),
    wait_for_system_duration=timedelta(seconds=5),
)
folded = win.fold_window(
    "fold",
    keyed,
    clock,
    win.TumblingWindower(length=LENGTH, align_to=START),
    builder=lambda: [0, 0.0, float("inf"), float("-inf")],
    folder=fold,
    merger=merge,
)
op.output("write", op.map("line", folded.down, line), FileSink(Path(sys.argv[2])))
run_main(flow)
