"""Delivers one torrent to the HDD: copy, prove, publish. What stands at a final name is proven, at every moment.

    <parent>/.seedcache-<hash>.partial/   everything is written here, and becomes <destination> by one rename
    <destination>/                        if it exists (a shared directory, an interrupted publish): file by file

`parent` is the destination itself for a torrent of one file. Whatever an earlier attempt left in the partial, and what
stands at a final name already, is read back and trusted as far as its pieces prove, and no further.
"""

import os
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import replace

from supervisor.adapters import clock, files, syscalls
from supervisor.errors import Refused, Stopped
from supervisor.jobs import Proof as Grade
from supervisor.messages import Copied, Copy, Phase, Place, Prove, Proven
from supervisor.transfer import linking, metainfo, publishing, surveying
from supervisor.transfer.filling import Filling, foreign_in
from supervisor.transfer.pacing import Brake, Pace
from supervisor.transfer.planning import Role
from supervisor.transfer.proving import ProofFailed, Report, Stopping, Tree, Watch, copy_wrong, read_back, source_wrong
from supervisor.transfer.stream import Run
from supervisor.transfer.surveying import Survey

FULL_SPEED = Pace()
_OURS = b".seedcache-"
FEW = 64  # files; up to it each is fsynced, above it the file system is synced once


def partial_name(torrent: str) -> bytes:
    """Return the name of the directory in which a torrent's copy is made."""
    return _OURS + torrent.encode() + b".partial"


def deliver(task: Copy, report: Report, stopping: Stopping, pace: Pace = FULL_SPEED) -> Copied:
    """Copy a torrent's files to the HDD, prove them, publish them; return how.

    `report` is told the phase, the bytes done and the bytes in all, ten times a second; `stopping` is asked as often.

    Raise Retryable if a later attempt may succeed (ProofFailed: bytes were wrong), Refused if a person must act, and
    Stopped, within a second of `stopping()`; what is there is resumed by the next attempt.
    """
    with ExitStack() as stack:
        try:
            return _Delivery(task, Watch(report, stopping, Brake(pace)), stack).run()
        except ProofFailed:
            if not task.kin:
                raise
    return deliver(replace(task, kin=()), report, stopping, pace)  # what a kin torrent has on the HDD may be wrong


def prove(task: Prove, report: Report, stopping: Stopping, pace: Pace = FULL_SPEED) -> Proven:
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
        begun, watch = clock.monotonic(), Watch(report, stopping, Brake(pace))

        def wrong(piece: int) -> None:
            raise copy_wrong(meta, piece)

        read_back(meta, [tree], where, [(0, meta.count)], watch, Phase.PROVE, wrong)
        return Proven(clock.monotonic() - begun)


class _Delivery:
    """One run of deliver."""

    def __init__(self, task: Copy, watch: Watch, stack: ExitStack) -> None:
        self.task, self.watch, self.stack = task, watch, stack
        self.meta = metainfo.read(task.metainfo, task.hash)
        self.source = _open(stack, task.ssd, task.source)
        self.hdd = _keep(stack, files.open_place(task.hdd))
        self.goal = files.beneath(task.hdd.path, task.destination)
        if self.meta.name.startswith(_OURS):  # of a file, too: it would stand where another's partial has to
            name = files.show(self.meta.name)
            raise Refused(f"the torrent is called {name}: names that begin so are the supervisor's own; it stays")
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
        linking.link(self.task, meta, survey, partial)
        sync_each = survey.roles.count(Role.WRITE) <= FEW
        reserve = self.task.reserve
        filling = Filling(
            meta, survey, self.source, partial, final or partial, fresh=fresh, sync_each=sync_each, reserve=reserve
        )
        cloned = fresh and filling.clone()
        if not cloned:
            filling.copy(self.watch)
        publishing.complete(meta, survey, partial, fresh=fresh, sync_each=sync_each)
        publishing.make_durable(meta, survey, self.source, partial, sync_each=sync_each)
        copy_seconds, begun = clock.monotonic() - begun, clock.monotonic()
        back = self.task.read_back or cloned
        if filling.filled and back:
            self._prove(filling.trees, survey, filling.touched(), cloned=cloned)
        elif filling.filled:
            publishing.forget(meta, survey, partial)
        prove_seconds = clock.monotonic() - begun
        self._publish(survey, parent, partial, final, fresh=fresh)
        grade = Grade.READ_BACK if back or not filling.filled else Grade.SOURCE
        resumed = 0 if cloned else filling.kept()
        return Copied(grade, False, filling.written, resumed, copy_seconds, prove_seconds)

    def _prove(self, trees: Sequence[Tree], survey: Survey, runs: Sequence[Run], *, cloned: bool = False) -> None:
        def wrong(piece: int) -> None:
            stands = foreign_in(self.meta, survey, piece, trees[0])
            if stands is not None:
                raise stands
            if cloned:  # it has the source's own blocks
                raise source_wrong(self.meta, self.source, piece)
            raise copy_wrong(self.meta, piece)

        read_back(self.meta, trees, survey.where, runs, self.watch, Phase.PROVE, wrong)

    def _publish(self, survey: Survey, parent: int, partial: Tree, final: Tree | None, *, fresh: bool) -> None:
        if self.watch.stopping():
            raise Stopped("stopped before publishing; what is there is resumed next time")
        self.watch.report(Phase.PUBLISH, 0, self.meta.size)
        whole = self.meta.multi and final is None and (fresh or not surveying.strangers(self.meta, partial[0]))
        if whole and publishing.publish_whole(parent, self.name, self.goal[-1], self.task.destination):
            return
        if final is None:
            with files.explained(self.task.destination):
                final = _keep(self.stack, files.make_directory(self.hdd, self.goal)), self.task.destination
        publishing.publish_files(self.meta, survey, self.source, partial, final)
        publishing.discard(self.meta, parent, self.name, partial)


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
