"""A model of what a disk may keep when the power goes: a record of writes and syncs, replayed to any of its moments.

POSIX promises little: of a file what was there at its last fsync(2), of a directory the entries at its own last fsync.
Of what came after, a disk keeps anything: all, nothing, names without data, data without names, half of a write. Real
file systems keep more (ext4 keeps earlier names when it syncs any); the model does not count on that.
"""

import os
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

SECTOR = 512  # bytes: what is written whole or not at all


@dataclass(frozen=True, slots=True)
class Operation:
    """One line of the record."""

    kind: str
    path: str
    other: str
    offset: int
    extra: int
    data: bytes


def read(record: Path) -> Iterator[Operation]:
    """Return what was recorded, in its order."""
    raw, at = record.read_bytes(), 0
    while at < len(raw):
        end = raw.index(b"\n", at)
        kind, path, other, offset, extra, length = os.fsdecode(raw[at:end]).split("\t")
        at = end + 1 + int(length)
        yield Operation(kind, path, other, int(offset), int(extra), raw[end + 1 : at])


@dataclass(eq=False)
class _File:
    kept: bytes = b""  # at the last fsync
    pending: list[tuple[int, bytes | None]] = field(default_factory=list)  # (offset, data), or (size, None): resized

    def live(self) -> bytes:
        return _applied(self.kept, self.pending)


@dataclass(eq=False)
class _Directory:
    live: "dict[str, _Node]" = field(default_factory=dict)
    kept: "dict[str, _Node]" = field(default_factory=dict)


_Node = _File | _Directory
_Change = tuple[_Directory, str, _Node | None]  # the entry becomes that, or goes


def _applied(content: bytes, operations: list[tuple[int, bytes | None]]) -> bytes:
    found = bytearray(content)
    for offset, data in operations:
        if data is None:
            found = found[:offset].ljust(offset, b"\0")
        else:
            if len(found) < offset:
                found = found.ljust(offset, b"\0")
            found[offset : offset + len(data)] = data
    return bytes(found)


class Disk:
    """One file system with several roots on it; each is there from the beginning, with what it has then."""

    def __init__(self, roots: Mapping[str, Path]) -> None:
        """Given the roots by their names, take what is below them as durable."""
        self._roots = {str(path): _taken(path) for path in roots.values()}
        self._names = {name: str(path) for name, path in roots.items()}
        self._pending: list[list[_Change]] = []  # what became of names and is not durable yet

    def _find(self, path: str) -> tuple[_Directory, str] | None:
        """Return the directory that has the path, and its name there."""
        for root, top in self._roots.items():
            if path == root:
                return None
            if path.startswith(root + "/"):
                node: _Node = top
                *above, name = path[len(root) + 1 :].split("/")
                for part in above:
                    node = node.live[part]  # type: ignore[union-attr]
                assert isinstance(node, _Directory)
                return node, name
        raise LookupError(path)

    def _node(self, path: str) -> _Node | None:
        if path in self._roots:
            return self._roots[path]
        try:
            directory, name = self._find(path)  # type: ignore[misc]
        except (LookupError, KeyError):
            return None
        return directory.live.get(name)

    def apply(self, operation: Operation) -> None:
        """Let it happen."""
        path = operation.path
        match operation.kind:
            case "create" | "mkdir":
                self._name(path, _File() if operation.kind == "create" else _Directory())
            case "unlink":
                self._change([(*self._at(path), None)])
            case "rename":
                node = self._node(path)
                self._change([(*self._at(path), None), (*self._at(operation.other), node)])
            case "link":
                self._name(operation.other, self._node(path))
            case "write" | "resize" | "truncate" | "allocate":
                file = self._node(path)
                if file is None and not path.endswith(" (deleted)"):  # opened by stdio, whose open(2) is not seen
                    file = _File()
                    self._name(path, file)
                if isinstance(file, _File):
                    size = operation.offset
                    if operation.kind == "allocate":
                        size = max(size, len(file.live()))
                    is_data = operation.kind == "write"
                    file.pending.append((operation.offset, operation.data) if is_data else (size, None))
            case "fsync":
                self._sync(self._node(path))
            case "syncfs":
                self._sync_all()

    def _at(self, path: str) -> tuple[_Directory, str]:
        found = self._find(path)
        assert found is not None
        return found

    def _name(self, path: str, node: _Node | None) -> None:
        self._change([(*self._at(path), node)])

    def _change(self, changes: list[_Change]) -> None:
        for directory, name, node in changes:
            _enter(directory.live, name, node)
        self._pending.append(changes)

    def _sync(self, node: _Node | None) -> None:
        if isinstance(node, _File):
            node.kept, node.pending = node.live(), []
        elif isinstance(node, _Directory):
            rest = []
            for changes in self._pending:
                if any(directory is node for directory, _, _ in changes):
                    for directory, name, entry in changes:
                        _enter(directory.kept, name, entry)
                else:
                    rest.append(changes)
            self._pending = rest

    def _sync_all(self) -> None:
        for top in self._roots.values():
            for node in _nodes(top):
                if isinstance(node, _File):
                    node.kept, node.pending = node.live(), []
        for changes in self._pending:
            for directory, name, entry in changes:
                _enter(directory.kept, name, entry)
        self._pending = []

    def rebuild(self, where: Path, how: str, dice: random.Random) -> dict[str, Path]:
        """Write below `where` what is left if the power goes now; return the roots by their names.

        `how`: least, names (and sizes, with zeros), data, all, or any: each pending thing is kept or not, or is torn.
        """
        entries: dict[_Directory, dict[str, _Node]] = {}
        for changes in self._pending:
            if how in ("names", "all") or (how == "any" and dice.random() < 0.5):
                for directory, name, node in changes:
                    _enter(entries.setdefault(directory, dict(directory.kept)), name, node)

        def content(file: _File) -> bytes:
            if how in ("data", "all"):
                return file.live()
            if how == "names":
                size = len(file.live())
                return file.kept[:size].ljust(size, b"\0")
            if how == "any":
                kept = [_torn(operation, dice) for operation in file.pending if dice.random() < 0.5]
                return _applied(file.kept, kept)
            return file.kept

        def write(directory: _Directory, path: Path) -> None:
            path.mkdir()
            for name, node in entries.get(directory, directory.kept).items():
                if isinstance(node, _File):
                    (path / name).write_bytes(content(node))
                else:
                    write(node, path / name)

        where.mkdir()
        for name, root in self._names.items():
            write(self._roots[root], where / name)
        return {name: where / name for name in self._names}


def _enter(entries: dict[str, _Node], name: str, node: _Node | None) -> None:
    if node is None:
        entries.pop(name, None)
    else:
        entries[name] = node


def _torn(operation: tuple[int, bytes | None], dice: random.Random) -> tuple[int, bytes | None]:
    offset, data = operation
    if data is None or dice.random() < 0.5:
        return operation
    return offset, data[: dice.randrange(0, len(data) + 1, SECTOR)]


def _nodes(directory: _Directory) -> Iterator[_Node]:
    for node in directory.live.values():
        yield node
        if isinstance(node, _Directory):
            yield from _nodes(node)


def _taken(path: Path) -> _Directory:
    directory = _Directory()
    for entry in path.iterdir():
        if entry.is_dir():
            directory.live[entry.name] = _taken(entry)
        elif entry.is_file():
            directory.live[entry.name] = _File(entry.read_bytes())
    directory.kept = dict(directory.live)
    return directory
