"""The documentation site: built without a warning, every link checked."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import pellucid as pl

ROOT = Path(__file__).parents[2]
SITE = ROOT / "docs" / "site"
MISSING = [m for m in ("sphinx", "myst_nb", "furo") if not importlib.util.find_spec(m)]


def load(name: str) -> Any:
    """Return a module of the site's build."""
    spec = importlib.util.spec_from_file_location(name, SITE / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the built site."""
    if MISSING:
        pytest.skip(f"the extra [docs] is not installed: no {', '.join(MISSING)}")
    out = tmp_path_factory.mktemp("site")
    command = [sys.executable, str(SITE / "build.py"), "--out", str(out)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return out / "html"


def test_the_site_has_every_page_and_every_public_name(site: Path) -> None:
    for page in sorted((ROOT / "docs").glob("**/*.md")):
        if page.parent != SITE:
            made = (site / "docs" / page.relative_to(ROOT / "docs")).with_suffix(
                ".html"
            )
            assert made.exists(), made
    text = (site / "docs" / "reference" / "pellucid.html").read_text()
    assert 'id="pellucid.Conv2D"' in text
    assert (site / "docs" / "notebooks" / "tutorial-1-by-hand.html").exists()


def test_every_page_is_in_a_list_of_the_site() -> None:
    listed = set((SITE / "index.md").read_text().split("\n"))
    for page in sorted((ROOT / "docs").glob("*.md")):
        assert page.stem in listed, f"name it in {SITE / 'index.md'}"


def test_the_reference_has_every_public_name_once(tmp_path: Path) -> None:
    load("reference").write_reference(tmp_path / "reference")
    pages = {path.stem: path.read_text() for path in (tmp_path / "reference").iterdir()}
    for name in pl.__all__:
        thing = getattr(pl, name)
        if callable(thing) and thing.__module__.startswith("pellucid"):
            assert f":: pellucid.{name}\n" in pages["pellucid"], name
    assert ":: pellucid.data.load\n" in pages["pellucid.data"]
    assert "pellucid.objectives.Adam\n" not in pages["pellucid.objectives"]
    assert all(
        f"   {package}\n" in pages["index"] for package in pages if "." in package
    )


def test_a_lost_link_is_found(tmp_path: Path) -> None:
    (tmp_path / "a.html").write_text(
        '<p id="x"><a href="b.html#y">1</a><a href="#z">2</a><a href="b.html">3</a>'
        '<a href="https://x.org/none">4</a><img src="none.png"><a href="#x">5</a>'
    )
    (tmp_path / "b.html").write_text('<p id="w">')
    count, lost = load("links").broken(tmp_path)
    assert count == 5
    assert lost == ["a.html: b.html#y", "a.html: #z", "a.html: none.png"]
