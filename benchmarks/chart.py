"""Draws results as bars: one group per case, the ratio of each way to the first. Plain SVG, no library."""

from html import escape
from typing import Any

BAR, GAP, LABEL, WIDTH = 18, 14, 300, 520
LARGEST = 4.0  # ratios above it are cut


def draw(cases: dict[str, Any]) -> str:
    """Given the cases of copies.json, return an SVG."""
    rows, y = [], 24
    scale = WIDTH / LARGEST
    for case in cases.values():
        y += GAP
        rows.append(f'<text x="8" y="{y}" font-weight="bold">{escape(case["title"])}</text>')
        y += 8
        for name, way in case["ways"].items():
            ratio = way["ratio"]
            colour = "#2a7" if name.startswith("seedcache") else "#999"
            length = min(ratio, LARGEST) * scale
            middle = y + BAR - 5
            rows.append(f'<text x="{LABEL - 8}" y="{middle}" text-anchor="end">{escape(name)}</text>')
            rows.append(f'<rect x="{LABEL}" y="{y}" width="{length:.0f}" height="{BAR - 3}" fill="{colour}"/>')
            rows.append(f'<text x="{LABEL + length + 6:.0f}" y="{middle}">{ratio:.2f}</text>')
            y += BAR
        y += GAP
    line = LABEL + scale
    rows.append(f'<line x1="{line}" x2="{line}" y1="24" y2="{y}" stroke="#c33" stroke-dasharray="4 3"/>')
    size = f'width="{LABEL + WIDTH + 60}" height="{y + 10}"'
    title = "Time until the copy is on the device, as a ratio to the first way of each case (shorter is better)"
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="12">'
    return "\n".join(
        [
            head,
            '<rect width="100%" height="100%" fill="white"/>',
            f'<text x="8" y="16">{title}</text>',
            *rows,
            "</svg>\n",
        ]
    )
