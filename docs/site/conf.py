"""Sphinx's configuration of the documentation site; see `build.py`."""

from typing import Any

from docutils import nodes

import pellucid

project = "pellucid"
author = copyright = "The pellucid authors"
release = version = pellucid.__version__

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.mathjax", "numpydoc"]
root_doc = "docs/index"
include_patterns = ["docs/**"]
exclude_patterns = ["docs/site/**", "docs/compare/**/index.html"]
source_suffix = {".md": "myst-nb", ".ipynb": "myst-nb", ".rst": "restructuredtext"}

# pages' code is run by the tests, the notebooks' outputs stand in them
nb_execution_mode = "off"
nb_merge_streams = True
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 4
myst_ref_domains = ["std"]
suppress_warnings = [
    "myst.xref_missing",  # checked by `links.py`, anchors included
    "myst.header",  # a page of formats begins small
    "misc.highlighting_failure",  # fences that show a program's output
]

autodoc_member_order = "bysource"
autodoc_default_options = {
    "exclude-members": "set_fit_request,set_partial_fit_request,set_score_request"
}
autodoc_typehints = "none"  # numpydoc's sections have them
numpydoc_show_class_members = False
add_module_names = False
python_use_unqualified_type_names = True

html_theme = "furo"
html_title = "pellucid"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_favicon = "../../src/pellucid/serving/static/icon.svg"
html_copy_source = html_show_sourcelink = False
html_theme_options = {"sidebar_hide_name": False, "navigation_with_keys": True}
pygments_style, pygments_dark_style = "tango", "github-dark"


def escape_marks(app: Any, what: str, name: str, thing: Any, options: Any, lines: Any):
    """Let ``(N, *input shape)`` and ``|x|`` be what they say."""
    lines[:] = [line.replace(", *", r", \*").replace("|", r"\|") for line in lines]


def keep_anchor(app: Any, env: Any, node: Any, text: Any) -> Any:
    """Link to an anchor that a page writes itself; `links.py` checks it."""
    target = node.get("reftarget", "")
    if node.get("reftype") != "myst":
        return None
    address = target if target.startswith("#") else f"#{target}"
    return nodes.reference("", "", text, refuri=address, internal=True)


def setup(app: Any) -> None:
    """Mend docstrings before numpydoc reads them, and anchors that a page writes."""
    app.connect("missing-reference", keep_anchor)
    app.connect("autodoc-process-docstring", escape_marks, priority=100)
