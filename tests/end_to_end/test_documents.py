"""Every command that a document shows is run, on a real seedbox."""

import subprocess
import sys
from pathlib import Path

from supervisor.jobs import State
from tests.support import documents
from tests.support.rtorrents import NEW
from tests.support.seedbox import Seedbox

# Run for as long as somebody looks at it, or run already.
ENDLESS = {("seedcache", "run"), ("seedcache", "status", "--watch")}
# What a document says of it is that it finds something wrong here: nothing listens at these addresses.
MAY_FAIL = {("seedcache", "check"), ("seedcache", "check", "--json")}


def test_every_command_that_a_document_shows_does_what_it_is_for(tmp_path):
    shown = {words: where for words, where in documents.commands().items() if words not in ENDLESS}
    assert len(shown) > 15
    failed = []
    with Seedbox(tmp_path, NEW) as box:
        box.start(retry_delay=60)
        rc = box.supervisor.home / ".rtorrent.rc"
        env = box.supervisor.home / ".env"
        env.write_text(f"DOWNLOAD_PATH_SSD={box.ssd}\n")
        for number, (words, where) in enumerate(shown.items()):
            rc.write_text("")
            torrent = torrent_for(box, words, number)
            filled = [word.replace("HASH", torrent) for word in words]
            filled = [str(rc) if word.endswith(".rtorrent.rc") else word for word in filled]
            filled = [str(env) if word.endswith(".env") else word for word in filled]
            filled = [
                str(write(box.ssd / "Forgotten")) if word in ("PATH", "/ssd/Forgotten") else word for word in filled
            ]
            done = run(box, filled)
            if (done.returncode and words not in MAY_FAIL) or done.returncode == 2 or "Traceback" in done.stderr:
                failed.append(f"{where}: {' '.join(words)}: {done.returncode} {done.stderr}")
    assert failed == [], "\n".join(failed)


def torrent_for(box: Seedbox, words: tuple[str, ...], number: int) -> str:
    """Return the hash of a torrent that the command is for: the queue's are of those that are not done."""
    if words[1] == "queue":
        unknown = f"{number:040X}"
        box.supervisor.submit(unknown)
        box.supervisor.wait_for(unknown, State.WAITING)
        return unknown
    torrent = box.seed(f"Show {number}", 300_000)
    box.supervisor.wait_for(torrent.hash, State.CACHED)
    return torrent.hash


def write(path: Path) -> Path:
    """Make a file that no torrent knows."""
    path.write_bytes(b"forgotten")
    return path


def run(box: Seedbox, words: list[str]) -> subprocess.CompletedProcess[str]:
    if words[0] == "seedcache":
        return box.supervisor.run(*words[1:], environment={"SEEDCACHE_STATE_DIR": str(box.state)})
    hook = Path(sys.executable).with_name(words[0])
    return subprocess.run([hook, "-d", str(box.state), *words[1:]], capture_output=True, text=True, check=False)
