"""Drives the properties of tests/fuzz by coverage: `script/fuzz [--seconds N] [WORD …]`.

Atheris (libFuzzer) makes the bytes, hypothesis makes what they stand for, and the coverage of `supervisor` says which
bytes are worth changing. What breaks a property is told as hypothesis tells it, to be kept as an @example of that test.
Exit code 1 if anything was found.
"""

import argparse
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.support.needs import ROOT

_ONE = """
import sys
import atheris
with atheris.instrument_imports(include=["supervisor"]):
    from tests.fuzz import test_parsers
fuzz_one = getattr(test_parsers, sys.argv.pop(1)).hypothesis.fuzz_one_input
def once(data):
    try:
        fuzz_one(data)
    except RecursionError:  # of hypothesis itself, on what libFuzzer makes large
        if "supervisor" in str(sys.exc_info()[2].tb_frame):
            raise
atheris.Setup(sys.argv, once)
atheris.Fuzz()
"""


def properties() -> list[str]:
    """Return the names of the tests."""
    return re.findall(r"(?m)^def (test_\w+)\(", Path(ROOT, "tests", "fuzz", "test_parsers.py").read_text())


def main() -> int:
    """Do it."""
    parser = argparse.ArgumentParser(prog="script/fuzz", description=__doc__)
    parser.add_argument("--seconds", type=int, default=300, help="for all together (default 300)")
    parser.add_argument("words", nargs="*", metavar="WORD", help="only properties whose name has one of these in it")
    options = parser.parse_args()
    names = [name for name in properties() if not options.words or any(word in name for word in options.words)]
    found = 0
    for name in names:
        corpus = Path(ROOT, ".cache", "fuzz", name)  # what reached something new, for the next run
        corpus.mkdir(parents=True, exist_ok=True)
        begun = time.monotonic()
        with tempfile.TemporaryDirectory() as home:
            limits = [f"-max_total_time={max(options.seconds // len(names), 1)}", "-max_len=4096", "-timeout=20"]
            done = subprocess.run(
                [sys.executable, "-c", _ONE, name, corpus, *limits, f"-artifact_prefix={home}/"],
                cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", check=False,
            )  # fmt: skip
        runs = (re.findall(r"(?m)^Done (\d+) runs", done.stdout) or re.findall(r"#(\d+)", done.stdout) or ["0"])[-1]
        reached = (re.findall(r"cov: (\d+)", done.stdout) or ["0"])[-1]
        verdict = "held" if done.returncode == 0 else "BROKEN"
        seconds = time.monotonic() - begun
        print(f"{verdict:6} {name}: {runs} runs, {reached} edges, {seconds:.0f} s", flush=True)  # noqa: T201
        if done.returncode:
            found += 1
            print(done.stdout[-4000:])  # noqa: T201
    print(f"{len(names)} properties, {found} broken")  # noqa: T201
    return min(found, 1)


if __name__ == "__main__":
    sys.exit(main())
