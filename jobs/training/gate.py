"""Whether a candidate may be published: every reason against it is one sentence."""

from collections.abc import Mapping
from typing import Any

from jobs.contract.generations import Manifest
from jobs.contract.settings import Settings

NORM_JUMP = 5.0
"""Norms that grew or shrank by more than this are no next night's model."""


def objections(
    report: Mapping[str, Any], manifest: Manifest, live: Manifest | None, settings: Settings
) -> list[str]:
    """Return why a candidate must not be published; nothing speaks against an empty list.

    `report` is that of its evaluation. A comparison of fewer than `gate_min_listeners` people
    says nothing and objects to nothing; what was compared is in the report.
    """
    return [
        *_unsound(report["factors"], manifest),
        *_against_popularity(report, settings),
        *(_shrunken(manifest, live, settings) if live else []),
        *_worse(report.get("against_live", []), settings),
    ]


def _unsound(factors: Mapping[str, Any], manifest: Manifest) -> list[str]:
    found = []
    for kind, expected in (("users", manifest.users), ("items", manifest.items)):
        rows, bad = factors[kind]["rows"], factors[kind]["bad"]
        if rows != expected or rows == 0:
            found.append(f"it has vectors of {rows} {kind}, its manifest says {expected}")
        if bad:
            found.append(f"{bad} vectors of {kind} hold NaN, infinite or missing numbers")
    window = factors.get("window_recall_20")
    if window and window["candidate"] <= window["popularity"]:
        found.append(
            "its vectors do not know the plays they were trained on: recall@20 of the listeners' "
            f"own songs of the window is {window['candidate']:.4f}, popularity has "
            f"{window['popularity']:.4f}; ids and vectors may be mixed up"
        )
    return found


def _against_popularity(report: Mapping[str, Any], settings: Settings) -> list[str]:
    return [
        f"it is not better than popularity: {entry['metric']} {entry['candidate']:.4f} against "
        f"{entry['other']:.4f} (everyone, {entry['listeners']} listeners)"
        for entry in report.get("against_popularity", [])
        if (entry["metric"], entry["slice"]) == ("home unheard ndcg_10", "everyone")
        and entry["listeners"] >= settings.gate_min_listeners
        and entry["candidate"] <= entry["other"]
    ]


def _shrunken(manifest: Manifest, live: Manifest, settings: Settings) -> list[str]:
    shares = {
        "users": ("listeners", settings.gate_listeners_share),
        "items": ("songs", settings.gate_size_share),
        "plays": ("plays", settings.gate_size_share),
    }
    found = []
    for field, (noun, least) in shares.items():
        mine, theirs = getattr(manifest, field), getattr(live, field)
        if mine < least * theirs:
            found.append(
                f"it has {mine} {noun}, {mine / theirs:.0%} of the {theirs} of the live "
                f"generation {live.generation} (at least {least:.0%})"
            )
    for kind in ("users", "items"):
        mine, theirs = getattr(manifest.norms, kind), getattr(live.norms, kind)
        same = manifest.params == live.params
        if same and theirs and not 1 / NORM_JUMP <= mine / theirs <= NORM_JUMP:
            found.append(
                f"the median norm of its {kind} is {mine:.3g}, that of the live generation "
                f"{theirs:.3g}, with the same parameters"
            )
    return found


def _worse(comparisons: list[Mapping[str, Any]], settings: Settings) -> list[str]:
    """Return a sentence for each metric that is lower beyond noise and beyond the tolerance."""
    return [
        f"{entry['metric']} is {entry['candidate']:.4f}, the live generation has "
        f"{entry['other']:.4f} ({entry['slice']}, {entry['listeners']} listeners; the difference "
        f"lies in [{entry['low']:+.4f}, {entry['high']:+.4f}])"
        for entry in comparisons
        if entry["listeners"] >= settings.gate_min_listeners
        and entry["high"] < 0
        and entry["candidate"] < entry["other"] * (1 - settings.gate_tolerance)
    ]
