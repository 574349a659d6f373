"""Answers of systems as sorted lines, brought to one form, and where two of them differ."""

import collections
import datetime
import pathlib

EPOCH = datetime.datetime(1970, 1, 1)


def field(text):
    """A float to nine digits, a time as microseconds; anything else as it is."""
    text = text.strip('"')
    if "." in text or "e" in text or "E" in text:
        try:
            return format(float(text), ".9g")
        except ValueError:
            pass
    if len(text) >= 19 and text[4] == "-" and text[10] in "T ":
        try:
            return str((datetime.datetime.fromisoformat(text.rstrip("Z")) - EPOCH) // datetime.timedelta(microseconds=1))
        except ValueError:
            pass
    return text


def lines(path, skip=0, columns=None):
    """Rows of a CSV file, or of all files in a folder, sorted."""
    path = pathlib.Path(path)
    files = sorted(p for p in path.rglob("*") if p.is_file() and p.stat().st_size) if path.is_dir() else [path]
    found = []
    for file in files:
        for line in file.read_text().splitlines()[skip:]:
            found.append(",".join(field(part) for part in line.split(",")[:columns]))
    return sorted(found)


def difference(expected, got):
    """None when equal, else a text that shows the first rows that only one side has."""
    if expected == got:
        return None if expected else "there are no rows, so that nothing is compared"
    want, have = collections.Counter(expected), collections.Counter(got)
    missing, more = list((want - have).elements())[:2], list((have - want).elements())[:2]
    return f"{len(got)} rows for {len(expected)}; missing {missing}; not expected {more}"
