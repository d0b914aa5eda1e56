"""Delivers one torrent to the HDD: copy, prove, publish. What stands at a final name is proven, at every moment.

    <parent>/.seedcache-<hash>.partial/   everything is written here, and becomes <destination> by one rename
    <destination>/                        if it exists (a shared directory, an interrupted publish): file by file

`parent` is the destination itself for a torrent of one file. Whatever an earlier attempt left in the partial, and what
stands at a final name already, is read back and trusted as far as its pieces prove, and no further.
"""

import os
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack, suppress

from supervisor.adapters import clock, files, syscalls
from supervisor.errors import Refused, Stopped
from supervisor.jobs import Proof as Grade
from supervisor.messages import Copied, Copy, Phase, Place, Prove, Proven
from supervisor.transfer import metainfo, publishing, surveying
from supervisor.transfer.copying import Copying, dress
from supervisor.transfer.crew import ALIGN, Crew
from supervisor.transfer.metainfo import Metainfo
from supervisor.transfer.planning import Role
from supervisor.transfer.proving import Proof, ProofFailed, Tree, source_wrong
from supervisor.transfer.stream import Run, Stream, runs_of
from supervisor.transfer.surveying import Survey

Report = Callable[[Phase, int, int], None]  # what is being done, bytes done, bytes in all
Stopping = Callable[[], bool]

FEW = 64  # files; up to it each is fsynced, above it the file system is synced once


def partial_name(torrent: str) -> bytes:
    """Return the name of the directory in which a torrent's copy is made."""
    return b".seedcache-" + torrent.encode() + b".partial"


def deliver(task: Copy, report: Report, stopping: Stopping) -> Copied:
    """Copy a torrent's files to the HDD, prove them, publish them; return how.

    Raise Retryable if a later attempt may succeed (ProofFailed: bytes were wrong), Refused if a person must act, and
    Stopped, within a second of `stopping()`; what is there is resumed by the next attempt.
    """
    with ExitStack() as stack:
        return _Delivery(task, report, stopping, stack).run()


def prove(task: Prove, report: Report, stopping: Stopping) -> Proven:
    """Read a published copy back from the device and prove every piece. Raise as deliver does."""
    meta = metainfo.read(task.metainfo, task.hash)
    with ExitStack() as stack:
        tree = _open(stack, task.hdd, task.destination)
        where: list[int | None] = [0] * len(meta.files)
        with files.Directories(*tree) as directories:
            for number, file in enumerate(meta.files):
                if file.padding or not file.size:
                    try:
                        directories.stat(file.path)
                    except FileNotFoundError as error:
                        if not file.padding:
                            raise ProofFailed(
                                f"the HDD copy lacks {files.show(directories.join(file.path))}"
                            ) from error
                        where[number] = None
        begun = clock.monotonic()
        _read_back(meta, [tree], where, [(0, meta.count)], (report, stopping, Phase.PROVE))
        return Proven(clock.monotonic() - begun)


class _Delivery:
    """One run of deliver."""

    def __init__(self, task: Copy, report: Report, stopping: Stopping, stack: ExitStack) -> None:
        self.task, self.report, self.stopping, self.stack = task, report, stopping, stack
        self.meta = metainfo.read(task.metainfo, task.hash)
        self.stream = Stream(self.meta)
        self.source = _open(stack, task.ssd, task.source)
        self.hdd = _keep(stack, files.open_place(task.hdd))
        self.goal = files.beneath(task.hdd.path, task.destination)
        if self.meta.multi and not self.goal:
            raise Refused(f"the destination of {task.hash} is the HDD root itself; that is no torrent's directory")
        self.parent_path = task.destination.rstrip(b"/").rpartition(b"/")[0] if self.meta.multi else task.destination
        self.name = partial_name(task.hash)

    def run(self) -> Copied:
        """Do it."""
        with files.Directories(*self.source) as sources:
            originals = surveying.sources(self.meta, sources)
        final = self._final()
        stands = set[int]()
        if final is not None:
            with files.Directories(*final) as finals:
                stands = surveying.standing(self.meta, finals)
        survey = surveying.roles(self.meta, originals, stands)
        if final is not None and Role.WRITE not in survey.roles and not survey.links:
            return self._adopt(survey, final)
        return self._copy(survey, final)

    def _final(self) -> Tree | None:
        with files.explained(self.task.destination):
            try:
                return _keep(self.stack, files.open_directory(self.hdd, self.goal)), self.task.destination
            except FileNotFoundError:
                return None

    def _adopt(self, survey: Survey, final: Tree) -> Copied:
        """Prove what stands at the final names. It was published by an attempt that died then, or is somebody's."""
        begun = clock.monotonic()
        self._prove([final, final], survey, [(0, self.meta.count)])
        with files.explained(final[1]):
            syscalls.syncfs(final[0])
            parent = files.open_directory(self.hdd, self.goal[:-1] if self.meta.multi else self.goal)
            self.stack.callback(os.close, parent)
            with suppress(FileNotFoundError):
                os.stat(self.name, dir_fd=parent, follow_symlinks=False)
                partial, _ = self._partial(parent)
                publishing.discard(self.meta, parent, self.name, partial)
        return Copied(Grade.READ_BACK, True, 0, 0, 0.0, clock.monotonic() - begun)

    def _partial(self, parent: int) -> tuple[Tree, bool]:
        path = b"/".join((self.parent_path.rstrip(b"/"), self.name))
        with files.explained(path):
            descriptor, fresh = surveying.lock(parent, self.name, path)
        return (_keep(self.stack, descriptor), path), fresh

    def _copy(self, survey: Survey, final: Tree | None) -> Copied:
        begun, meta = clock.monotonic(), self.meta
        with files.explained(self.parent_path):
            parent = files.make_directory(self.hdd, self.goal[:-1] if meta.multi else self.goal)
            self.stack.callback(os.close, parent)
        partial, fresh = self._partial(parent)
        trees = [final or partial, partial]
        present = [0] * len(meta.files)
        if not fresh:
            with files.Directories(*partial) as directories:
                present = surveying.left(meta, directories, survey)
        runs = self._missing(survey, trees, present)
        sync_each = survey.roles.count(Role.WRITE) <= FEW
        cloned = fresh and self._clone(survey, partial, sync_each=sync_each)
        copied = 0
        if runs and not cloned:
            surveying.check_space(meta, survey, present, partial[0], self.parent_path)
            copied = self._copy_pieces(survey, partial, runs, fresh=fresh, sync_each=sync_each)
        publishing.complete(meta, survey, partial, fresh=fresh, sync_each=sync_each)
        publishing.make_durable(meta, survey, self.source, partial, sync_each=sync_each)
        copy_seconds, begun = clock.monotonic() - begun, clock.monotonic()
        back = self.task.read_back or cloned
        if runs and back:
            self._prove(trees, survey, self._touched(runs), cloned=cloned)
        elif runs:
            self._forget(survey, partial)
        prove_seconds = clock.monotonic() - begun
        self._publish(survey, parent, partial, final, fresh=fresh)
        grade = Grade.READ_BACK if back or not runs else Grade.SOURCE
        resumed = self._payload(survey) - sum(self._writable(survey, run) for run in runs)
        return Copied(grade, False, copied, resumed, copy_seconds, prove_seconds)

    def _missing(self, survey: Survey, trees: Sequence[Tree], present: Sequence[int]) -> list[Run]:
        """Return the pieces that must be copied, after reading back what is there."""
        meta = self.meta
        if not any(present) and Role.READ not in survey.roles:
            return [(0, meta.count)]
        missing = set[int]()
        for number, file in enumerate(meta.files):
            if survey.roles[number] == Role.WRITE or number in survey.links:
                missing.update(range(*self.stream.pieces_of(number, present[number], file.size)))
        there = runs_of(piece for piece in range(meta.count) if piece not in missing)
        wrong = list[int]()
        _read_back(meta, trees, survey.where, there, (self.report, self.stopping, Phase.RESUME), wrong.append)
        for piece in wrong:
            extents = list(self.stream.extents(*self.stream.span((piece, piece + 1))))
            if all(survey.where[extent.file] != 1 for extent in extents):
                raise self._foreign(survey, piece)
        return runs_of(sorted(missing.union(wrong)))

    def _foreign(self, survey: Survey, piece: int) -> Refused:
        for extent in self.stream.extents(*self.stream.span((piece, piece + 1))):
            if survey.where[extent.file] == 0:
                return surveying.foreign(b"/".join((self.task.destination, *self.meta.files[extent.file].path)))
        return Refused(f"piece {piece} of {self.task.hash} does not match")

    def _clone(self, survey: Survey, partial: Tree, *, sync_each: bool) -> bool:
        """Let the copy share the source's blocks where one file system holds both and can; return whether it does."""
        with files.Directories(*self.source) as sources, files.Directories(*partial, make=True) as targets:
            for number, file in enumerate(self.meta.files):
                original = survey.originals[number]
                if survey.roles[number] != Role.WRITE or original is None or not file.size:
                    continue
                with ExitStack() as stack, files.explained(targets.join(file.path)):
                    source = _keep(stack, sources.open(file.path, os.O_RDONLY))
                    target = _keep(stack, targets.open(file.path, os.O_RDWR | os.O_CREAT | os.O_EXCL))
                    try:
                        syscalls.clone(source, target)
                    except OSError:
                        os.unlink(file.path[-1], dir_fd=targets.parent(file.path))
                        return False
                    dress(target, original)
                    if sync_each:
                        os.fsync(target)
        return True

    def _copy_pieces(self, survey: Survey, partial: Tree, runs: Sequence[Run], *, fresh: bool, sync_each: bool) -> int:
        total = sum(end - start for start, end in map(self.stream.span, runs))
        crew = Crew(self.stopping, lambda: self.report(Phase.COPY, copying.done, total))
        arguments = (self.meta, self.source, partial, survey.originals, survey.roles, crew)
        copying = Copying(*arguments, fresh=fresh, sync_each=sync_each)
        copying.run(runs)
        return copying.written

    def _touched(self, runs: Iterable[Run]) -> list[Run]:
        """Return the pieces that share a page of a file with those that were written."""
        around = -(-ALIGN // self.meta.piece_length)
        pieces = set[int]()
        for first, last in runs:
            pieces.update(range(max(0, first - around), min(self.meta.count, last + around)))
        return runs_of(sorted(pieces))

    def _prove(self, trees: Sequence[Tree], survey: Survey, runs: Sequence[Run], *, cloned: bool = False) -> None:
        def wrong(piece: int) -> None:
            extents = self.stream.extents(*self.stream.span((piece, piece + 1)))
            if any(survey.where[extent.file] == 0 for extent in extents):
                raise self._foreign(survey, piece)
            if cloned:  # it has the source's own blocks
                raise source_wrong(self.meta, self.source, piece)
            raise _mismatch(self.meta, piece)

        _read_back(self.meta, trees, survey.where, runs, (self.report, self.stopping, Phase.PROVE), wrong)

    def _forget(self, survey: Survey, partial: Tree) -> None:
        """Drop the copy from the page cache: it belongs to what is being seeded."""
        with files.Directories(*partial) as targets:
            for number, file in enumerate(self.meta.files):
                if survey.roles[number] == Role.WRITE and file.size:
                    with files.explained(targets.join(file.path)), ExitStack() as stack:
                        descriptor = _keep(stack, targets.open(file.path, os.O_RDONLY))
                        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)

    def _publish(self, survey: Survey, parent: int, partial: Tree, final: Tree | None, *, fresh: bool) -> None:
        if self.stopping():
            raise Stopped("stopped before publishing; what is there is resumed next time")
        self.report(Phase.PUBLISH, 0, self.meta.size)
        whole = self.meta.multi and final is None and (fresh or not surveying.strangers(self.meta, partial[0]))
        if whole and publishing.publish_whole(parent, self.name, self.goal[-1], self.task.destination):
            return
        if final is None:
            with files.explained(self.task.destination):
                final = _keep(self.stack, files.make_directory(self.hdd, self.goal)), self.task.destination
        publishing.publish_files(self.meta, survey, self.source, partial, final)
        publishing.discard(self.meta, parent, self.name, partial)

    def _payload(self, survey: Survey) -> int:
        return self._writable(survey, (0, self.meta.count))

    def _writable(self, survey: Survey, run: Run) -> int:
        extents = self.stream.extents(*self.stream.span(run))
        return sum(extent.length for extent in extents if survey.roles[extent.file] == Role.WRITE)


Watch = tuple[Report, Stopping, Phase]


def _read_back(
    meta: Metainfo,
    trees: Sequence[Tree],
    where: Sequence[int | None],
    runs: Sequence[Run],
    watch: Watch,
    wrong: Callable[[int], None] | None = None,
) -> None:
    report, stopping, phase = watch

    def raises(piece: int) -> None:
        raise _mismatch(meta, piece)

    stream = Stream(meta)
    total = sum(end - start for start, end in map(stream.span, runs))
    report(phase, 0, total)
    crew = Crew(stopping, lambda: report(phase, proof.done, total))
    proof = Proof(meta, trees, where, wrong or raises, crew)
    proof.run(runs)


def _mismatch(meta: Metainfo, piece: int) -> ProofFailed:
    number, offset = Stream(meta).name(piece)
    name = files.show(b"/".join(meta.files[number].path))
    return ProofFailed(f"the HDD copy does not match piece {piece} of {name} (offset {offset}); it is copied again")


def _open(stack: ExitStack, place: Place, path: bytes) -> Tree:
    """Open a directory below a configured root, for as long as the stack lasts."""
    with files.explained(path):
        root = files.open_place(place)
        try:
            return _keep(stack, files.open_directory(root, files.beneath(place.path, path))), path.rstrip(b"/")
        finally:
            os.close(root)


def _keep(stack: ExitStack, descriptor: int) -> int:
    stack.callback(os.close, descriptor)
    return descriptor
