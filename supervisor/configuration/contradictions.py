"""What settings cannot mean together, though each is well-formed. Pure."""

import itertools
import os
from collections.abc import Iterator, Mapping
from typing import Any

from supervisor import measures
from supervisor.dispatch.destinations import root_of


def find(values: Mapping[str, Any], origins: Mapping[str, str]) -> Iterator[str]:
    """Given the values that are set and are well-formed, and where each came from, yield a line for each mistake."""
    ssd, hdds = values.get("download_path_ssd"), values.get("final_dest_base_hdd", ())
    roots = [("DOWNLOAD_PATH_SSD ", ssd), *(("", hdd) for hdd in hdds)] if ssd else [("", hdd) for hdd in hdds]
    for (name, one), (_, other) in itertools.combinations(roots, 2):
        if os.path.commonpath([one, other]) in {one, other}:
            yield (
                f"FINAL_DEST_BASE_HDD ({origins['final_dest_base_hdd']}): {other!r} and {name}{one!r} "
                "are the same or one is inside the other; name two separate directories"
            )
    for label, place in values.get("destinations", ()) if hdds else ():
        if place.startswith("/") and root_of(os.fsencode(place), [os.fsencode(hdd) for hdd in hdds]) is None:
            yield (
                f"DESTINATIONS ({origins['destinations']}): {place!r} of {label!r} is on none of FINAL_DEST_BASE_HDD; "
                "name a directory below one of them, or begin without a / to leave the HDD open"
            )
    yield from _marks(values, origins)
    yield from _rules(values, origins)
    for name in ("sonarr", "radarr"):
        url, key = f"{name}_url", f"{name}_api_key"
        if values.get("notify_arr_enabled", True) and values.get(url) and not values.get(key, key in origins):
            yield (
                f"{key.upper()} ({origins.get(key, 'default')}): is not set but {url.upper()} is ({origins[url]}); "
                "set the key, or NOTIFY_ARR_ENABLED to false"
            )


def _marks(values: Mapping[str, Any], origins: Mapping[str, str]) -> Iterator[str]:
    if "disk_space_threshold_gb" in origins and values.get("space_low"):
        yield (
            f"SPACE_LOW ({origins['space_low']}): DISK_SPACE_THRESHOLD_GB is set too "
            f"({origins['disk_space_threshold_gb']}), and means the same; remove that one"
        )
    low_name = "SPACE_LOW" if values.get("space_low") else "DISK_SPACE_THRESHOLD_GB"
    written = values.get(low_name.lower(), 100.0)
    low = measures.amount(written) if isinstance(written, str) else measures.Amount(written * measures.GIB, False)
    below = f"{low_name} {written} ({origins.get(low_name.lower(), 'default')})"
    for name, wrong, remedy in (("space_high", "less", "at least"), ("space_emergency", "more", "at most")):
        mark = measures.amount(values.get(name) or "0")
        if not values.get(name) or (name == "space_emergency" and not mark.number):
            continue
        if mark.percent != low.percent:
            yield (
                f"{name.upper()} ({origins[name]}): {values[name]} cannot be compared with {below}; "
                "write both as sizes or both in percent"
            )
        elif mark != low and (mark.number < low.number) == (wrong == "less"):
            yield f"{name.upper()} ({origins[name]}): {values[name]} is {wrong} than {below}; write {remedy} as much"


def _rules(values: Mapping[str, Any], origins: Mapping[str, str]) -> Iterator[str]:
    both = {label.casefold() for label in values.get("policy_keep_labels", ())} & {
        label.casefold() for label in values.get("policy_leave_labels", ())
    }
    if both:
        yield (
            f"POLICY_LEAVE_LABELS ({origins['policy_leave_labels']}): POLICY_KEEP_LABELS "
            f"({origins['policy_keep_labels']}) has {', '.join(sorted(both))} too; remove it from one of them"
        )
    stay = measures.seconds(values.get("policy_max_stay", "0"))
    if 0 < stay < measures.seconds(values.get("policy_min_seed_time", "0")):
        yield (
            f"POLICY_MAX_STAY ({origins['policy_max_stay']}): {values['policy_max_stay']!r} is less than "
            f"POLICY_MIN_SEED_TIME {values['policy_min_seed_time']!r} ({origins['policy_min_seed_time']}); "
            "write at least as much"
        )
    if not measures.seconds(values.get("policy_half_life", "3 days")):
        yield f"POLICY_HALF_LIFE ({origins['policy_half_life']}): must not be 0; write a length of time like 3 days"
