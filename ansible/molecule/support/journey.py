"""Torrents that go the whole way on a deployed host, with its own two rTorrents: `box`, and `seeder` that has the data.

journey.py download NAME MIB [COUNT]   the seeder makes torrents, the box downloads them; the hook does the rest
journey.py wait STATE SECONDS HASH…    until `seedcache explain` says so of each
journey.py arrived HASH…               the copies on the HDD are, byte for byte, what the seeder has
journey.py relocated HASH…             the box seeds from the HDD, complete, without having hashed; the SSD data is gone

Prints a JSON object, or fails with the reason. Needs torrents.py (tests/support) beside it.
"""

import filecmp
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any
from xmlrpc import client as xmlrpc

from torrents import make_torrent, write_tree  # type: ignore[import-not-found]

HOME = "/home/rtorrent"
BOX, SEEDER = "/run/rtorrent/rpc.socket", "/run/rtorrent-seeder/rpc.socket"
SSD, HDD = "/srv/ssd/downloads", "/srv/hdd/media"
SEEDED = f"{HOME}/seeder/data"


def call(path: str, method: str, *arguments: Any) -> Any:
    """Call a method of the rTorrent behind the socket."""
    body = xmlrpc.dumps(arguments, method).encode()
    header = b"CONTENT_LENGTH\0%d\0SCGI\x001\0" % len(body)
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(20)
        connection.connect(path)
        connection.sendall(b"%d:%s,%s" % (len(header), header, body))
        with connection.makefile("rb") as answer:
            return xmlrpc.loads(answer.read().partition(b"\r\n\r\n")[2])[0][0]


def until(condition: Callable[[], Any], what: str, seconds: float) -> None:
    """Poll until it is true."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            sys.exit(f"not in {seconds:g} s: {what}")
        time.sleep(0.05)


def explain(info_hash: str) -> dict[str, Any]:
    """Ask the deployed command, as its user."""
    done = subprocess.run(
        ["runuser", "-u", "rtorrent", "--", "seedcache", "explain", info_hash, "--json"],
        capture_output=True,
        text=True,
        check=False,
    )
    return json.loads(done.stdout) if done.returncode == 0 else {"job": None, "error": done.stderr}


def load(path: str, torrent: Any, directory: str) -> None:
    """Add a torrent and start it."""
    with open(torrent.metafile, "rb") as file:
        call(path, "load.raw_start_verbose", "", xmlrpc.Binary(file.read()), f'd.directory.set="{directory}"')
    until(lambda: torrent.hash in call(path, "download_list"), "it is listed", 20)


def owned(top: str) -> None:
    """Give it to rTorrent's user."""
    for directory, _, names in os.walk(top):
        for entry in (directory, *(os.path.join(directory, name) for name in names)):
            shutil.chown(entry, "rtorrent", "rtorrent")


def download(name: str, mib: str, count: str = "1") -> dict[str, Any]:
    """Have the box download `count` torrents of `mib` MiB each; return their hashes, in order."""
    torrents = []
    for number in range(int(count)):
        title = f"{name} {number}, it's 100%"
        size = int(mib) << 20
        write_tree(
            f"{SEEDED}/{title}", {b"a/one.mkv": size // 2, b"two .mkv": size - size // 2, b"empty": 0}, seed=number
        )
        torrents.append(make_torrent(f"{SEEDED}/{title}", f"{SEEDED}/{title}.torrent", piece_length=1 << 18))
    owned(SEEDED)
    for torrent in torrents:
        load(SEEDER, torrent, SEEDED)
    for torrent in torrents:
        until(
            lambda h=torrent.hash: call(SEEDER, "d.complete", h) == 1 and call(SEEDER, "d.is_active", h) == 1,
            "seeded",
            60,
        )
    for torrent in torrents:
        load(BOX, torrent, SSD)
        call(BOX, "d.custom1.set", torrent.hash, "tv")
        call(BOX, "add_peer", torrent.hash, f"127.0.0.1:{call(SEEDER, 'network.listen.port')}")
    for torrent in torrents:
        until(lambda h=torrent.hash: call(BOX, "d.complete", h) == 1, "downloaded", 120)
    return {"hashes": [torrent.hash for torrent in torrents]}


def wait(state: str, seconds: str, *hashes: str) -> dict[str, Any]:
    """Wait until each is in the state."""
    for info_hash in hashes:
        found: dict[str, Any] = {}

        def there(info_hash: str = info_hash) -> bool:
            nonlocal found
            found = explain(info_hash)
            return found["job"] is not None and found["job"]["state"] == state

        deadline = time.monotonic() + float(seconds)
        while not there():
            if time.monotonic() > deadline:
                sys.exit(f"{info_hash} is not {state} in {seconds} s: {json.dumps(found)}")
            time.sleep(0.2)
    return {"state": state, "events": [event["action"] for event in explain(hashes[-1])["events"]]}


def arrived(*hashes: str) -> dict[str, Any]:
    """Compare what is on the HDD with what the seeder has."""
    for info_hash in hashes:
        name = call(BOX, "d.name", info_hash)
        for directory, _, names in os.walk(f"{SEEDED}/{name}"):
            there = directory.replace(SEEDED, f"{HDD}/tv", 1)
            _, different, missing = filecmp.cmpfiles(directory, there, names, shallow=False)
            if different or missing:
                sys.exit(f"{there}: different {different}, missing {missing}")
    return {"arrived": len(hashes)}


def relocated(*hashes: str) -> dict[str, Any]:
    """Look at the box after the switch."""
    for info_hash in hashes:
        told = {
            key: call(BOX, key, info_hash)
            for key in ("d.directory", "d.complete", "d.is_active", "d.hashing", "d.name")
        }
        expected = {"d.directory": f"{HDD}/tv/{told['d.name']}", "d.complete": 1, "d.is_active": 1, "d.hashing": 0}
        if not expected.items() <= told.items():
            sys.exit(f"{told}, expected {expected}")
        if os.path.exists(f"{SSD}/{told['d.name']}"):
            sys.exit(f"{told['d.name']} is still on the SSD")
    return {"relocated": len(hashes)}


def main(action: str, *words: str) -> None:
    """Do it, and print what came of it."""
    actions: dict[str, Callable[..., dict[str, Any]]] = {
        "download": download, "wait": wait, "arrived": arrived, "relocated": relocated,
    }  # fmt: skip
    print(json.dumps(actions[action](*words)))


if __name__ == "__main__":
    main(*sys.argv[1:])
