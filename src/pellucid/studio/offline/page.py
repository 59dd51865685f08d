"""The studio's page, as the lesson has it: its views only, all files beside it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

VIEWS = ("draw", "walk", "inside", "play", "train")
#: the attribution that is computed without a server
_MAPS = ("", "saliency")
_TAB = re.compile(r'    <a href="#(\w+)">.*?</a>\n')
_OPTION = re.compile(r'\s*<option value="([\w-]*)">[^<]*</option>')
_MODEL = re.compile(r'<link rel="preload" href="/studio/[^>]*>\n')


def write_page(
    studio: str,
    *,
    title: str,
    home: str,
    wish: Mapping[str, float],
    views: Sequence[str] = VIEWS,
) -> str:
    """Return the lesson's page.

    Parameters
    ----------
    studio : str
        The studio's.
    title : str
        Of the page.
    home : str
        Where its link to the documentation leads.
    wish : mapping of str to float
        What the fields of the training's form begin with, by name.
    views : sequence of str
        Those to which its tabs lead.

    Raises
    ------
    ValueError
        If the studio's page has changed so that this does not fit any more.
    """
    page = _TAB.sub(lambda m: m[0] if m[1] in views else "", studio)
    page = _MODEL.sub("", page)
    page = re.sub(r'(?<=")/static/(?:studio/)?', "./", page)
    for name, value in wish.items():
        field = re.compile(rf'(<input name="{name}" type="number" value=")[^"]*')
        page, count = field.subn(rf"\g<1>{value}", page)
        if count != 1:
            raise ValueError(f"the studio's page has no field {name!r} any more")
    before, kinds, after = _cut(page, '<select id="map-kind">', "</select>")
    kinds = _OPTION.sub(lambda m: m[0] if m[1] in _MAPS else "", kinds)
    page = before + kinds + after
    for shown, hidden in (
        # one network, which takes a moment to load
        (' tabindex="-1" aria-busy="true">', ' tabindex="-1">'),
        # experiments were run beforehand: there are presets, and no settings
        ('<form id="settings"', '<form id="settings" hidden'),
        ('<div class="columns play-columns">', "<div>"),
        ('<button id="play-keep"', '<button id="play-keep" hidden'),
        ("Choose a lesson, or change a setting.", "Choose a lesson."),
        ("<label>Compare with", "<label hidden>Compare with"),
        ('<a id="save" class="button"', '<a id="save" class="button" hidden'),
        (
            "Accuracy (%): of this epoch so far, and on test images",
            "Accuracy on test images (%)",
        ),
        ("<title>pellucid studio</title>", f"<title>{title}</title>"),
        ("<h1>pellucid studio</h1>", f'<h1><a href="{home}">pellucid</a></h1>'),
    ):
        if shown not in page:
            raise ValueError(f"the studio's page has no {shown!r} any more")
        page = page.replace(shown, hidden)
    return page


def _cut(text: str, start: str, end: str) -> tuple[str, str, str]:
    first = text.index(start) + len(start)
    last = text.index(end, first)
    return text[:first], text[first:last], text[last:]
