"""Sphinx configuration; ``sphinx-build -W -b html docs docs/_build/html`` with the package installed."""

import os
from importlib.metadata import version as installed_version

project = "skopt_solvers"
author = "the skopt_solvers authors"
release = version = installed_version("skopt_solvers")

extensions = [
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "sphinx_copybutton",
    "sphinx_gallery.gen_gallery",
]
myst_enable_extensions = ["amsmath", "dollarmath"]
myst_heading_anchors = 3
templates_path = ["_templates"]
exclude_patterns = ["_build"]
default_role = "literal"  # in docstrings, `C` is code
toc_object_entries_show_parents = "hide"
highlight_language = "none"
# the empty line that ends a doctest or a part of a file is not shown
highlight_options = {"pycon": {"stripnl": True}, "python": {"stripnl": True}}

nitpicky = True  # a reference to what is not there is a warning, and -W makes it an error
# no inventory of other projects is read: the build is offline
nitpick_ignore_regex = [
    (r"py:.*", r"(collections|numpy|sklearn)\..*"),
    (r"std:(term|ref)", r"fit|classes_|metadata_routing"),  # of scikit-learn, in docstrings that are inherited
]

autosummary_generate = True
autodoc_member_order = "bysource"
autodoc_typehints = "none"  # the docstrings say types in words
# the templates of autosummary say which methods are shown
numpydoc_show_class_members = False

sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "auto_examples",
    "filename_pattern": r"/plot_(?!chunking)",  # run; chunking needs data and is only shown
    "ignore_pattern": r"(_corpus|quickstart)\.py$",  # neither run nor shown
    "within_subsection_order": "ExampleTitleSortKey",
    "backreferences_dir": "generated/backreferences",
    "doc_module": ("skopt_solvers",),
    "reference_url": {"skopt_solvers": None},
    "remove_config_comments": True,
}

# the button copies commands without their prompts and without what they print
copybutton_prompt_text = r">>> |\.\.\. "
copybutton_prompt_is_regexp = True

html_theme = "pydata_sphinx_theme"
html_title = project
# the release workflow says where the pages will lie; elsewhere there is one version, and nothing to switch to
if site := os.environ.get("DOCS_URL"):
    html_theme_options = {
        "switcher": {
            "json_url": f"{site.rstrip('/')}/switcher.json",
            "version_match": ".".join(version.split(".")[:2]),
        },
        "navbar_start": ["navbar-logo", "version-switcher"],
        "check_switcher": False,  # the list is written after the build
    }
# pages that have no section of their own need no navigation in it
html_sidebars = {
    page: []
    for page in (
        "add_a_schedule",
        "add_a_solver",
        "benchmarks",
        "architecture",
        "changelog",
        "design",
        "getting_started",
        "index",
    )
}
html_static_path = ["_static"]
html_css_files = ["widths.css"]
html_show_sourcelink = False
