"""A seeder that downloads can be introduced to time and again, as a tracker does."""

import itertools
from collections.abc import Iterable, Iterator

from tests.support.rtorrents import RTorrentProcess

# rTorrent calls no address a second time within ten minutes; a seeder with this has all of 127.0.0.0/8.
EVERYWHERE = "network.bind_address.set = 0.0.0.0\n"


class Swarm:
    """A client and its seeder."""

    def __init__(self, client: RTorrentProcess, seeder: RTorrentProcess) -> None:
        self._client, self._seeder = client, seeder
        self._addresses: dict[str, Iterator[int]] = {}

    def introduce(self, hashes: Iterable[str]) -> None:
        """Have the client call the seeder for these torrents. Raise OSError or xmlrpc.client.Error if it is away."""
        for job_hash in hashes:
            number = next(self._addresses.setdefault(job_hash, itertools.count(2)))
            self._client.call("add_peer", job_hash, f"127.0.0.{number}:{self._seeder.port}")
