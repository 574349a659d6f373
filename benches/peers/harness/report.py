"""The results as Markdown: medians, least and most of the rounds; costs of a row are slopes between two sizes."""

import math
import os
import platform
import subprocess

from .nexmark import CANNOT, CHECK, QUERIES, RATE, SIZES as EVENTS
from .window import GUARANTEES, SIZES as ROWS


def rate(slope):
    """Millions of rows a second by the wall clock: median (least–most)."""
    shown = [f"{1 / cost:.3g}" if cost > 0 else "noise" for cost in slope.micros()]
    return f"{shown[0]} ({shown[2]}–{shown[1]})"


def times(a, b):
    return f"{a / b:.1f} ×" if a > 0 and b > 0 else "–"


def cpu(slope, floor=0.005):
    """CPU microseconds a row; clocks tick 100 times a second, so that the least is not nothing."""
    median = slope.micros("cpu")[0]
    return median if median > floor else None


def shown(value):
    return "below 0.005" if value is None else f"{value:.3g}"


def geometric(values):
    return math.exp(sum(map(math.log, values)) / len(values)) if values else 0.0


def machine():
    cores = os.cpu_count()
    model = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), "?")
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    rust = subprocess.run(["rustc", "--version"], capture_output=True, text=True).stdout.split()[1:2]
    java = (subprocess.run(["java", "-version"], capture_output=True, text=True).stderr.splitlines() or ["no Java"])[0]
    load = ", ".join(f"{part:.1f}" for part in os.getloadavg())
    return f"{model}, {cores} cores, {memory:.0f} GiB, {platform.release()}; rustc {''.join(rust)}; {java}; load {load} at the end."


def window(slopes, failures, size):
    yield "## Window from NDJSON to CSV"
    yield ""
    yield "1,000 keys, 10 s tumbling, watermark 5 s behind, count, sum, min, max; one worker. Every answer of every run equals the drawn one."
    yield ""
    yield "| system | guarantee | sizes, M rows | M rows/s | CPU µs/row | start, s | Littoral is, by the wall | by CPU |"
    yield "|---|---|---|---:|---:|---:|---:|---:|"
    first = slopes.get("littoral")
    for name, slope in slopes.items():
        wall = times(slope.micros()[0], first.micros()[0]) if first else "–"
        by_cpu = times(slope.micros("cpu")[0], first.micros("cpu")[0]) if first else "–"
        sizes = " and ".join(f"{rows / 1e6:g}" for rows in ROWS[size][name])
        yield f"| {name} | {GUARANTEES[name]} | {sizes} | {rate(slope)} | {slope.micros('cpu')[0]:.3g} | {slope.start():.1f} | {wall} | {by_cpu} |"
    for name, why in failures.items():
        yield f"| {name} | FAILED: {why} | | | | | | |"
    yield ""


def pairs(slopes, way, peer, wrong):
    """A line for each query of two systems, and the geometric mean of what both have."""
    for query in QUERIES:
        ours, theirs = slopes.get((way, query, "littoral")), slopes.get((way, query, peer))
        named = "littoral from file" if way == "file" else "littoral"
        bad = wrong.get((named, query)) or wrong.get((peer, query))
        if bad:
            yield f"| {query} | FAILED: {bad} | | | | |", None
        elif ours and theirs:
            ratio = theirs.micros()[0] / ours.micros()[0] if ours.micros()[0] > 0 else 0.0
            our_cpu, their_cpu = cpu(ours), cpu(theirs)
            by_cpu = f"{their_cpu / our_cpu:.1f} ×" if our_cpu and their_cpu else "–"
            yield f"| {query} | {rate(ours)} | {rate(theirs)} | {f'{ratio:.2f} ×' if ratio > 0 else '–'} | {shown(our_cpu)} / {shown(their_cpu)} | {by_cpu} |", ratio
        elif ours:
            why = CANNOT.get(query, "no circuit written") if peer == "flink" else "no circuit written"
            yield f"| {query} | {rate(ours)} | not measured: {why} | | {shown(cpu(ours))} / – | |", None


def nexmark_way(slopes, way, peer, wrong, size, text):
    small, large = EVENTS[size][way]
    yield f"## NEXMark, {text}"
    yield ""
    yield f"M events/s over all events, one worker, {small:,} and {large:,} events at {RATE:,} a second of event time."
    yield ""
    yield f"| query | Littoral | {peer} | Littoral is, by the wall | CPU µs/event, Littoral / {peer} | by CPU |"
    yield "|---|---:|---:|---:|---:|---:|"
    ratios = []
    for line, ratio in pairs(slopes, way, peer, wrong):
        yield line
        ratios += [ratio] if ratio and ratio > 0 else []
    if ratios:
        yield ""
        lost = sum(ratio < 1 for ratio in ratios)
        yield f"Geometric mean over {len(ratios)} queries: {geometric(ratios):.2f} ×; Littoral is slower in {lost}."
    yield ""


def over_base(slopes):
    """What a query costs beyond reading: its slope less that of q0, which only passes rows on."""
    base = [slopes.get(("file", "q0", system)) for system in ("littoral", "flink")]
    if not all(base):
        return
    yield "Beyond q0 (reading and decoding bids), µs/event by the wall, Littoral / Flink; queries that read other tables or columns"
    yield "decode more or less, so these are rough, and a figure below nought is noise or less to decode:"
    cells = []
    for query in QUERIES[1:]:
        both = [slopes.get(("file", query, system)) for system in ("littoral", "flink")]
        if all(both):
            ours, theirs = (s.micros()[0] - b.micros()[0] for s, b in zip(both, base))
            cells.append(f"{query} {ours:.2f} / {theirs:.2f}")
    yield "; ".join(cells) + "."
    yield ""


def markdown(size, rounds, missing, result, found, wrong):
    yield "# Littoral and peers"
    yield ""
    yield machine()
    done = sorted({len(slope.runs) for slope in [*result[0].values(), *found.values()]})
    yield f"Size {size}, {' or '.join(map(str, done)) or rounds} rounds, systems in turns; slopes of medians, in brackets least and most of the rounds. Cost of a row is the slope between two sizes;"
    yield "a start-up is what is left. Faster by the wall on two cores may be dearer in CPU: Flink's JVM compiles and collects on the second."
    yield ""
    for name, why in missing.items():
        yield f"- **{name}: not measured**: {why}"
    yield ""
    if any(result):
        yield from window(*result, size)
    if found:
        yield f"Answers of all queries were compared on {CHECK[0]:,} events before any was timed; rows that come out of timed runs are dropped."
        yield ""
        if "dbsp" not in missing:
            text = "events in memory (layer: engine only)"
            yield from nexmark_way(found, "memory", "dbsp", wrong, size, text)
        if "flink" not in missing:
            text = "the same NDJSON files (layer: with decoding)"
            yield from nexmark_way(found, "file", "flink", wrong, size, text)
            yield from over_base(found)
