"""Sphinx settings; `sphinx-build -W docs docs/_build` builds the pages."""

import sys
from pathlib import Path

import skmatch

sys.path.append(str(Path(__file__).parent))  # of the last three extensions

project = "skmatch"
author = "The skmatch developers"
copyright = author
version = release = skmatch.__version__
extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.extlinks",
    "sphinx.ext.mathjax",
    "sphinx.ext.viewcode",
    "numpydoc",
    "sphinx_gallery.gen_gallery",
    "figures",
    "markdown_page",
    "measured",
]
extlinks = {
    "arxiv": ("https://arxiv.org/abs/%s", "arXiv:%s"),
    "doi": ("https://doi.org/%s", "doi:%s"),
}
autosummary_generate = True
toc_object_entries_show_parents = "hide"
numpydoc_class_members_toctree = False
numpydoc_show_inherited_class_members = False
exclude_patterns = ["_build", "examples"]

# Only plot_*.py are examples of the gallery; the other scripts stand by themselves.
sphinx_gallery_conf = {
    "examples_dirs": "examples",
    "gallery_dirs": "auto_examples",
    "filename_pattern": "/plot_",
    "ignore_pattern": "^(?!plot_)",
    "download_all_examples": False,
    "min_reported_time": 3600,
    "nested_sections": False,
    "show_memory": False,
    "show_signature": False,
    "within_subsection_order": "reading_order.ReadingOrder",
    "write_computation_times": False,
}

templates_path = ["_templates"]
html_theme = "pydata_sphinx_theme"
html_title = "skmatch"
html_static_path = ["_static"]
html_css_files = ["skmatch.css"]
html_copy_source = html_show_sourcelink = False
_ALONE = (
    "index",
    "which",
    "notebook",
    "benchmarks",
    "faq",
    "contributing",
    "changelog",
)
html_sidebars = {page: [] for page in _ALONE}
html_theme_options = {
    "github_url": "https://github.com/skmatch/skmatch",
    "header_links_before_dropdown": 7,
    "secondary_sidebar_items": ["page-toc"],
    "navbar_persistent": ["search-button"],
    "show_prev_next": False,
    "footer_end": [],
}
