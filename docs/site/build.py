"""Build the documentation site: `make site`.

Pages, notebooks, the reference of all public names and the lesson in the browser, as
files that any web server can serve.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))
ROOT = HERE.parents[1]
#: what pages link to beside each other, at the same relative place
BESIDE = ("benchmarks", "examples", "src", "tests", "CHANGELOG.md", "CONTRIBUTING.md")


def main() -> None:
    """Build the site and check its links; ends with a status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "site")
    out = parser.parse_args().out.resolve()
    start = time.monotonic()
    source, html = out / "source", out / "html"
    shutil.rmtree(out, ignore_errors=True)
    assemble(source)
    run_sphinx(source, html)
    write_parts(html)
    from links import check

    count = check(html)
    seconds = time.monotonic() - start
    print(f"{count:,} links checked; {html / 'index.html'} in {seconds:.0f} s")


def assemble(source: Path) -> None:
    """Lay out what Sphinx reads."""
    from reference import write_reference

    docs = source / "docs"
    ignored = shutil.ignore_patterns("__pycache__", "site")
    shutil.copytree(ROOT / "docs", docs, ignore=ignored)
    for page in ("index.md", "notebooks.md"):
        shutil.copy(HERE / page, docs / page)
    for name in BESIDE:
        (source / name).symlink_to(ROOT / name)
    write_reference(docs / "reference")


def run_sphinx(source: Path, html: Path) -> None:
    """Let Sphinx build; a warning is an error."""
    command = [sys.executable, "-m", "sphinx", "-b", "html", "-c", str(HERE)]
    command += ["-d", str(html.with_name("doctrees")), "-j", "2", "-q", "-W"]
    command += ["--keep-going", str(source), str(html)]
    done = subprocess.run(command, check=False)
    if done.returncode:
        sys.exit(done.returncode)


def write_parts(html: Path) -> None:
    """Add what Sphinx does not make."""
    import lesson

    lesson.build(html / "lesson")
    shutil.copy(HERE / "front.html", html / "index.html")


if __name__ == "__main__":
    main()
