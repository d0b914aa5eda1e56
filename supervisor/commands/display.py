"""Text for a person at a terminal: names made harmless, sizes, times, bars. Pure.

Names come from torrents, which strangers made: an escape sequence in one could redraw the screen, a bidirectional
override could turn `exe.mkv` into `vkm.exe` (https://unicode.org/reports/tr36/#Bidirectional_Text_Spoofing).
"""

import unicodedata
from collections.abc import Iterator

WIDTH = 80  # columns
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})  # controls, format marks, halves, unassigned, breaks
_UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")
_MINUTE, _HOUR, _DAY = 60, 3600, 86400


def clean(text: str, encoding: str = "utf-8") -> str:
    """Return a text on one line that only shows itself; what does not, or what the encoding lacks, is a `?`."""
    if text.isascii() and text.isprintable():
        return text
    shown = "".join("?" if unicodedata.category(letter) in _HIDDEN else letter for letter in text)
    return shown.encode(encoding, "replace").decode(encoding)


def columns(text: str) -> int:
    """Return how many columns of a terminal a clean text takes."""
    if text.isascii():
        return len(text)
    return sum(map(_columns, text))


def _columns(letter: str) -> int:
    if unicodedata.category(letter) in ("Mn", "Me"):
        return 0  # it stands on the letter before it
    return 2 if unicodedata.east_asian_width(letter) in "WF" else 1


def fit(text: str, width: int, *, pad: bool = True) -> str:
    """Return a clean text cut to a number of columns, with `..` where it was cut, and padded if wanted."""
    taken = columns(text)
    if taken > width:
        kept, taken = "", 2
        for letter in text:
            wide = _columns(letter)
            if taken + wide > width:
                break
            kept, taken = kept + letter, taken + wide
        text = kept + ".."
    return text + " " * (width - taken) if pad else text


def wrapped(text: str, indent: str, width: int = WIDTH) -> Iterator[str]:
    """Break a text at its spaces; a reason is worth more lines, a name is not. A word that is too long is broken, too.

    Each line begins with the indent, of which only the first shows what is not a space.
    """
    line, empty = indent, True
    for word in clean(text).split():
        if not empty and columns(line) + 1 + columns(word) > width:
            yield line
            line, empty = " " * len(indent), True
        line += word if empty else f" {word}"
        empty = False
        while columns(line) > width:
            head = fit(line, width + 2, pad=False).removesuffix("..")
            yield head
            line = " " * len(indent) + line[len(head) :]
    yield line


def size(count: float) -> str:
    """Return a number of bytes as `1.5 GiB` (powers of 1024)."""
    for unit in _UNITS:
        if abs(count) < 1024 or unit == _UNITS[-1]:  # noqa: PLR2004  (KiB)
            break
        count /= 1024
    return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"


def share(done: float, total: float) -> str:
    """Return how many bytes of a total are done, in the total's unit: `0.5 of 1.5 GiB`."""
    number, unit = size(total).split()
    factor = float(1024 ** _UNITS.index(unit))
    return f"{done / factor:.{0 if unit == 'B' else 1}f} of {number} {unit}"


def span(seconds: float) -> str:
    """Return a length of time as `3 d 4 h`, `5 min 2 s` or `7 s`."""
    whole = max(int(seconds), 0)
    for large, small, a, b in ((_DAY, _HOUR, "d", "h"), (_HOUR, _MINUTE, "h", "min"), (_MINUTE, 1, "min", "s")):
        if whole >= large:
            rest = whole % large // small
            return f"{whole // large} {a}" + (f" {rest} {b}" if rest else "")
    return f"{whole} s"


def bar(done: float, total: float, width: int) -> str:
    """Return how much of a total is done, as a bar."""
    full = int(width * min(max(done / total, 0), 1)) if total > 0 else 0
    return f"[{'#' * full}{'-' * (width - full)}]"


def percent(done: float, total: float) -> str:
    """Return how much of a total is done, rounded down: 100 % is said when it is all."""
    return f"{int(100 * min(max(done / total, 0), 1)) if total > 0 else 0:3d} %"
