"""Removes the partial copy of a torrent that nobody will go on with."""

import os

from supervisor.adapters import files
from supervisor.messages import Place
from supervisor.transfer import metainfo, publishing, surveying


def abandon(hdd: Place, parent: bytes, name: bytes, kept: bytes, job_hash: str) -> None:
    """Given an HDD, the directory a partial lies in, its name, and the path of its torrent's metafile, remove it.

    Only files that the torrent lists go, and directories that are empty then. Raise Retryable if it is in use or cannot
    be removed, Refused if the metafile cannot be used.
    """
    meta = metainfo.read(kept, job_hash)
    path = b"/".join((parent.rstrip(b"/"), name))
    root = files.open_place(hdd)
    try:
        with files.explained(path):
            above = files.open_directory(root, files.beneath(hdd.path, parent))
            try:
                descriptor, _ = surveying.lock(above, name, path)
                try:
                    publishing.discard(meta, above, name, (descriptor, path))
                finally:
                    os.close(descriptor)
            finally:
                os.close(above)
    finally:
        os.close(root)
