"""The keyed window from an NDJSON file to a file: whole processes, each answer compared with the one drawn beside the input."""

import os
import shutil

from . import answers
from .install import HERE
from .measure import Failed, Slope, process

# What each system gives its results for; nothing here may be left out of the table.
GUARANTEES = {
    "littoral": "none",
    "littoral, snapshots": "a snapshot each second, exactly once",
    "littoral, bare decode": "reads and decodes into columns, no more",
    "littoral, arrow-json's bare decode": "the same by arrow-json",
    "flink": "checkpoint each second, exactly once",
    "flink, no checkpoints": "none",
    "pathway": "none; no watermark, windows are given at the end",
    "bytewax": "none",
}
# Rows at the two sizes of each system; slow ones get fewer. The slope makes them comparable.
SIZES = {
    "small": {
        "littoral": (200_000, 1_000_000),
        "littoral, snapshots": (200_000, 1_000_000),
        "littoral, bare decode": (200_000, 1_000_000),
        "littoral, arrow-json's bare decode": (200_000, 1_000_000),
        "flink": (200_000, 1_000_000),
        "flink, no checkpoints": (200_000, 1_000_000),
        "pathway": (100_000, 300_000),
        "bytewax": (50_000, 150_000),
    },
    "full": {
        "littoral": (1_000_000, 5_000_000),
        "littoral, snapshots": (1_000_000, 5_000_000),
        "littoral, bare decode": (1_000_000, 5_000_000),
        "littoral, arrow-json's bare decode": (1_000_000, 5_000_000),
        "flink": (1_000_000, 5_000_000),
        "flink, no checkpoints": (1_000_000, 5_000_000),
        "pathway": (500_000, 1_500_000),
        "bytewax": (100_000, 400_000),
    },
}


def command(system, folder, source, out):
    """The words of a system's process, and its environment."""
    python = folder / f"venv-{system.split(',')[0]}/bin/python"
    if system.startswith("littoral"):
        script = folder / "window.sql"
        text = (HERE / "littoral/window.sql").read_text().replace("{input}", str(source)).replace("{output}", str(out))
        script.write_text(text)
        words = [folder / "bin/littoral", "sql", script, "--epoch-rows", "100000"]
        if "snapshots" in system:
            shutil.rmtree(folder / "snapshots", ignore_errors=True)
            words += ["--snapshot-dir", folder / "snapshots", "--snapshot-every", "1s"]
        return words, {}
    if system.startswith("flink"):
        every = "0" if "no checkpoints" in system else "1000"
        return [python, HERE / "systems/flink.py", "window", source, out, every], {}
    return [python, HERE / f"systems/{system}_window.py", source, out], {"PATHWAY_THREADS": "1", "PATHWAY_LICENSE_KEY": ""}


def decoded(system, folder, rows, prefix):
    """Reading and decoding alone, which gives no answer but its number of rows."""
    words = [folder / "bin/peers", "decode", folder / f"data/window-{rows}.ndjson", "arrow" if "arrow-json" in system else "own"]
    found = process(prefix + [str(word) for word in words], folder / "run-decode.log")
    if found["rows"] != rows:
        raise Failed(f"{system}: {found['rows']} rows of {rows}")
    return found


def once(system, folder, rows, prefix):
    """One run; its answer must be the drawn one."""
    if "decode" in system:
        return decoded(system, folder, rows, prefix)
    out = folder / f"out-window-{system.split(',')[0]}"
    shutil.rmtree(out, ignore_errors=True)
    out.unlink(missing_ok=True)
    words, env = command(system, folder, folder / f"data/window-{rows}.ndjson", out)
    found = process(prefix + [str(word) for word in words], folder / f"run-{system.split(',')[0]}.log", env)
    header = 1 if system.startswith("littoral") or system == "pathway" else 0
    wrong = answers.difference(answers.lines(folder / f"data/window-{rows}.csv"), answers.lines(out, header, 6))
    if wrong:
        raise Failed(f"window, {system}, {rows} rows: {wrong}")
    return found


def draw(folder, systems, size):
    for rows in sorted({rows for system in systems for rows in SIZES[size][system]}):
        if not (folder / f"data/window-{rows}.csv").exists():
            process([str(folder / "bin/peers"), "window", str(folder / "data"), str(rows)], os.devnull)


def variants(systems):
    names = [name for name in GUARANTEES if name.split(",")[0] in systems]
    return names


def run(folder, systems, size, turns, prefix, told):
    """Slopes by system, and what went wrong."""
    names = variants(systems)
    draw(folder, names, size)
    slopes, failures = {name: Slope(SIZES[size][name]) for name in names}, {}
    for turn in turns:
        for name in names:
            if name in failures:
                continue
            told(f"window, round {turn + 1}: {name}")
            try:
                slopes[name].add(*[once(name, folder, rows, prefix) for rows in SIZES[size][name]])
            except Failed as failed:
                failures[name] = str(failed)
    return {name: slope for name, slope in slopes.items() if name not in failures}, failures
