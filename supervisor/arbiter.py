"""The parent: one loop that waits for everything at once, and hands it to the dispatcher.

It wakes for a submission (inotify), a report of a worker, an answer of rTorrent, the end of a child, a signal, and the
clock. Signal handlers only write a byte (signal.set_wakeup_fd); threads only put a message and ring.
"""

import contextlib
import logging
import os
import queue
import selectors
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import replace

from inotify_simple import INotify, flags

from supervisor import broker, logs, spool
from supervisor.adapters import clock, locks, premises, processes, systemd
from supervisor.dispatch.announcements import notifiers
from supervisor.dispatch.board import Board
from supervisor.dispatch.crew import Crew
from supervisor.dispatch.disks import Disks
from supervisor.dispatch.dispatcher import Dispatcher, Message, Submission, WorkerLost
from supervisor.dispatch.doorman import Doorman
from supervisor.dispatch.inquirer import Call, Inquirer
from supervisor.dispatch.relief import Relief
from supervisor.dispatch.sweeper import Sweeper
from supervisor.dispatch.uploads import Uploads
from supervisor.errors import ConfigurationError, Exit
from supervisor.fleet import Fleet
from supervisor.journal import Journal, JournalUnwritable, place
from supervisor.observation import live
from supervisor.observation.metrics import Metrics
from supervisor.settings import Settings
from supervisor.workers.loop import Circumstances

log = logging.getLogger(__name__)

_LONGEST_SLEEP = 10.0  # seconds; the health page wants to see the loop go round
_JOURNAL_RETRY = 5.0  # seconds
_LISTEN_AGAIN = 0.1  # seconds
# What needs a restart to change.
_FIXED = (
    "state_dir", "lock_dir", "metrics_address", "metrics_port", "log_file", "log_format",
    "copy_nice", "copy_io_priority",
)  # fmt: skip


def run(settings: Settings, reload: Callable[[], Settings]) -> int:
    """Given the settings, and how to read them again, supervise until told to stop; return the exit code.

    Raise Busy if another one runs on the same state directory, ConfigurationError if something cannot be used.
    """
    processes.leave_no_core()
    try:
        for place in premises.places(os.path.abspath(settings.state_dir), os.path.abspath(settings.lock_dir)):
            premises.make(place)
        os.chmod(os.path.join(settings.state_dir, "run"), 0o700)
        logs.start(settings.log_level, settings.log_file, settings.log_format)
    except OSError as error:
        raise ConfigurationError(
            f"'{error.filename}' cannot be used: {error.strerror}. STATE_DIR, LOCK_DIR and LOG_FILE must be writable."
        ) from error
    with locks.hold(os.path.join(settings.state_dir, "run", "supervisor.lock")):
        os.chdir(settings.state_dir)
        return Arbiter(settings, reload).run()


class Arbiter:
    """The parent process."""

    def __init__(self, settings: Settings, reload: Callable[[], Settings]) -> None:
        self._settings, self._reload = settings, reload
        self._inbox: queue.SimpleQueue[Message] = queue.SimpleQueue()
        self._bell = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        journal = Journal(place(settings.state_dir))
        self._journal = journal
        self._inquirer = Inquirer(
            settings.state_dir, settings.download_path_ssd, settings.scgi_url, settings.rpc_timeout, self._post
        )
        self._board, self._crew = Board(journal), Crew()
        self._relief = Relief(Disks(journal), self._inquirer, Uploads(journal.uploads(), clock.now()))
        doorman = self._doorman = Doorman(self._board, self._relief, self._inquirer)
        self._view = live.View(settings, self._board, self._crew, self._relief, doorman, self._inquirer)
        self._metrics = Metrics(self._view.snapshot)
        self._dispatcher = Dispatcher(settings, self._board, self._crew, self._relief, doorman, self._metrics)
        self._board.on_submitted = self._inquirer.look_up
        self._board.on_write = lambda seconds, failed: self._metrics.journal_write(seconds, failed=failed)
        self._kept: list[Message] = []  # what the journal could not take yet
        self._scan = True
        self._strange: set[str] = set()
        self._read: list[str] = []  # entries of the spool that are in the journal, and still to be removed
        self._retry_at = float("inf")
        self._stop_by = float("inf")  # monotonic seconds: what still runs then is killed

    def _post(self, message: Message) -> None:
        """Hand a message to the loop, from any thread."""
        self._inbox.put(message)
        os.eventfd_write(self._bell, 1)

    def run(self) -> int:
        """Supervise until told to stop; return the exit code."""
        from supervisor.observation import web  # noqa: PLC0415  (the port is taken once the lock is held)

        with contextlib.ExitStack() as stack:
            server = web.serve(
                self._settings.metrics_address, self._settings.metrics_port, self._metrics, self._view.snapshot
            )
            stack.callback(server.close)
            signals = self._catch_signals(stack)
            notify = stack.enter_context(INotify(nonblocking=True))
            notify.add_watch(spool.directory(self._settings.state_dir), flags.CREATE)
            now = clock.now()
            self._relief.look(now, self._settings)
            self._dispatcher.recover(now)
            given = Circumstances(
                self._settings.state_dir,
                self._settings.lock_dir,
                self._settings.copy_nice,
                self._settings.copy_io_priority,
                (self._settings.log_level, self._settings.log_file, self._settings.log_format),
            )
            self._fleet = Fleet(given, self._settings.max_concurrent_processes, notifiers(self._settings))
            stack.callback(self._fleet.shut_down)
            self._listen()
            self._inquirer.start()
            stack.callback(self._inquirer.leave)
            sweeper = Sweeper(lambda: self._settings, self._post)
            sweeper.start()
            stack.callback(sweeper.leave)
            selector = stack.enter_context(selectors.DefaultSelector())
            for source in (self._bell, signals, notify):
                selector.register(source, selectors.EVENT_READ)
            systemd.ready()
            where = os.getpid(), self._settings.state_dir, server.port
            log.info("pid %d, state in %s, metrics on port %d", *where, extra={"action": "started"})
            self._loop(selector, signals, notify)
            self._view.write(clock.now())
        log.info("", extra={"action": "stopped"})
        return Exit.DONE

    # -- the loop -------------------------------------------------------------------------------------------------

    def _loop(self, selector: selectors.BaseSelector, signals: socket.socket, notify: INotify) -> None:
        watched: dict[int, str | None] = {}
        while not self._finished():
            now = clock.now()
            if not self._view.draining and not self._view.journal_error:
                # With an unwritable journal the loss of the one before may not be handled yet.
                for name, pid in self._fleet.start_missing(now):
                    self._crew.spawned(name, pid, now)
            watched = self._watch(selector, watched)
            for key, _ in selector.select(self._patience(now)):
                if key.fd == notify.fileno():
                    notify.read(timeout=0)
                    self._scan = True
                elif key.fd == signals.fileno():
                    for number in signals.recv(64):
                        self._signalled(number)
                elif key.fd in watched:
                    selector.unregister(key.fd)  # before it is closed: the next child's may get the same number
                    self._ended(watched.pop(key.fd), clock.now())
            self._turn()
            if self._fleet.undelivered:
                self._fleet.undelivered = False
                self._dispatcher.resend(self._fleet.send)
            systemd.watchdog()

    def _turn(self) -> None:
        """Handle what has come in."""
        messages, self._kept, now = self._kept + self._collect(), [], clock.now()  # in this order: now is no older
        try:
            read = self._dispatcher.handle(messages, now, self._fleet.send)
        except JournalUnwritable as error:
            log.error("%s", error, extra={"action": "journal-unwritable"})  # noqa: TRY400  (the reason says it all)
            self._view.journal_error = str(error)
            self._kept = [message for message in messages if not isinstance(message, Submission)]
            self._scan = True
            self._retry_at = now + _JOURNAL_RETRY
            self._view.turned(now, changed=True)
            return
        self._view.journal_error = ""
        self._read = spool.discard(self._settings.state_dir, self._read + read)
        self._name_once(self._read, "was read but cannot be removed yet")
        while self._dispatcher.desk.to_stop:
            self._fleet.terminate(self._dispatcher.desk.to_stop.pop())
        self._dispatcher.give_up_hung(self._fleet.give_up)
        self._view.waiting_for_device = self._dispatcher.scheduler.waiting_for_device
        self._view.waiting_for = self._dispatcher.scheduler.waiting_for()
        self._view.opens = self._dispatcher.scheduler.permits.opens
        self._view.turned(now, changed=bool(messages))

    def _collect(self) -> list[Message]:
        messages: list[Message] = []
        with contextlib.suppress(BlockingIOError):
            os.eventfd_read(self._bell)
        while not self._inbox.empty():
            messages.append(self._inbox.get())
        for message in messages:
            if isinstance(message, Call):
                self._view.called(message.error, clock.now())
        if self._scan and not self._view.draining:
            entries, strange = spool.scan(self._settings.state_dir)
            unread = [entry for entry in entries if entry[0] not in self._read]
            entries, untaken = spool.take(self._settings.state_dir, unread)
            self._scan = bool(untaken)
            new = {name for name, _, _ in entries}  # may have replaced one that was read and could not be removed yet
            self._read = [name for name in self._read if name not in new]
            if entries:
                messages.append(Submission(tuple(entries)))
            self._strange.intersection_update([*strange, *untaken, *self._read])
            self._name_once(strange, "is no submission, and is left alone")
            self._name_once(untaken, "cannot be renamed, and is not read until it can")
        return messages

    def _name_once(self, names: Iterable[str], what: str) -> None:
        """Tell of entries of the spool that stay there, each once."""
        for name in set(names) - self._strange:
            log.warning("%r in the spool %s", name, what, extra={"action": "left-in-spool"})
            self._strange.add(name)

    def _patience(self, now: float) -> float:
        """Return for how many seconds there is nothing to do but wait."""
        if self._view.draining:
            return max(min(_LONGEST_SLEEP, self._stop_by - clock.monotonic()), 0.0)
        due = self._retry_at if self._view.journal_error else min(self._dispatcher.next_due, self._fleet.next_due)
        due = min(due, self._view.next_due)
        return max(min(_LONGEST_SLEEP, systemd.watchdog_interval() or _LONGEST_SLEEP, due - now), 0.0)

    # -- children -------------------------------------------------------------------------------------------------

    def _watch(self, selector: selectors.BaseSelector, watched: dict[int, str | None]) -> dict[int, str | None]:
        sentinels = self._fleet.sentinels()
        for sentinel in watched.keys() - sentinels.keys():
            selector.unregister(sentinel)
        for sentinel in sentinels.keys() - watched.keys():
            selector.register(sentinel, selectors.EVENT_READ)
        return sentinels

    def _ended(self, worker: str | None, now: float) -> None:
        if worker is not None:
            lost = WorkerLost(worker, *self._fleet.reap(worker, now))
            log.warning("%s", lost.reason, extra={"action": "worker-ended", "worker": worker})
            self._post(lost)
            return
        log.warning("its queues are filled again from the journal", extra={"action": "manager-ended"})
        self._metrics.worker_lost("broker")
        self._fleet.start_manager()
        self._listen()
        self._dispatcher.resend(self._fleet.send)

    def _listen(self) -> None:
        """Pass the workers' reports on, from a thread that ends with the Manager it listens to."""
        manager = self._fleet.manager_process

        def listen() -> None:
            while self._fleet.manager_process is manager:
                with contextlib.suppress(*broker.LOST):
                    reports = broker.connect().mailbox(broker.RESULTS)
                    while True:
                        self._post(reports.get())
                self._fleet.undelivered = True  # a report may be lost: who is told his task again says it again
                time.sleep(_LISTEN_AGAIN)

        threading.Thread(target=listen, name="reports", daemon=True).start()

    # -- signals --------------------------------------------------------------------------------------------------

    def _catch_signals(self, stack: contextlib.ExitStack) -> socket.socket:
        ours, theirs = socket.socketpair()
        for end in (ours, theirs):
            end.setblocking(False)
            stack.callback(end.close)
        signal.set_wakeup_fd(theirs.fileno(), warn_on_full_buffer=False)
        stack.callback(signal.set_wakeup_fd, -1)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            before = signal.signal(number, lambda _number, _frame: None)  # the byte in the socket is what counts
            stack.callback(signal.signal, number, before)
        return ours

    def _signalled(self, number: int) -> None:
        if number == signal.SIGHUP:
            self._load_again()
        elif number in (signal.SIGTERM, signal.SIGINT) and not self._view.draining:
            log.info("for at most %g seconds", self._settings.stop_grace, extra={"action": "draining"})
            systemd.stopping()
            self._view.draining = self._dispatcher.draining = True
            self._stop_by = clock.monotonic() + self._settings.stop_grace
            for worker in self._fleet.workers:
                self._fleet.terminate(worker)

    def _finished(self) -> bool:
        if not self._view.draining:
            return False
        return not self._fleet.workers or clock.monotonic() >= self._stop_by

    def _load_again(self) -> None:
        systemd.reloading()
        try:
            settings = self._reload()
        except ConfigurationError as error:
            log.error("the settings in force stay: %s", error, extra={"action": "reload-refused"})  # noqa: TRY400  (so here)
        else:
            fixed = [name.upper() for name in _FIXED if getattr(settings, name) != getattr(self._settings, name)]
            if fixed:
                text = f"{', '.join(fixed)} changed; the old value stays until a restart"
                log.warning("%s", text, extra={"action": "restart-needed"})
            settings = replace(settings, **{name: getattr(self._settings, name) for name in _FIXED})
            logging.getLogger().setLevel(settings.log_level)
            self._settings = self._dispatcher.settings = self._view.settings = settings
            self._inquirer.reach(settings.download_path_ssd, settings.scgi_url, settings.rpc_timeout)
            self._fleet.want(settings.max_concurrent_processes, notifiers(settings))
            self._relief.soon(anyway=True)
            self._doorman.soon(clock.now())
            log.info("", extra={"action": "reloaded"})
        systemd.ready()
