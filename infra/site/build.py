"""Make the documentation site (`make docs`), or only see that it can be made (`--check`).

The Markdown of this repository is laid out as it is here, so that a link between two files works
in the site as on a code host. Beside it are pages that are made: the HTTP API, the settings, the
code. A link to a page or an anchor that is not there ends the build.
"""

import argparse
import json
import re
import shutil
import sys
import tempfile
import time
from pathlib import Path

import zensical

from infra.local.install import ROOT, InstallError
from infra.site import api, reference
from infra.site.scripts import scripts
from infra.site.strangers import strangers

HERE = Path(__file__).parent
SITE = ROOT / "site"
FILES = ("README.md", "CHANGELOG.md", "SECURITY.md", "LICENSE")
FOLDERS = ("infra/docs", "infra/runbooks", "infra/decisions")


def lay_out(stage: Path) -> None:
    """Put the sources, the pages that are made, the theme and the configuration into a folder."""
    docs = stage / "docs"
    (docs / "scripts").mkdir(parents=True)
    (stage / "theme").mkdir()
    for name in FILES:
        shutil.copy(ROOT / name, docs)
    for name in FOLDERS:
        shutil.copytree(ROOT / name, docs / name)
    for name, text in made_pages().items():
        (docs / name).parent.mkdir(parents=True, exist_ok=True)
        (docs / name).write_text(text)
    shutil.copy(HERE / "site.css", docs / "scripts")
    shutil.copy(HERE / "main.html", stage / "theme")
    config = (HERE / "zensical.toml").read_text()
    folders = re.sub(r'"([\w/]+/)"', lambda found: _pages(docs, found[1]), config)
    (stage / "zensical.toml").write_text(folders)


def made_pages() -> dict[str, str]:
    """Return the text of each page that no file has."""
    code = {f"reference/code/{name}": text for name, text in reference.code_pages()}
    settings = reference.settings_page()
    return {"reference/api.md": api.page(), "reference/settings.md": settings, **code}


def build(stage: Path) -> None:
    """Make the site of what is laid out; raises RuntimeError after saying what is wrong."""
    zensical.build(str(stage / "zensical.toml"), {"clean": True, "strict": True})
    if asked := strangers(stage / "site"):
        raise RuntimeError(f"the pages would ask other hosts: {', '.join(sorted(asked))}")


def _pages(docs: Path, folder: str) -> str:
    pages = sorted((docs / folder).glob("*.md"), key=lambda path: path.stem)
    return json.dumps([str(path.relative_to(docs)) for path in pages])[1:-1]


def main(argv: list[str] | None = None) -> int:
    """Build; 1 with a sentence where something is wrong."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--check", action="store_true", help="keep nothing, fetch nothing")
    options = parser.parse_args(argv)
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        stage = Path(folder)
        try:
            lay_out(stage)
            if not options.check:
                for script in scripts():
                    shutil.copy(script, stage / "docs/scripts")
            build(stage)
        except (InstallError, RuntimeError) as error:
            print(f"docs: ERROR: {error}", file=sys.stderr)
            return 1
        if not options.check:
            shutil.rmtree(SITE, ignore_errors=True)
            shutil.move(stage / "site", SITE)
    pages = "" if options.check else f"; open {SITE.relative_to(ROOT)}/index.html in a browser"
    print(f"docs: built in {time.monotonic() - started:.0f} s{pages}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
