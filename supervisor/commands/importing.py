"""`seedcache import-legacy`: takes over what the predecessor was told and what it had still to do.

Without `apply` it only says what it would do. Nothing of the predecessor's is changed or removed, and a settings file
that is there is never written over; so it may be run again at any time.
"""

import contextlib
import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields

from supervisor import settings, spool
from supervisor.adapters import durable
from supervisor.commands import legacy, reader
from supervisor.errors import ConfigurationError
from supervisor.settings import HIDDEN, Settings

_TO_DO = (
    "left to do by hand: take the predecessor's lines (process_complete, process_new) out of rTorrent's rc file,",
    "then: seedcache check; seedcache hook install --live RTORRENT_RC; start `seedcache run`",
)


@dataclass(frozen=True, slots=True)
class Sources:
    """Where the predecessor left things, and where its settings go to."""

    environment_file: str | None  # its .env; None: our environment, as inside its container
    queue: str | None  # its queue directory; None: where its LOCK_DIR says
    config: str | None  # our settings file, as the command line names it


def run(given: Sources, environ: Mapping[str, str], *, apply: bool) -> Iterator[str]:
    """Take over settings and queue, or with `apply` false say what would be done; yield the lines for a person.

    Raise ConfigurationError if the settings would not be valid, or something cannot be written; what is done stays.
    """
    known = frozenset(name.upper() for name in settings.BARE)
    if given.environment_file:
        environment, strange = legacy.read_environment(given.environment_file)
    else:
        environment, strange = {name: value for name, value in environ.items() if name in known}, []
    taken, left = legacy.carried_over(environment, known)
    yield f"settings from {given.environment_file or 'the environment'}:"
    for name, value in taken.items():
        shown = HIDDEN if settings.specs()[name.lower()].secret else value
        yield f"  {name} = {shown}{'' if name in environment else '  (its default)'}"
    yield from (f"  left out: {name}: {why}" for name, why in left.items())
    yield from (f"  not understood: {where}" for where in strange)
    path = os.path.abspath(given.config or environ.get("SEEDCACHE_CONFIG") or settings.DEFAULT_FILE)
    state_dir = _state_dir(path, environ)
    yield from _settings(path, state_dir, taken, apply=apply)
    places = [given.queue] if given.queue else [*legacy.queues(taken.get("LOCK_DIR", legacy.LOCK_DIR))]
    if not places:
        yield "queue: there is none"
    for place in places:
        yield from _queue(place, state_dir, apply=apply)
    yield from _TO_DO if apply else ("nothing was changed; with --yes it is done",)


def _state_dir(path: str, environ: Mapping[str, str]) -> str:
    """Return the state directory that is named, or that our settings name if there are any, or the default."""
    named = environ.get("SEEDCACHE_STATE_DIR")
    if not named and os.path.lexists(path):
        named = settings.load(path, {}).state_dir
    return os.path.abspath(named or str(Settings.__dataclass_fields__["state_dir"].default))


def _settings(path: str, state_dir: str, taken: Mapping[str, str], *, apply: bool) -> Iterator[str]:
    content = _toml(taken, state_dir)
    ours = _loaded(content)
    if os.path.lexists(path):
        theirs = settings.load(path, {})
        differing = [name for name in taken if getattr(theirs, name.lower()) != getattr(ours, name.lower())]
        what = f"it differs in {', '.join(differing)}" if differing else "it says the same"
        yield f"{path} is there already, and is left as it is; {what}"
    elif apply:
        _write(path, content.encode(), state_dir)
        yield f"{path} is written"
    else:
        yield f"{path} would be written"


def _toml(taken: Mapping[str, str], state_dir: str) -> str:
    lines = ["# What pyrosimple-manager was told, taken over by `seedcache import-legacy`."]
    lines += [f"{name.lower()} = {_value(name.lower(), value)}" for name, value in taken.items()]
    if state_dir != Settings.__dataclass_fields__["state_dir"].default:
        lines.append(f"state_dir = {json.dumps(state_dir, ensure_ascii=False)}")
    return "\n".join(lines) + "\n"


def _value(name: str, text: str) -> str:
    default = next(field.default for field in fields(Settings) if field.name == name)
    if isinstance(default, bool | int | float):
        try:
            return json.dumps(settings.specs()[name].form.parse(text, True))  # as from the environment
        except ValueError:
            pass  # as it was written: loading says what is wrong with it
    return json.dumps(text, ensure_ascii=False)


def _loaded(content: str) -> Settings:
    with tempfile.TemporaryDirectory(prefix="seedcache-") as directory:
        path = os.path.join(directory, "settings.toml")
        with open(path, "w", encoding="utf-8") as file:
            file.write(content)
        try:
            return settings.load(path, {})
        except ConfigurationError as error:
            problems = str(error).replace(f"file:{path}", "the predecessor's")
            raise ConfigurationError(f"{problems}\nnothing was written: correct that there, then again") from None


def _write(path: str, content: bytes, state_dir: str) -> None:
    """Write the settings for the service and no other user: there may be keys in it."""
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        durable.replace(path, content, durable=True, mode=0o640)
        if os.geteuid() == 0 and os.path.isdir(state_dir):
            os.chown(path, 0, os.stat(state_dir).st_gid)
    except OSError as error:
        raise ConfigurationError(
            f"{path} cannot be written: {error.strerror}. Run this as root, or name --config"
        ) from (error)


def _queue(place: str, state_dir: str, *, apply: bool) -> Iterator[str]:
    queue = legacy.read_queue(place)
    yield f"queue {place}: {len(queue.waiting)} torrents"
    for job_hash, since in queue.waiting.items():
        known = _known(state_dir, job_hash)
        if known:
            yield f"  {job_hash} {known}"
        elif apply:
            try:
                spool.write(state_dir, job_hash, "finished")
                with contextlib.suppress(FileNotFoundError):  # a supervisor that runs has taken it already
                    # The spool is read in the order of the entries' times: the oldest goes first, as it should have.
                    os.utime(os.path.join(spool.directory(state_dir), f"{job_hash}.finished"), (since, since))
            except OSError as error:
                where = spool.directory(state_dir)
                raise ConfigurationError(
                    f"nothing can be handed in to {where}: {error.strerror}. Start `seedcache run` once, which makes "
                    "it, then do this again"
                ) from error
            yield f"  {job_hash} is handed in"
        else:
            yield f"  {job_hash} would be handed in"
    yield from (f"  not understood: {name}" for name in queue.strange)


def _known(state_dir: str, job_hash: str) -> str:
    """Return how far we are with a torrent already; "": it was never handed in."""
    if spool.waits(state_dir, job_hash, "finished"):
        return "is handed in already"
    try:
        journal = reader.Reader(state_dir)
    except ConfigurationError:
        return ""
    job = journal.job(job_hash)
    journal.close()
    return f"is known already: {job.state}" if job else ""
