"""What the scripts beside it share: they write a file, or with --check tell by the exit code if it is up to date."""

import sys


def main(place: str, wanted: str) -> int:
    """Given a path and what is to stand there, write it, or with --check compare; return the exit code."""
    if "--check" not in sys.argv[1:]:
        with open(place, "w", encoding="utf-8") as file:
            file.write(wanted)
        return 0
    with open(place, encoding="utf-8") as file:
        return int(file.read() != wanted)
