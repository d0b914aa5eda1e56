"""Where settings come from: the file and the environment, laid over each other. The only importer of dynaconf.

dynaconf lays the sources over each other and remembers which one a value came from. It is given each source's values
rather than left to find them: its own loaders read the process environment, pass over a file they cannot read with a
warning, choose the format by the file's ending, and evaluate `@format` and `@jinja` in values. It is imported only when
settings are loaded, so that a process that only needs the class does not pay for it.
"""

from collections.abc import Collection, Iterator, Mapping
from typing import Any

PREFIX = "SEEDCACHE_"
# Variables of our prefix that are not settings.
NAMES_FILE = "SEEDCACHE_CONFIG"
_FOR_TOOLS = ("SEEDCACHE_TESTS_", "SEEDCACHE_DEMO_", "SEEDCACHE_BENCH_")


def gather(
    named: str | None,
    default: str,
    environ: Mapping[str, str],
    known: Collection[str],
    bare: Collection[str],
    problems: list[str],
) -> dict[str, tuple[Any, str]]:
    """Return for each setting that has one its value, as it was written, and the source of that.

    Given the file that was named, if any, which must exist; the one that is read else, which need not; the environment;
    the names of the settings, and those that are read from the environment without the prefix too. Problems are added.
    """
    file = _file(named or default, must=bool(named), known=known, problems=problems)
    return _overlaid([*file, *_environment(environ, known, bare, problems)])


def _file(
    path: str, *, must: bool, known: Collection[str], problems: list[str]
) -> Iterator[tuple[str, dict[str, Any]]]:
    import tomllib  # noqa: PLC0415  # only who loads settings pays for it

    try:
        with open(path, "rb") as file:
            content = tomllib.load(file)
    except FileNotFoundError:
        if must:
            problems.append(f"CONFIG (file:{path}): does not exist; name the settings file that does")
        return
    except OSError as error:
        problems.append(f"CONFIG (file:{path}): cannot be read ({error.strerror}); let this user read it")
        return
    except ValueError as error:  # not TOML, with the line; or not UTF-8
        problems.append(f"CONFIG (file:{path}): is not valid TOML: {error}; correct it there")
        return
    values: dict[str, Any] = {}
    for name, value in _flat(content, "", known):
        if name not in known:
            problems.append(f"{name.upper()} (file:{path}): there is no such setting{_nearest(name, known)}")
        elif name in values:
            problems.append(f"{name.upper()} (file:{path}): is set twice, in a table and by its full name; remove one")
        else:
            values[name] = value
    yield f"file:{path}", values


def _flat(table: Mapping[str, Any], before: str, known: Collection[str]) -> Iterator[tuple[str, Any]]:
    """Give `url` in the table `[sonarr]` its full name: sonarr_url."""
    for key, value in table.items():
        name = before + key.lower()
        if isinstance(value, dict) and any(each.startswith(f"{name}_") for each in known):
            yield from _flat(value, f"{name}_", known)
        else:
            yield name, value


def _environment(
    environ: Mapping[str, str], known: Collection[str], bare: Collection[str], problems: list[str]
) -> Iterator[tuple[str, dict[str, Any]]]:
    for name in sorted(bare):
        if environ.get(name.upper()):
            yield f"environment variable {name.upper()}", {name: environ[name.upper()]}
    for variable in sorted(environ):
        if not variable.startswith(PREFIX) or variable == NAMES_FILE or variable.startswith(_FOR_TOOLS):
            continue
        name = variable.removeprefix(PREFIX).replace("__", "_").lower()
        if name not in known:
            problems.append(
                f"{variable} (environment variable): there is no such setting{_nearest(name, known, PREFIX)}"
            )
        elif environ[variable]:
            yield f"environment variable {variable}", {name: environ[variable]}


def _overlaid(layers: list[tuple[str, dict[str, Any]]]) -> dict[str, tuple[Any, str]]:
    """Given the sources, weakest first, return for each setting that has one its value and its source."""
    from dynaconf import Dynaconf  # noqa: PLC0415  # 15 MB and 120 ms: see above
    from dynaconf.loaders.base import SourceMetadata  # noqa: PLC0415
    from dynaconf.utils.inspect import get_history  # noqa: PLC0415

    stack = Dynaconf(
        envvar_prefix=None,
        settings_files=[],
        core_loaders=[],
        loaders=[],
        environments=False,
        load_dotenv=False,
        auto_cast=False,
    )
    for source, values in layers:
        stack.update(values, loader_identifier=SourceMetadata("seedcache", source), dotted_lookup=False)
    return {
        name.lower(): (stack[name], entry["identifier"])
        for entry in get_history(stack)
        if entry["loader"] == "seedcache"
        for name in entry["value"]
    }


def _nearest(name: str, known: Collection[str], before: str = "") -> str:
    from difflib import get_close_matches  # noqa: PLC0415  # only for a mistake

    near = get_close_matches(name, known, n=1)
    return f"; did you mean {before}{near[0].upper()}?" if near else "; remove it"
