"""Compares ways to copy, interleaved, on the same two file systems: python -m benchmarks.copies [--rounds N] [CASE …].

Needs root. Prints tables; writes results/copies.json and results/copies.svg.
"""

import argparse
import json
import os
import pickle
import platform
import statistics
import subprocess
import tempfile
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

from benchmarks import chart
from benchmarks.cases import CASES, Case
from benchmarks.disks import forget, mounted, spinning
from benchmarks.peers import JOBS, PYTHON, WAYS, Way, command
from supervisor.adapters import syscalls
from supervisor.messages import Copy, Place
from tests.support.torrents import make_torrent

RESULTS = Path(__file__).parent / "results"
PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass
class Measured:
    """One way in one case, a value per round."""

    seconds: list[float] = field(default_factory=list)  # to the end of the sync
    cpu: list[float] = field(default_factory=list)  # seconds, of the way's own processes
    peak: list[int] = field(default_factory=list)  # KiB, of its largest process
    residue: list[float] = field(default_factory=list)  # of source and copy in the page cache; 1 is both whole


def cached(tops: list[Path]) -> int:
    """Return the bytes of the files below some directories that are in the page cache."""
    total = 0
    for top in tops:
        for folder, _, names in os.walk(top):
            for name in names:
                descriptor = os.open(os.path.join(folder, name), os.O_RDONLY)
                total += (syscalls.cached_pages(descriptor, 0, 1 << 40) or 0) * PAGE
                os.close(descriptor)
    return total


def allocated(top: Path) -> int:
    """Return the bytes that the files below a directory take."""
    return sum(path.stat().st_blocks * 512 for path in top.rglob("*") if path.is_file())


def run_once(way: Way, paths: tuple[Path, Path, Path], found: Measured, *, resumed: bool) -> None:
    """Run one way once, from cold caches."""
    source, target, file = paths
    subprocess.run(["rm", "-rf", target], check=True)
    target.mkdir()
    if resumed:
        subprocess.run([PYTHON, "-m", "benchmarks.ours", "stopped", file], check=True)
    forget()
    begun = time.monotonic()
    with subprocess.Popen(command(way, source, target, file), shell=True, stdout=subprocess.DEVNULL) as process:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    found.seconds.append(time.monotonic() - begun)
    if process.returncode:
        raise RuntimeError(f"{way.name} failed")
    found.cpu.append(usage.ru_utime + usage.ru_stime)
    found.peak.append(usage.ru_maxrss)
    found.residue.append(cached([source, target]) / (2 * allocated(source)))


def run_case(case: Case, rounds: int, scale: float, where: Path) -> dict[str, Measured]:
    """Run all ways of a case, round by round, and return what was measured."""
    known = (*WAYS, *JOBS) if case.ways else WAYS
    ways = {way.name: way for way in known if way.name.startswith(case.ways or "")}
    order = [(name, way, False) for name, way in ways.items()]
    if case.resumed:
        order += [(f"{name}, resumed", way, True) for name, way in ways.items()]
    found = {name: Measured() for name, _, _ in order}
    far = (
        spinning(where / "disk", where / "hdd", case.gib)
        if case.spins
        else mounted(where / "h", where / "hdd", case.gib)
    )
    with mounted(where / "s", where / "ssd", case.gib) as ssd, far as hdd:
        source, target = ssd / "data", hdd / "to"
        source.mkdir()
        case.fill(source, scale)
        places = Place(os.fsencode(ssd), ""), Place(os.fsencode(hdd), "")
        jobs = {"task": (source, source, target / "data")}
        if set(ways) & {way.name for way in JOBS}:
            jobs |= {f"task-{n}": (top, source, target) for n, top in enumerate(sorted(source.iterdir()))}
        for name, (top, *directories) in jobs.items():
            torrent = make_torrent(top, where / f"metafile of {name}", piece_length=case.piece_length)
            task = Copy(1, torrent.hash, torrent.metafile, *map(os.fsencode, directories), *places, read_back=True)
            (where / name).write_bytes(pickle.dumps(task))
        for number in range(rounds):
            for name, way, resumed in order[number % len(order) :] + order[: number % len(order)]:
                run_once(way, (source, target, where / "task"), found[name], resumed=resumed)
    return found


def ratios(found: dict[str, Measured]) -> dict[str, list[float]]:
    """Return each way's time over the first one's in the same round."""
    base = next(iter(found.values())).seconds
    return {name: [a / b for a, b in zip(way.seconds, base, strict=True)] for name, way in found.items()}


def table(case: Case, found: dict[str, Measured]) -> str:
    """Return what was measured in a case as text."""
    head = f"{'':38}{'ratio':>7}{'seconds (min-max)':>24}{'CPU s':>8}{'peak MiB':>10}{'cached':>8}"
    lines = [case.title, head]
    for name, compared in ratios(found).items():
        way = found[name]
        spread = f"{statistics.median(way.seconds):.2f} ({min(way.seconds):.2f}-{max(way.seconds):.2f})"
        lines.append(
            f"{name:38}{statistics.median(compared):7.2f}{spread:>24}{statistics.median(way.cpu):8.2f}"
            f"{statistics.median(way.peak) / 1024:10.0f}{statistics.median(way.residue):8.1%}"
        )
    return "\n".join(lines) + "\n"


def main() -> None:
    """Run the cases that are named, or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cases", nargs="*", choices=[[], *(case.name for case in CASES)])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--scale", type=float, default=1.0, help="of the sizes, for a quick look")
    parser.add_argument("--where", default=tempfile.gettempdir(), help="directory for the images")
    arguments = parser.parse_args()
    file = RESULTS / "copies.json"
    results = json.loads(file.read_text()) if file.exists() and arguments.cases else {"cases": {}}
    for case in CASES:
        if not arguments.cases or case.name in arguments.cases:
            scale = arguments.scale * (0.25 if case.name == "disk-small" else 1)
            with tempfile.TemporaryDirectory(prefix="bench-", dir=arguments.where) as where:
                found = run_case(case, arguments.rounds, scale, Path(where))
            print(table(case, found), flush=True)
            results["cases"][case.name] = {
                "title": case.title,
                "scale": arguments.scale,
                "kernel": platform.release(),
                "python": platform.python_version(),
                "cores": os.cpu_count(),
                "load": os.getloadavg()[2],
                "ways": {
                    name: asdict(way) | {"ratio": statistics.median(ratios(found)[name])} for name, way in found.items()
                },
            }
            RESULTS.mkdir(exist_ok=True)
            file.write_text(json.dumps(results, indent=1) + "\n")
            (RESULTS / "copies.svg").write_text(chart.draw(results["cases"]))


if __name__ == "__main__":
    main()
