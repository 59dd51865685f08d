"""Summary of a report: where pellucid loses, and how quiet the machine was."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pellucid.compare.report.format import TITLES
from pellucid.compare.results import (
    Results,
    Verdict,
    explain_no_ranking,
    find_changes,
    format_amount,
    list_differences,
    list_left_out,
    list_verdicts,
    measure_coverage,
)

#: what a verdict is called, the losses first
OUTCOMES = (
    ("loses", "Where pellucid loses"),
    ("ties", "Where it is level, within the spread"),
    ("wins", "Where it is ahead"),
)


def summary_lines(results: Results) -> list[str]:
    """Return the losses first, then draws and wins, as sentences."""
    found = list_verdicts(results)
    lines = [*noise_lines(results), count_outcomes(found)]
    for outcome, title in OUTCOMES if found else ():
        groups = group_by_engine(found, outcome)
        lines.append(f"{title}:" if groups else f"{title}: nowhere")
        for engine, some in groups.items():
            lines += [f"  {engine}, {v.step.row}: {format_verdict(v)}" for v in some]
    return lines


def group_by_engine(found: Sequence[Verdict], outcome: str) -> dict[str, list[Verdict]]:
    """Return the verdicts of an outcome under the titles of our engines."""
    groups: dict[str, list[Verdict]] = {}
    for verdict in found:
        if verdict.outcome == outcome:
            groups.setdefault(TITLES[verdict.ours.engine], []).append(verdict)
    return groups


def count_outcomes(found: Sequence[Verdict]) -> str:
    """Return how often each of our engines loses, in one sentence."""
    if not found:
        return (
            "Nothing to lay side by side: no figure that counts towards a priority was "
            "measured for both an engine of pellucid and a framework."
        )
    parts = []
    for engine in dict.fromkeys(v.ours.engine for v in found):
        outcomes = [v.outcome for v in found if v.ours.engine == engine]
        parts.append(
            f"{TITLES[engine]} loses {outcomes.count('loses')} of {len(outcomes)}, is "
            f"level in {outcomes.count('ties')} and ahead in {outcomes.count('wins')}"
        )
    return (
        "Each engine of pellucid against the best framework, figure by figure: "
        f"{'; '.join(parts)}."
    )


def format_verdict(verdict: Verdict) -> str:
    """Return a verdict in words; row and engine stand before it."""
    ours, theirs = verdict.ours.shown, verdict.theirs.shown
    measurement, other = verdict.step.figure, TITLES[verdict.theirs.engine]
    if verdict.outcome == "ties" or verdict.factor is None:
        return f"{measurement}: {ours}; {other} {theirs}."
    factor = f"{format_factor(verdict.factor)} as good"
    if verdict.outcome == "loses":
        return f"{measurement}: {ours}; {other} {theirs}, {factor}."
    return f"{measurement}: {ours}, {factor} as {other} with {theirs}."


def format_factor(factor: float) -> str:
    """Return a factor as people say it.

    Examples
    --------
    >>> format_factor(1.234), format_factor(25.3)
    ('1.23 times', '25 times')
    """
    return f"{factor:.2f} times" if factor < 10 else f"{factor:,.0f} times"


def noise_lines(results: Results) -> list[str]:
    """Return a warning where something else ran on the machine meanwhile."""
    disturbed = results.disturbed
    if not disturbed:
        return []
    timed = [cell for cell in results.cells if cell.is_done]
    return [
        f"The machine was busy with something else: {len(disturbed)} of {len(timed)} "
        "measured cells were disturbed. Do not trust their times, which are not "
        "ranked; measure again on a quiet machine."
    ]


def coverage_line(results: Results, weights: Mapping[str, float] | None) -> str:
    """Return on how much a ranking rests, or why there is none, as a sentence."""
    why = explain_no_ranking(results, weights)
    if why:
        return f"No ranking: {why}."
    found = measure_coverage(results, weights)
    return f"It rests on {found.measured} of {found.asked} questions."


def left_out_lines(results: Results) -> list[str]:
    """Return the figures that would count and do not, with their reasons."""
    return [
        f"{one.priority}: {one.figure} ({one.row}): {one.why}"
        for one in list_left_out(results)
    ]


def changed_lines(before: Results, now: Results) -> list[str]:
    """Return what changed beyond the noise since other results."""
    lines = [f"Against the results of {before.begun}:"]
    lines += [f"  {line}" for line in list_differences(before, now)]
    found = find_changes(before, now)
    if not found:
        return [*lines, "  no figure has changed beyond the noise"]
    for change in found:
        pair = " → ".join(
            _format_value(v, change.unit) for v in (change.before, change.now)
        )
        ratio = f" ({change.ratio:.2f} times)" if change.ratio else ""
        lines.append(f"  {change.row}, {change.engine}, {change.figure}: {pair}{ratio}")
    return lines


def _format_value(value: object, unit: str) -> str:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return {True: "yes", False: "no", None: "none"}.get(value, str(value))  # type: ignore[call-overload,no-any-return]
    return format_amount(value, unit)
