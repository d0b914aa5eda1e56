"""Writes the dashboards' JSON: `python -m grafana.build`. A test compares what is committed with what this makes."""

import json
import os

from grafana import copies, internals, overview, services, space
from grafana.frame import build
from grafana.panels import Board

BOARDS: tuple[Board, ...] = (overview.BOARD, copies.BOARD, space.BOARD, services.BOARD, internals.BOARD)
DIRECTORY = os.path.join(os.path.dirname(os.path.abspath(__file__)), "dashboards")


def files() -> dict[str, str]:
    """Return the text of each dashboard by the name of its file."""
    return {f"{board.uid}.json": json.dumps(build(board), indent=2, sort_keys=True) + "\n" for board in BOARDS}


def main() -> None:
    """Write them all."""
    for name, text in files().items():
        with open(os.path.join(DIRECTORY, name), "w", encoding="utf-8") as file:
            file.write(text)


if __name__ == "__main__":
    main()
