"""README, tutorials and pages are executed: every ```python fence, in order."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SITE = ROOT / "docs" / "site"  # whose build checks its links
PAGES = [ROOT / "README.md", *sorted(ROOT.glob("docs/**/*.md"))]
PAGES = [page for page in PAGES if page.parent != SITE]
FORMATS = ROOT / "docs" / "formats"  # run by tests/exchange/test_docs.py
FENCE = re.compile(r"^```python([^\n]*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\((?!https?:|mailto:|#)([^)#\s]+)")


def snippets(page: Path) -> list[tuple[int, str]]:
    """Return (line, code) of a page's fences; marked ones are left out.

    ``no-run`` marks those that no test runs, ``needs=PACKAGE`` those of
    `test_code_that_needs_a_package_runs`.
    """
    text = page.read_text(encoding="utf-8")
    return [
        (text[: match.start(2)].count("\n"), match[2])
        for match in FENCE.finditer(text)
        if "no-run" not in match[1] and "needs=" not in match[1]
    ]


@pytest.mark.parametrize(
    "page",
    [page for page in PAGES if snippets(page) and page.parent != FORMATS],
    ids=lambda page: str(page.relative_to(ROOT)),
)
def test_a_page_s_code_runs(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "agg")
    names = {"__name__": "__page__"}
    for line, code in snippets(page):
        padded = "\n" * line + code  # tracebacks then show the page's line
        exec(compile(padded, str(page), "exec", dont_inherit=True), names)


NEEDING = [
    (page, match[1].split("needs=")[1], match)
    for page in PAGES
    for match in FENCE.finditer(page.read_text(encoding="utf-8"))
    if "needs=" in match[1]
]


@pytest.mark.filterwarnings("ignore")  # the packages' own
@pytest.mark.parametrize(
    ("page", "package", "match"), NEEDING, ids=[package for _, package, _ in NEEDING]
)
def test_code_that_needs_a_package_runs(
    page: Path,
    package: str,
    match: re.Match[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pytest.importorskip(package, reason=f"{package} is not installed")
    monkeypatch.chdir(tmp_path)
    exec(compile(match[2], f"{page}: {package}", "exec"), {"__name__": "__page__"})


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_page_s_links_lead_somewhere(page: Path) -> None:
    for target in LINK.findall(page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), target


def test_the_readme_links_every_page() -> None:
    linked = set(LINK.findall(PAGES[0].read_text(encoding="utf-8")))
    for page in PAGES[1:]:
        assert str(page.relative_to(ROOT)) in linked


def test_every_extra_is_explained() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    page = (ROOT / "docs" / "command-line.md").read_text(encoding="utf-8")
    rows = page.split("## Installing")[1].split("\n## ")[0]
    named = set(re.findall(r"^\| (`.*?) \|", rows, re.MULTILINE))
    listed = set(re.findall(r"`(\w+)`", " ".join(named)))
    assert listed == set(project["project"]["optional-dependencies"])
