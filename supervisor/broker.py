"""The multiprocessing.Manager: serves named queues over a socket that only our own processes can open.

Its queues are a cache of the journal. If it is killed, they are filled again, and the workers connect to the next one:
the address stays the same. Address and key never leave the family: the directory is 0700, the key is inherited
(https://docs.python.org/3/library/multiprocessing.html#authentication-keys).
"""

import contextlib
import os
import queue
import signal
from multiprocessing import AuthenticationError, util
from multiprocessing.context import ForkServerContext
from multiprocessing.managers import BaseManager, BaseProxy, RemoteError, Server
from multiprocessing.process import BaseProcess
from typing import Any, Protocol

from supervisor.adapters import processes

ADDRESS = "run/broker"  # relative to the state directory, where every process of ours works: sun_path holds 108 bytes
RESULTS = "results"
# What a call raises when the Manager is not there, dies in the middle of it, or is another one by now.
LOST = (OSError, EOFError, RemoteError)


class Mailbox(Protocol):
    """One queue."""

    def get(self) -> Any:  # noqa: ANN401  (a queue carries tasks one way, reports the other)
        """Return the next message; wait for it. Raise one of LOST if the Manager goes away."""

    def put(self, item: Any) -> None:  # noqa: ANN401
        """Add a message. Raise one of LOST if the Manager is away."""


_queues: dict[str, queue.Queue[Any]] = {}


def _queue(name: str) -> "queue.Queue[Any]":
    return _queues.setdefault(name, queue.Queue())


class _Server(Server):
    """The Manager's side."""

    def accepter(self) -> None:
        """Take connections; what befalls one must not end that for the others.

        It is killed in the handshake, or there is no memory or thread for it at the moment: then it comes again.
        """
        while True:
            with contextlib.suppress(EOFError, AuthenticationError, RuntimeError, MemoryError):
                super().accepter()


class _QueueProxy(BaseProxy):
    """One queue, over a connection of its own.

    BaseProxy would share one connection among all proxies that ever had this address, also those of a Manager that has
    died; and on being collected it connects to the Manager, which deadlocks in the middle of another handshake.
    """

    _exposed_ = ("get", "put")

    def __init__(self, *arguments: Any, **options: Any) -> None:  # noqa: ANN401  (as BaseProxy has them)
        super().__init__(*arguments, **options)
        self._tls = util.ForkAwareLocal()
        self._connect()  # type: ignore[attr-defined]  # to this Manager, not to the next

    def _incref(self) -> None:
        super()._incref()  # type: ignore[misc]
        self._close.cancel()  # type: ignore[attr-defined]  # the queues stay as long as the Manager does

    def get(self) -> Any:  # noqa: ANN401
        return self._callmethod("get")

    def put(self, item: Any) -> None:  # noqa: ANN401
        self._callmethod("put", (item,))


class Broker(BaseManager):
    """The Manager, as its owner and as its clients see it."""

    _Server = _Server

    def mailbox(self, name: str) -> Mailbox:
        """Given a queue's name, return it; it is made on first use. Raise one of LOST if the Manager is away."""
        box: Mailbox = self._named(name)  # type: ignore[attr-defined]
        return box


# BaseManager.register adds the method to the class; a checker cannot see it.
Broker.register("_named", _queue, proxytype=_QueueProxy)


def serve(context: ForkServerContext, state_dir: str) -> tuple[Broker, BaseProcess]:
    """Start a Manager process below the state directory, which must be ours too; return it and its process."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(ADDRESS)  # a killed one leaves its socket behind
    broker = Broker(ADDRESS, ctx=context)
    broker.start(_settle, (state_dir,))
    # BaseManager has no public way to its process.
    process: BaseProcess = broker._process  # type: ignore[attr-defined]  # noqa: SLF001
    return broker, process


def connect() -> Broker:
    """Return the Manager at the address, as its client. Raise one of LOST if it is not there."""
    broker = Broker(ADDRESS)
    broker.connect()
    return broker


def _settle(state_dir: str) -> None:
    os.chdir(state_dir)
    # Ctrl-C and a service manager signal the whole group: the parent ends the Manager last, after the workers.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    processes.die_with_parent()
