"""The documents: their blocks of code, the commands in them, and where their links lead."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.support.needs import ROOT

TOP = Path(ROOT)
_FENCE = re.compile(r"^( *)```(\w*)[^\n]*\n(.*?)^\1```", re.MULTILINE | re.DOTALL)
_SPAN = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ +(.+)$", re.MULTILINE)
_COMMAND = re.compile(r"^(?:\S*/)?(seedcache(?:-submit)?) ")


@dataclass(frozen=True)
class Block:
    """One block of code."""

    document: str  # path from the root of the project
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.document}:{self.line}"


def documents() -> list[Path]:
    """Return every document that is for people, the changelog aside: it tells of the past."""
    found = [TOP / "README.md"]
    for folder in ("docs", "prometheus", "grafana", "ansible", "benchmarks"):
        found += sorted((TOP / folder).rglob("*.md"))
    return found


def blocks(*languages: str) -> list[Block]:
    """Return the blocks of some languages; of none named, all."""
    found = [block for path in documents() for block in _blocks(path)]
    return [block for block in found if not languages or block.language in languages]


def commands() -> dict[tuple[str, ...], str]:
    """Return each command of seedcache that a document shows, as words, and where it stands first.

    Of blocks each line, of running text each span that begins with the command; a form such as `a|b` is none.
    """
    found: dict[tuple[str, ...], str] = {}
    for path in documents():
        text = path.read_text()
        lines = [(line, str(block)) for block in _blocks(path) if block.language == "sh" for line in _lines(block)]
        plain = _FENCE.sub("", text)
        lines += [(span, str(path.relative_to(TOP))) for span in _SPAN.findall(plain) if not set(span) & set("|[…")]
        for line, where in lines:
            for part in re.split(r"&&|;|\|", line):
                if _COMMAND.match(part.strip()):
                    words = shlex.split(part, comments=True)
                    found.setdefault((words[0].rpartition("/")[2], *words[1:]), where)
    return found


def links(path: Path) -> Iterator[tuple[str, bool]]:
    """Yield the links of a document that lead to files of the project, and whether there is what they name."""
    for link in _LINK.findall(_FENCE.sub("", path.read_text())):
        if ":" in link:
            continue
        name, _, anchor = link.partition("#")
        goal = (path.parent / name).resolve() if name else path
        yield link, goal.exists() and (not anchor or anchor in anchors(goal))


def anchors(path: Path) -> set[str]:
    """Return what the headings of a document are called in links (as GitHub makes them)."""
    return {
        re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-") for title in _HEADING.findall(path.read_text())
    }


def _blocks(path: Path) -> Iterator[Block]:
    text = path.read_text()
    for match in _FENCE.finditer(text):
        line = text.count("\n", 0, match.start()) + 1
        yield Block(str(path.relative_to(TOP)), line, match[2], match[3])


def _lines(block: Block) -> list[str]:
    """Return the lines of a shell block, without what is written into files by it."""
    return (
        re.sub(r"<<'(\w+)'\n.*?^\1$", "", block.text, flags=re.MULTILINE | re.DOTALL).replace("\\\n", "").splitlines()
    )
