"""Amounts of space and lengths of time as a person writes them: `150 GB`, `10%`, `3 days`. Pure."""

import re
from dataclasses import dataclass, replace

GIB = 1024**3
_BYTES = {
    "": GIB,  # a bare number, as DISK_SPACE_THRESHOLD_GB has always been
    **{unit: 1000**power for power, unit in enumerate(("b", "kb", "mb", "gb", "tb", "pb"))},
    **{unit: 1024**power for power, unit in enumerate(("kib", "mib", "gib", "tib", "pib"), 1)},
}
_SECONDS = {
    **dict.fromkeys(("s", "sec", "second", "seconds"), 1),
    **dict.fromkeys(("m", "min", "minute", "minutes"), 60),
    **dict.fromkeys(("h", "hour", "hours"), 3600),
    **dict.fromkeys(("d", "day", "days"), 86400),
    **dict.fromkeys(("w", "week", "weeks"), 7 * 86400),
}
_NUMBER = re.compile(r"\s*([0-9]{1,15}(?:\.[0-9]{1,9})?)\s*([a-zA-Z%]*)\s*")
_WHOLE = 100  # percent


@dataclass(frozen=True, slots=True)
class Amount:
    """An amount of space: bytes, or a part of the disk."""

    number: float  # bytes, or percent
    percent: bool

    def of(self, size: int) -> int:
        """Given the size of the disk, return the amount in bytes."""
        return int(size * self.number / _WHOLE) if self.percent else int(self.number)


@dataclass(frozen=True, slots=True)
class Marks:
    """How much shall be free on the SSD, in bytes."""

    low: int  # with less than this torrents begin to leave
    high: int  # until so much is free
    emergency: int  # with less than this the soft protections yield; 0: they never do

    def raised(self, to: int) -> "Marks":
        """Given bytes that are needed besides, return the marks that get them free."""
        return replace(self, low=max(self.low, to), high=max(self.high, to))

    def calls(self, free: int, *, low: bool) -> bool:
        """Given the free bytes and whether space was low until now, return whether it is: it stays so until `high`."""
        return free < (self.high if low else self.low)


def amount(text: str) -> Amount:
    """Given `150 GB`, `1.5 TiB`, `10%` or a bare number of GiB, return it. Raise ValueError if it is none of them."""
    match = _NUMBER.fullmatch(text)
    if match is None or (match[2] != "%" and match[2].lower() not in _BYTES):
        raise ValueError(f"{text!r} is no amount of space; write it like 150 GB, 1.5 TiB, 10% or, in GiB, 150")
    number = float(match[1])
    if match[2] != "%":
        return Amount(number * _BYTES[match[2].lower()], percent=False)
    if number > _WHOLE:
        raise ValueError(f"{text!r} is more than the disk; write at most 100%")
    return Amount(number, percent=True)


def seconds(text: str) -> float:
    """Given `3 days`, `12 h`, `90 min` or `0`, return the seconds. Raise ValueError if it is no length of time."""
    match = _NUMBER.fullmatch(text)
    if match is not None and not match[2] and float(match[1]) == 0:
        return 0.0
    if match is None or match[2].lower() not in _SECONDS:
        raise ValueError(f"{text!r} is no length of time; write it with its unit, like 3 days, 12 h or 90 min")
    return float(match[1]) * _SECONDS[match[2].lower()]
