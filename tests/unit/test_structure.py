"""Who may import whom: the rooms of the house, read from the sources themselves."""

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.needs import ROOT

PACKAGE = Path(ROOT, "supervisor")
MODULES = {
    ".".join(path.relative_to(PACKAGE).with_suffix("").parts): path
    for path in sorted(PACKAGE.rglob("*.py"))
    if path.name != "__init__.py"
}
TREES = {name: ast.parse(path.read_text()) for name, path in MODULES.items()}

# Who alone may import it, whatever it is for.
ONLY_IN = {
    "pyrosimple": {"adapters.rtorrent"},
    "requests": {"adapters.http"},
    "filelock": {"adapters.locks"},
    "prometheus_client": {"observation.metrics"},
    "dynaconf": {"configuration.sources"},
    "psutil": {"adapters.processes", "observation.metrics"},
    "inotify_simple": {"arbiter"},
    "sqlite3": {"journal"},
    "ctypes": {"adapters.syscalls"},
    "multiprocessing": {"adapters.processes", "broker", "fleet"},
    "signal": {"adapters.processes", "arbiter", "broker", "commands.watching", "workers.loop"},
    "subprocess": {"apart", "dispatch.sweeper"},
    "rich": {"commands.screen", "commands.watching"},
    "shtab": {"commands.completion"},
}
# These import the standard library and each other, and nothing of them touches the outside.
PURE = {
    "errors", "jobs", "measures", "messages", "policies",
    "dispatch.crew", "dispatch.decisions", "dispatch.destinations", "dispatch.planning", "dispatch.reconciling",
    "dispatch.schedules", "dispatch.units", "dispatch.uploads", "observation.gauges", "observation.snapshot",
}  # fmt: skip
# What a room may import of ours, besides itself; a lower one never imports a higher one.
ROOMS = {
    "adapters": {"errors", "messages"},
    "policies": set(),
    "transfer": {"adapters", "errors", "jobs", "messages"},
    "notifiers": {"adapters", "errors", "jobs", "messages", "settings"},
    "workers": {"adapters", "broker", "errors", "logs", "messages", "notifiers", "transfer"},
}
# These are windows and roofs: nobody below knows them.
IMPORTED_BY = {
    "cli": set(),
    "arbiter": {"cli"},
    "commands.status": {"cli", "commands.explaining", "commands.plain", "commands.screen", "commands.watching"},
    "commands.watching": {"cli"},
    "commands.screen": {"commands.watching"},  # rich takes 80 ms: only a terminal pays for it
    "observation.web": {"arbiter"},
    "dispatch.dispatcher": {"arbiter"},
    "dispatch.outcomes": {"dispatch.dispatcher"},
    "dispatch.scheduler": {"dispatch.dispatcher", "dispatch.outcomes"},  # these say what is Ready
    "fleet": {"arbiter"},
}
CLOCK = {"time", "monotonic", "now", "perf_counter", "time_ns", "monotonic_ns", "today", "utcnow"}


def statements(tree: ast.AST) -> Iterator[ast.stmt]:
    """Yield what is run; `if TYPE_CHECKING:` is for type checkers only."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING":
            continue
        if isinstance(node, ast.stmt):
            yield node
        yield from statements(node)


def imports(name: str) -> set[str]:
    """Return the modules that a module imports, ours without the package's name."""
    found = set()
    for node in statements(TREES[name]):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, "relative imports are not used"
            whole = [f"{node.module}.{alias.name}" for alias in node.names]
            found |= {each if each.removeprefix("supervisor.") in MODULES else str(node.module) for each in whole}
    return {each.removeprefix("supervisor.") for each in found}


def pure(name: str) -> bool:
    return bool({name, name.partition(".")[0]} & PURE)


def ours(name: str) -> set[str]:
    return imports(name) & MODULES.keys()


@pytest.mark.parametrize("name", MODULES)
def test_a_tool_is_imported_by_its_own_module_only(name):
    top = {each.partition(".")[0] for each in imports(name)} - {each.partition(".")[0] for each in ours(name)}
    assert {tool for tool in top & ONLY_IN.keys() if name not in ONLY_IN[tool]} == set()
    allowed = sys.stdlib_module_names | ONLY_IN.keys()
    assert top - allowed == set(), "what is new wants a module of its own"


@pytest.mark.parametrize("name", [name for name in MODULES if pure(name)])
def test_a_pure_module_imports_pure_ones_and_the_standard_library(name):
    assert {each for each in ours(name) if not pure(each)} == set()
    assert imports(name) - ours(name) <= sys.stdlib_module_names | {"collections.abc"}
    assert not imports(name) & {"os", "io", "socket", "threading", "time", "random", "logging"}


@pytest.mark.parametrize("name", [name for name in MODULES if name.partition(".")[0] in ROOMS])
def test_a_room_imports_no_higher_one(name):
    room = name.partition(".")[0]
    allowed = ROOMS[room] | {room}
    assert {each for each in ours(name) if not {each, each.partition(".")[0]} & allowed} == set()


@pytest.mark.parametrize("room", ["notifiers", "policies"])
def test_siblings_do_not_import_each_other(room):
    for name in MODULES:
        if name.startswith(f"{room}.") and name != f"{room}.table":
            assert {each for each in ours(name) if each.startswith(f"{room}.")} <= {f"{room}.base"}, name


@pytest.mark.parametrize("name", IMPORTED_BY)
def test_a_roof_carries_nothing(name):
    assert {other for other in MODULES if name in ours(other)} <= IMPORTED_BY[name]


@pytest.mark.parametrize("name", [name for name in MODULES if name != "adapters.clock"])
def test_the_time_comes_from_the_clock(name):
    for node in ast.walk(TREES[name]):
        if isinstance(node, ast.Attribute) and getattr(node.value, "id", "") in {"time", "datetime", "date"}:
            assert node.attr not in CLOCK, f"{name}:{node.lineno}"
        if isinstance(node, ast.ImportFrom) and node.module in {"time", "datetime"}:
            assert not {alias.name for alias in node.names} & CLOCK, f"{name}:{node.lineno}"


def test_every_init_is_empty():
    assert [path for path in PACKAGE.rglob("__init__.py") if path.read_bytes()] == []


@pytest.mark.parametrize("name", MODULES)
def test_a_module_is_short_and_says_what_it_is(name):
    longest = 400 if name == "settings" else 320  # a table is as long as it has rows
    assert MODULES[name].read_text().count("\n") <= longest, "it wants two rooms"
    assert ast.get_docstring(TREES[name])


def test_the_hooks_half_of_the_program_imports_next_to_nothing():
    """In a process of its own, without site: what is loaded is what is paid for by each hook."""
    code = (
        "import sys; before = set(sys.modules); import supervisor.submit; "
        "print(*sorted(set(sys.modules) - before))"
    )  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-S", "-E", "-c", code],
        cwd=ROOT, capture_output=True, text=True, check=True, env={"PATH": os.environ["PATH"]},
    )  # fmt: skip
    assert set(done.stdout.split()) <= {
        "supervisor", "supervisor.submit", "supervisor.spool", "os", "os.path", "posixpath", "genericpath", "stat",
        "_stat", "_collections_abc", "abc", "_abc",
    }  # fmt: skip
    assert imports("submit") == {"os", "sys", "spool"}
    assert imports("spool") == {"os"}
