"""Runs Flink SQL in this process's mini cluster, one slot; no Python touches a row. Started by `run` in Flink's own environment.

flink.py window INPUT OUTPUT CHECKPOINT_MS     the window, from file to file; 0 for no checkpoints
flink.py nexmark                               reads jobs from standard input, a JSON object a line:
                                               {"query": "q4", "folder": …, "answer": path or null}
For each it prints seconds and CPU seconds (Python and the JVM) as JSON. A job without an answer writes to a sink that drops rows.
"""

import collections
import json
import os
import pathlib
import shutil
import sys
import tempfile
import time

from pyflink.common import Configuration
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
    # A job that fails says so, instead of beginning again for ever.
    "restart-strategy.type": "none",
}


def environment(checkpoint_ms):
    options = Configuration()
    for name, value in OPTIONS.items():
        options.set_string(name, value)
    if checkpoint_ms:
        options.set_string("execution.checkpointing.interval", f"{checkpoint_ms} ms")
        options.set_string("execution.checkpointing.mode", "EXACTLY_ONCE")
        # Checkpoints in the job manager's memory hold 5 MB.
        options.set_string("execution.checkpointing.storage", "filesystem")
        options.set_string("execution.checkpointing.dir", pathlib.Path(tempfile.gettempdir(), "flink-checkpoints").as_uri())
    return TableEnvironment.create(EnvironmentSettings.new_instance().in_streaming_mode().with_configuration(options).build())


def statements(name, **places):
    text = "".join(line for line in open(SQL / f"{name}.sql") if not line.startswith("--"))
    for place, value in places.items():
        text = text.replace("{" + place + "}", str(value))
    return [part for part in text.split(";") if part.strip()]


def cpu_seconds(pid="self"):
    """CPU time of a process and of all below it."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    seconds = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    for thread in os.listdir(f"/proc/{pid}/task"):
        try:
            children = pathlib.Path(f"/proc/{pid}/task/{thread}/children").read_text().split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        seconds += sum(map(cpu_seconds, children))
    return seconds


def write_answer(table, path):
    """Writes all changes as Debezium JSON, and what they come to as CSV. Asking for rows through Python takes minutes."""
    place = pathlib.Path(path + "-changes")
    shutil.rmtree(place, ignore_errors=True)
    sink = TableDescriptor.for_connector("filesystem").option("path", f"file://{place}").format("debezium-json").build()
    table.execute_insert(sink).wait()
    rows = collections.Counter()
    for file in place.iterdir():
        for line in open(file):
            change = json.loads(line)
            row = change["after"] or change["before"]
            rows[",".join("" if value is None else str(value) for value in row.values())] += 1 if change["after"] else -1
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
        # A file sink gives its last files with a checkpoint.
        begun = environment(1000 if job["answer"] else 0)
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
