"""Which torrents share data on the SSD, and so can only leave it together. Pure."""

from collections.abc import Iterable, Mapping


def units(places: Mapping[str, bytes], links: Mapping[str, frozenset[str]]) -> list[tuple[str, ...]]:
    """Return the hashes of the torrents that share, together; one that shares with none is a unit alone.

    Given for each hash the path of its data, and the hashes whose files are the same ones under other names. Data that
    lies where another's does, above it or below it is shared.
    """
    leader = {torrent_hash: torrent_hash for torrent_hash in places}

    def find(torrent_hash: str) -> str:
        while leader[torrent_hash] != torrent_hash:
            leader[torrent_hash] = leader[leader[torrent_hash]]
            torrent_hash = leader[torrent_hash]
        return torrent_hash

    def join(one: str, other: str) -> None:
        leader[find(one)] = find(other)

    for one, other in _overlapping(places):
        join(one, other)
    for torrent_hash, others in links.items():
        for other in others:
            if torrent_hash in leader and other in leader:
                join(torrent_hash, other)
    members: dict[str, list[str]] = {}
    for torrent_hash in sorted(places):
        members.setdefault(find(torrent_hash), []).append(torrent_hash)
    return [tuple(hashes) for hashes in members.values()]


def _overlapping(places: Mapping[str, bytes]) -> Iterable[tuple[str, str]]:
    """Yield pairs that join all whose paths are equal, or one inside the other."""
    above: list[tuple[bytes, str]] = []  # the chain of paths that contain the one at hand
    for path, torrent_hash in sorted(
        (place.rstrip(b"/") + b"/", torrent_hash) for torrent_hash, place in places.items()
    ):
        while above and not path.startswith(above[-1][0]):
            above.pop()
        if above:
            yield torrent_hash, above[-1][1]
        above.append((path, torrent_hash))
