"""The weeks, drawn as SVG: how many tasks were walked away from, and how often people were needed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Final

from remit.domain.values import JsonValue, fields

_WIDE: Final = 720
_HIGH: Final = 160
_LEFT: Final = 56
_GAP: Final = 56
_LABELS: Final = 6
_SAID: Final = 16
"""Columns that stand so wide that their number fits over them."""
_BLUE: Final = "#2563ad"
_RED: Final = "#b4442e"


def weeks(groups: Mapping[str, JsonValue]) -> str:
    """One column for each week, oldest first."""
    names = list(groups)
    rates = [_value(groups[name], "walk_away_rate") for name in names]
    needed = [_value(groups[name], "interventions_per_task") for name in names]
    counts = [int(_value(groups[name], "ended") or 0) for name in names]
    most = max([1.0, *(one for one in needed if one is not None)])
    upper = _panel(0, "walked away, per cent of the tasks that ended", names, rates, 1.0, _BLUE, percent=True)
    lower = _panel(_HIGH + _GAP, "interventions per task", names, needed, most, _RED, percent=False)
    ends = "".join(
        f'<text x="{_x(n, len(names)):.1f}" y="{2 * _HIGH + _GAP + 52}" text-anchor="middle" font-size="11">{escape(name)} ({count})</text>'
        for n, (name, count) in enumerate(zip(names, counts, strict=True))
        if n % -(-len(names) // _LABELS) == 0
    )
    high = 2 * _HIGH + _GAP + 64
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDE} {high}" width="{_WIDE}" height="{high}"'
        ' font-family="sans-serif" fill="#222">'
        f'<rect width="100%" height="100%" fill="#fff"/>{upper}{lower}{ends}</svg>\n'
    )


def _panel(top: int, title: str, names: Sequence[str], values: Sequence[float | None], most: float, colour: str, *, percent: bool) -> str:
    parts = [f'<text x="{_LEFT}" y="{top + 18}" font-size="13" font-weight="bold">{title}</text>']
    for share in (0.0, 0.5, 1.0):
        y = _y(top, share)
        label = f"{share * 100:.0f}" if percent else f"{share * most:.1f}"
        parts.append(f'<line x1="{_LEFT}" x2="{_WIDE - 16}" y1="{y:.1f}" y2="{y:.1f}" stroke="#ccc"/>')
        parts.append(f'<text x="{_LEFT - 8}" y="{y + 4:.1f}" text-anchor="end" font-size="11">{label}</text>')
    for n, value in enumerate(values):
        if value is None:
            continue
        x, y, wide = _x(n, len(names)), _y(top, value / most), min(48.0, 0.6 * (_WIDE - _LEFT) / max(1, len(names)))
        said = f"{names[n]}: {value * 100:.0f} %" if percent else f"{names[n]}: {value:.1f}"
        box = f'x="{x - wide / 2:.1f}" y="{y:.1f}" width="{wide:.1f}" height="{_y(top, 0) - y:.1f}"'
        parts.append(f'<rect {box} fill="{colour}"><title>{escape(said)}</title></rect>')
        shown = f"{value * 100:.0f}" if percent else f"{value:.1f}"
        if len(names) <= _SAID:
            parts.append(f'<text x="{x:.1f}" y="{y - 4:.1f}" text-anchor="middle" font-size="11">{shown}</text>')
    return "".join(parts)


def _x(n: int, of: int) -> float:
    return _LEFT + (_WIDE - 16 - _LEFT) * (n + 0.5) / max(1, of)


def _y(top: int, share: float) -> float:
    return top + 40 + (1 - share) * (_HIGH - 16)


def _value(group: JsonValue, name: str) -> float | None:
    value = fields(group).get(name)
    return float(value) if isinstance(value, int | float) else None
