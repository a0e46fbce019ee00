"""Configuration of the documentation site: ``python -m sphinx -W --keep-going -E -c docs . build/site``.

Sphinx with MyST and numpydoc, not MkDocs with mkdocstrings:

- The docstrings are numpydoc's, and their references resolve.
- The source may be the whole repository, so that README.md and the like are pages, and a link means the same here and
  where the Markdown is read as a file. MkDocs has one folder, and needs a hook of ours for the pages outside of it.
- matplotlib's directive runs the scripts of the gallery.
- Material for MkDocs announces its end of life for 2027-05-05.

The search is that of the theme, without a server, in either case, and the doctests are pytest's.
"""

import shutil
from pathlib import Path

from fastmlp import __version__

project = "fastmlp"
author = copyright = "fastmlp contributors"
release = version = __version__
root_doc = "README"
include_patterns = ["README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "docs/**"]

extensions = ["myst_parser", "sphinx.ext.autodoc", "numpydoc", "matplotlib.sphinxext.plot_directive"]
myst_heading_anchors = 4
# A single backtick is a reference where it names something, and code otherwise.
default_role = "py:obj"
smartquotes = False
autodoc_typehints = "none"
toc_object_entries_show_parents = "hide"
numpydoc_show_class_members = False
highlight_language = "none"
# The gallery: each script is shown, and run when the site is built, so that no figure is stored.
plot_include_source = True
plot_html_show_source_link = plot_html_show_formats = False
plot_formats = ["svg"]

html_theme = "furo"
html_title = "fastmlp"
html_copy_source = False
html_css_files = ["site.css"]
html_static_path = ["static"]

#: The pages in the order of the sidebar. README.md, which is the first page, cannot have the directives itself.
CONTENTS = {
    "Guide": ["quickstart", "data", "tables", "tabular", "sklearn", "cluster", "precision", "deploy", "gallery/README"],
    "API reference": ["api/training", "api/data", "api/study", "api/sklearn", "api/plot"],
    "Background": ["paper/README", "performance", "reproducibility", "definitions", "kernels", "extending"],
    "Project": ["/CONTRIBUTING", "/SECURITY", "/CHANGELOG"],
}


def _add_contents(app, name, source):
    if name == root_doc:
        for caption, pages in CONTENTS.items():
            paths = "\n".join(page if page.startswith("/") else f"/docs/{page}" for page in pages)
            source[0] += f"\n\n```{{toctree}}\n:hidden:\n:caption: {caption}\n\n{paths}\n```"


def _add_index(app, exception):
    if exception is None:
        shutil.copy(Path(app.outdir) / "README.html", Path(app.outdir) / "index.html")


def setup(app):
    """Connect the two functions above."""
    app.connect("source-read", _add_contents)
    app.connect("build-finished", _add_index)
