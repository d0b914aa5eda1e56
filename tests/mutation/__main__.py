"""Removes each guard in turn and sees a test fail: `script/mutate-guards [--only WORD …]`.

All of it happens on a copy of the tree with an environment of its own; the tree itself is never touched. The named
tests have to pass on the copy as it is. Exit code 1 if a guard survives its removal, 2 if the table is not true.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path

from tests.mutation.guards import GUARDS, Guard
from tests.support.needs import ROOT

_FAILED = 1  # pytest's exit codes: tests failed
_PATIENCE = 900  # seconds that the tests of one guard may take; one that hangs has noticed, too


def copied(tree: Path) -> Path:
    """Copy what git has, or would take, and make an environment that imports the copy; return its interpreter."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    ).stdout
    for name in filter(None, os.fsdecode(listed).split("\0")):
        if os.path.exists(os.path.join(ROOT, name)):  # else it is deleted, and not yet committed so
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(os.path.join(ROOT, name), tree / name, follow_symlinks=False)
    os.symlink(os.path.join(ROOT, ".cache"), tree / ".cache")
    venv.create(tree / ".venv", symlinks=True)
    ours = next((tree / ".venv" / "lib").glob("python*/site-packages"))
    # The copy first; then what is installed here, but not its .pth file, which would name this tree.
    theirs = next(Path(sys.prefix, "lib").glob("python*/site-packages"))
    (ours / "copy.pth").write_text(f"{tree}\n{theirs}\n")
    python = tree / ".venv" / "bin" / "python"
    for name in ("seedcache", "seedcache-submit"):
        script = Path(sys.prefix, "bin", name).read_text()
        (python.parent / name).write_text(re.sub(r"\A#!.*python.*", f"#!{python}", script))
        (python.parent / name).chmod(0o755)
    return python


def test(python: Path, tree: Path, tests: tuple[str, ...], expected: tuple[int, ...]) -> int | None:
    """Run tests on the copy; return pytest's exit code, None if they took too long. Show what was not expected."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    process = subprocess.Popen(
        [python, "-B", "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *tests],
        cwd=tree, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    try:
        said, _ = process.communicate(timeout=_PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        return None
    if process.returncode not in expected:
        sys.stdout.buffer.write(said[-3000:])
    return process.returncode


def fate(guard: Guard, python: Path, tree: Path) -> str:
    """Remove a guard from the copy, run its tests, put it back; return what came of it."""
    path = tree / guard.file
    before = path.read_text()
    if before.count(guard.text) != 1:
        return f"NOT FOUND: the text stands {before.count(guard.text)} times in {guard.file}, not once"
    path.write_text(before.replace(guard.text, guard.instead))
    try:
        code = test(python, tree, guard.tests, expected=(0, _FAILED))
    finally:
        path.write_text(before)
    if code == 0:
        return "SURVIVED: no test noticed"
    return "noticed" if code in (_FAILED, None) else f"NOT TESTED: pytest ended with {code}"


def main() -> int:
    """Do it."""
    parser = argparse.ArgumentParser(prog="script/mutate-guards", description=__doc__)
    parser.add_argument("--only", nargs="*", metavar="WORD", help="guards whose name has one of these in it")
    parser.add_argument("--trust", action="store_true", help="do not look first whether the tests pass as it is")
    options = parser.parse_args()
    guards = [guard for guard in GUARDS if not options.only or any(word in guard.name for word in options.only)]
    with tempfile.TemporaryDirectory(prefix="seedcache-guards-") as home:
        tree = Path(home)
        python = copied(tree)
        every = tuple(sorted({name for guard in guards for name in guard.tests}))
        if not options.trust and test(python, tree, every, expected=(0,)) != 0:
            print("the tests fail on the copy as it is; mend that first")  # noqa: T201
            return 2
        fates = []
        for guard in guards:
            begun = time.monotonic()
            fates.append(fate(guard, python, tree))
            print(f"{fates[-1]:10} {guard.name} ({time.monotonic() - begun:.0f} s)", flush=True)  # noqa: T201
    survived = sum(each.startswith("SURVIVED") for each in fates)
    untrue = sum(each.startswith("NOT") for each in fates)
    print(f"{len(fates)} guards removed: {fates.count('noticed')} noticed, {survived} survived, {untrue} not tried")  # noqa: T201
    return 2 if untrue else min(survived, 1)


if __name__ == "__main__":
    sys.exit(main())
