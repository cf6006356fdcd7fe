"""`make sbom`: what each image is made of, as CycloneDX: its locked packages, and its jars.

The jars inside pyspark's own wheel are not listed, nor are Debian's packages of the base image.
"""

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from xml.etree import ElementTree

from infra.local.install import ROOT, InstallError, one_at_a_time, resolve_jars
from infra.local.tools import tool

FOLDER = ROOT / "reports/sbom"
WITH_JARS = {"spark": True, "airflow": True, "serving": False}
Component = dict[str, object]


def write(image: str, folder: Path, jars: list[Component]) -> Path:
    """Write the SBOM of an image; raises CalledProcessError."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{image}.cdx.json"
    lock = ROOT / "infra/requirements" / f"{image}.txt"
    made = ("--pyproject", str(ROOT / "pyproject.toml"), "--output-reproducible")
    command = tool("cyclonedx-bom", "cyclonedx-py", "requirements", *made, "-o", "-", str(lock))
    env = os.environ | {"PYTHONWARNINGS": "ignore"}  # a lock has no graph of who needs whom
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, env=env)
    bom = json.loads(done.stdout)
    bom["components"] += jars if WITH_JARS[image] else []
    path.write_text(json.dumps(bom, indent=1))
    return path


def jar_components() -> list[Component]:
    """Return the jars that the images add to pyspark's own, those that they need included."""
    with one_at_a_time():
        report = ElementTree.parse(resolve_jars("spark"))
    return [
        _jar(module.attrib["organisation"], module.attrib["name"], revision.attrib["name"])
        for module in report.iter("module")
        for revision in module.findall("revision")
        if revision.find("artifacts/artifact") is not None
    ]


def _jar(group: str, name: str, version: str) -> Component:
    purl = f"pkg:maven/{group}/{name}@{version}"
    return {
        "bom-ref": purl,
        "type": "library",
        "group": group,
        "name": name,
        "version": version,
        "purl": purl,
    }


def main() -> int:
    """Write all three; 1 where one of them could not be made."""
    try:
        jars = jar_components()
        with ThreadPoolExecutor(len(WITH_JARS)) as pool:
            paths = list(pool.map(lambda image: write(image, FOLDER, jars), WITH_JARS))
    except (InstallError, subprocess.CalledProcessError) as error:
        print(f"sbom: ERROR: {error}", file=sys.stderr)
        return 1
    for path in paths:
        count = len(json.loads(path.read_text())["components"])
        print(f"sbom: {path.relative_to(ROOT)}: {count} components")
    return 0


if __name__ == "__main__":
    sys.exit(main())
