"""Sphinx settings; `sphinx-build -W docs docs/_build` builds the pages."""

import skmatch

project = "skmatch"
author = "The skmatch developers"
version = release = skmatch.__version__
extensions = ["sphinx.ext.autodoc", "sphinx.ext.autosummary", "numpydoc"]
extensions += ["sphinx.ext.extlinks", "sphinx.ext.mathjax"]
extlinks = {
    "arxiv": ("https://arxiv.org/abs/%s", "arXiv:%s"),
    "doi": ("https://doi.org/%s", "doi:%s"),
}
autosummary_generate = True
numpydoc_class_members_toctree = False
numpydoc_show_inherited_class_members = False
exclude_patterns = ["_build"]
html_theme = "alabaster"
html_theme_options = {"description": "Identical products by their titles"}
