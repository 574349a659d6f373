"""Installs what the bench runs, into the scratch folder; says for each system why it is not there."""

import os
import pathlib
import shutil
import subprocess

# Versions are fixed, so that a run can be repeated. DBSP's is in dbsp/Cargo.lock.
PACKAGES = {
    "flink": ["apache-flink==2.3.0"],
    "pathway": ["pathway==0.33.0"],
    "bytewax": ["bytewax==0.21.1", "orjson==3.13.0"],
}
HERE = pathlib.Path(__file__).resolve().parent.parent
ROOT = HERE.parent.parent
SYSTEMS = ["littoral", "flink", "dbsp", "pathway", "bytewax"]


def scratch():
    given = os.environ.get("LITTORAL_PEERS_DIR")
    cache = os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache"
    folder = pathlib.Path(given or pathlib.Path(cache) / "littoral-peers").resolve()
    (folder / "bin").mkdir(parents=True, exist_ok=True)
    return folder


def command(words, log, **options):
    """Runs a command; none when it went well, else its last lines."""
    with open(log, "ab") as out:
        done = subprocess.run(words, stdout=out, stderr=subprocess.STDOUT, timeout=3600, **options)
    if done.returncode == 0:
        return None
    return " / ".join(pathlib.Path(log).read_text(errors="replace").strip().splitlines()[-3:])


def python_system(name, folder, log):
    """An environment with a system's packages; they are known to go with Python 3.11."""
    python = shutil.which("python3.11")
    if python is None:
        return "there is no python3.11 here"
    if name == "flink" and shutil.which("java") is None:
        return "there is no java here"
    place = folder / f"venv-{name}"
    stamp = place / "installed"
    if stamp.exists() and stamp.read_text() == "\n".join(PACKAGES[name]):
        return None
    why = command([python, "-m", "venv", str(place)], log)
    why = why or command([str(place / "bin/pip"), "install", "-q", "--no-input", *PACKAGES[name]], log)
    if why is None:
        stamp.write_text("\n".join(PACKAGES[name]))
    return why


def built(folder, log):
    """Littoral's command and its side of the bench, copied so that a later build does not change what is measured."""
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR") or folder / "target")
    words = ["cargo", "build", "--release", "--locked", "--bin", "littoral", "--example", "peers"]
    why = command(words, log, cwd=ROOT, env={**os.environ, "CARGO_TARGET_DIR": str(target)})
    if why is None:
        shutil.copy2(target / "release/littoral", folder / "bin/littoral")
        shutil.copy2(target / "release/examples/peers", folder / "bin/peers")
    return why


def dbsp(folder, log):
    target = folder / "target-dbsp"
    env = {**os.environ, "CARGO_TARGET_DIR": str(target)}
    why = command(["cargo", "build", "--release", "--locked"], log, cwd=HERE / "dbsp", env=env)
    if why is None:
        shutil.copy2(target / "release/littoral-peer-dbsp", folder / "bin/dbsp")
    return why


def install(systems, told):
    """What is missing of the wanted systems: name and reason."""
    folder, missing = scratch(), {}
    for name in systems:
        told(f"installing {name}")
        log = folder / f"install-{name}.log"
        log.unlink(missing_ok=True)
        step = {"littoral": built, "dbsp": dbsp}.get(name)
        try:
            why = step(folder, log) if step else python_system(name, folder, log)
        except (OSError, subprocess.SubprocessError) as error:
            why = str(error)
        if why:
            missing[name] = why
    return missing
