"""The window on Pathway: pathway_window.py INPUT.ndjson OUTPUT.csv. The file is read to its end; no persistence.

No behaviour of windows is set: in a file's reading there is nothing to close early, and it would cost twice the time.
"""

import sys

import pathway as pw


class Reading(pw.Schema):
    ts: int
    key: str
    value: float


readings = pw.io.jsonlines.read(sys.argv[1], schema=Reading, mode="static")
windows = readings.windowby(
    pw.this.ts,
    window=pw.temporal.tumbling(duration=10_000_000),
    instance=pw.this.key,
).reduce(
    key=pw.this._pw_instance,
    start=pw.this._pw_window_start,
    n=pw.reducers.count(),
    total=pw.reducers.sum(pw.this.value),
    low=pw.reducers.min(pw.this.value),
    high=pw.reducers.max(pw.this.value),
)
pw.io.csv.write(windows, sys.argv[2])
pw.run(monitoring_level=pw.MonitoringLevel.NONE)
