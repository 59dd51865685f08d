"""The figures of each class, as a table for terminals and notebooks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pellucid.explain.assessment import Assessment

Row = tuple[str, ...]


def class_table(assessment: Assessment) -> tuple[Row, list[Row]]:
    """Return headers and a row for each class or label; no rows of a regression.

    Parameters
    ----------
    assessment : Assessment
        What was measured.

    Returns
    -------
    tuple
        Headers, and rows of as many cells.
    """
    is_labels = assessment.meaning.kind == "labels"
    counted = assessment.counted
    first = (f"{counted} with it", "predicted") if is_labels else (counted, "correct")
    is_pixels = assessment.meaning.is_per_pixel
    last = "IoU" if is_pixels else "AUC"
    shares = ("accuracy", "precision", *(["recall"] if is_labels else []), "F1", last)
    head = ("label" if is_labels else "class", *first, *shares)
    if not assessment.classes:
        return head, []
    scores, overlaps, rows = assessment.scores, assessment.class_iou, []
    areas = assessment.class_areas or (None,) * len(assessment.classes)
    for k, name in enumerate(assessment.classes):
        second = scores.predicted[k] if is_labels else scores.right[k]
        figures = [assessment.class_accuracy[k], scores.precision[k]]
        figures += [scores.recall[k]] if is_labels else []
        figures.append(scores.f1[k])
        cells = [f"{100 * f:.2f} %" if not math.isnan(f) else "" for f in figures]
        area = overlaps[k] if is_pixels else areas[k]
        cells.append("" if area is None or math.isnan(area) else f"{area:.4f}")
        rows.append((name, f"{scores.actual[k]:,}", f"{second:,}", *cells))
    return head, rows


def summary_lines(assessment: Assessment) -> list[str]:
    """Return what all classes come to, in lines of text.

    Parameters
    ----------
    assessment : Assessment
        What was measured.

    Returns
    -------
    list of str
        None of a regression.
    """
    if not assessment.classes:
        return []
    figures = assessment.summary
    macro, micro = (
        ", ".join(
            f"{name.upper() if name in ('auc', 'f1') else name} {figures[key]:.4f}"
            for name in ("precision", "recall", "f1", "auc")
            if (key := f"{kind}{name}") in figures
        )
        for kind in ("", "micro_")
    )
    lines = [f"mean of classes: {macro}"]
    if assessment.meaning.kind == "labels":
        lines.append(f"of all labels together: {micro}")
    if "calibration_error" in figures:
        lines.append(f"calibration error: {figures['calibration_error']:.4f}")
    if assessment.is_of_examples:
        low, high = assessment.accuracy_interval
        lines.append(f"accuracy, 95 % interval: {100 * low:.2f} % … {100 * high:.2f} %")
    return lines


def html_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table in HTML.

    Parameters
    ----------
    head : sequence of str
        Headers.
    rows : sequence of sequence of str
        Cells.

    Returns
    -------
    str
        A ``<table>``.
    """
    top = "".join(f"<th>{escape(cell)}</th>" for cell in head)
    body = "".join(
        f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>"
        for row in rows
    )
    return f"<table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>"
