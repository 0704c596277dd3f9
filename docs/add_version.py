"""Put built pages beside those of other versions, with the list that the version switcher shows.

    python docs/add_version.py docs/_build/html site 0.2 https://example.org/skopt_solvers

The folder ``site`` then has the pages in ``site/0.2``, in the place of any that were there, ``switcher.json`` with all
versions, and an ``index.html`` that leads to the newest. The release workflow keeps the folder in a branch, gh-pages.
"""

import argparse
import json
import re
import shutil
from pathlib import Path


def add_version(pages: Path, site: Path, version: str, url: str) -> None:
    """Copy pages into a site, and write its list of versions anew."""
    target = site / version
    if target.exists():
        shutil.rmtree(target)
    shutil.copytree(pages, target)
    folders = (folder.name for folder in site.iterdir() if re.fullmatch(r"\d+(\.\d+)+", folder.name))
    versions = sorted(folders, key=lambda name: [int(part) for part in name.split(".")], reverse=True)
    listed = [{"version": name, "url": f"{url.rstrip('/')}/{name}/"} for name in versions]
    listed[0] |= {"name": f"{versions[0]} (newest)", "preferred": True}
    (site / "switcher.json").write_text(json.dumps(listed, indent=1) + "\n")
    (site / "index.html").write_text(
        f'<!doctype html><title>skopt_solvers</title><meta http-equiv="refresh" content="0; url={versions[0]}/">'
        f'<a href="{versions[0]}/">skopt_solvers {versions[0]}</a>\n'
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pages", type=Path, help="the folder that sphinx-build has made")
    parser.add_argument("site", type=Path, help="the folder with one folder a version")
    parser.add_argument("version", help="the name of the version's folder, as 0.2")
    parser.add_argument("url", help="the address of the site")
    given = parser.parse_args()
    add_version(given.pages, given.site, given.version, given.url)
