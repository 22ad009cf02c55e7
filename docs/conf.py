"""Configuration of the documentation."""

import sys
from pathlib import Path

import matplotlib
from numpydoc.xref import DEFAULT_LINKS

import skspectra

matplotlib.use("Agg")
sys.path.insert(0, str(Path(__file__).with_name("_extensions")))

project = "skspectra"
author = "The skspectra developers"
copyright = f"2026, {author}"
version = release = skspectra.__version__

extensions = [
    "claims",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.extlinks",
    "numpydoc",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = ["_build", "reproductions/*_claims.rst"]
templates_path = ["_templates"]
extlinks = {
    "doi": ("https://doi.org/%s", "doi:%s"),
    "gh": ("https://github.com/%s", "%s"),
}

autosummary_generate = True
numpydoc_show_class_members = False
# Types of parameters are set as code, so that a name like coef_ is no link; nor do
# they link to other projects, for that would need a network.
numpydoc_xref_param_type = True
numpydoc_xref_aliases = {name: name for name in DEFAULT_LINKS}
numpydoc_xref_ignore = {"of", "shape", "or", "default", "optional", "to", "and"}

sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "auto_examples",
    "filename_pattern": "/plot_",
    "ignore_pattern": "^(?!plot_)",
    "within_subsection_order": "FileNameSortKey",
    "download_all_examples": False,
    "show_memory": False,
    "min_reported_time": 1,
    "abort_on_example_error": True,
}

html_theme = "pydata_sphinx_theme"
html_title = "skspectra"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sourcelink = False
html_theme_options = {
    "navigation_with_keys": False,
    "secondary_sidebar_items": ["page-toc"],
}
# Pages without siblings have nothing to show at their left.
_ALONE = ["install", "getting_started", "faq", "glossary", "developing", "changes"]
html_sidebars = {page: [] for page in _ALONE}
