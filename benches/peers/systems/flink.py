"""Runs Flink SQL in this process's mini cluster, one slot; no Python touches a row. Started by `run` in Flink's own environment.

flink.py window INPUT OUTPUT CHECKPOINT_MS     the window, from file to file; 0 for no checkpoints
flink.py nexmark                               reads jobs from standard input, a JSON object a line:
                                               {"query": "q4", "folder": …, "answer": path or null}
For each it prints seconds and CPU seconds (Python and the JVM) as JSON. A job without an answer writes to a sink that drops rows.
"""

import collections
import datetime
import json
import os
import pathlib
import sys
import time

from pyflink.common import Configuration, RowKind
from pyflink.table import EnvironmentSettings, TableDescriptor, TableEnvironment

SQL = pathlib.Path(__file__).resolve().parent.parent / "flink"
# What Flink's tuning guide advises: rows in small batches, objects used again. State is on the heap, which is the fastest.
OPTIONS = {
    "parallelism.default": "1",
    "pipeline.object-reuse": "true",
    "state.backend.type": "hashmap",
    "table.exec.mini-batch.enabled": "true",
    "table.exec.mini-batch.allow-latency": "2 s",
    "table.exec.mini-batch.size": "50000",
    "table.optimizer.agg-phase-strategy": "TWO_PHASE",
    "table.local-time-zone": "UTC",
    "rest.port": "0",
}


def environment(checkpoint_ms):
    options = Configuration()
    for name, value in OPTIONS.items():
        options.set_string(name, value)
    if checkpoint_ms:
        options.set_string("execution.checkpointing.interval", f"{checkpoint_ms} ms")
        options.set_string("execution.checkpointing.mode", "EXACTLY_ONCE")
    return TableEnvironment.create(EnvironmentSettings.new_instance().in_streaming_mode().with_configuration(options).build())


def statements(name, **places):
    text = (SQL / f"{name}.sql").read_text()
    for place, value in places.items():
        text = text.replace("{" + place + "}", str(value))
    return [part for part in text.split(";") if part.strip()]


def cpu_seconds(pid="self"):
    """CPU time of a process and of all below it."""
    try:
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        children = [c for t in os.scandir(f"/proc/{pid}/task") for c in pathlib.Path(t.path, "children").read_text().split()]
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK") + sum(cpu_seconds(c) for c in children)


def text_of(value):
    if value is None:
        return ""
    if isinstance(value, datetime.datetime):
        whole = value.replace(tzinfo=datetime.timezone.utc) - datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
        return str(whole // datetime.timedelta(microseconds=1))
    return str(value)


def write_answer(table, path):
    rows = collections.Counter()
    with table.execute().collect() as found:
        for row in found:
            gone = row.get_row_kind() in (RowKind.UPDATE_BEFORE, RowKind.DELETE)
            rows[",".join(text_of(value) for value in row)] += -1 if gone else 1
    with open(path, "w") as out:
        for line, count in rows.items():
            out.write(f"{line}\n" * count)


def window(source, output, checkpoint_ms):
    begun = environment(checkpoint_ms)
    for statement in statements("window", input=source, output=output):
        begun.execute_sql(statement).wait()
    print(json.dumps({"cpu": cpu_seconds()}))


def nexmark():
    for line in sys.stdin:
        job = json.loads(line)
        begun = environment(0)
        for statement in statements("tables", folder=job["folder"]):
            begun.execute_sql(statement)
        table = begun.sql_query(statements(job["query"])[0])
        started, cpu = time.monotonic(), cpu_seconds()
        if job["answer"]:
            write_answer(table, job["answer"])
        else:
            table.execute_insert(TableDescriptor.for_connector("blackhole").build()).wait()
        print(json.dumps({"seconds": time.monotonic() - started, "cpu": cpu_seconds() - cpu}), flush=True)


if sys.argv[1] == "window":
    window(pathlib.Path(sys.argv[2]).resolve(), pathlib.Path(sys.argv[3]).resolve(), int(sys.argv[4]))
else:
    nexmark()
