"""Add a bill of materials to the wheel (PEP 770, CycloneDX). All other build settings are in pyproject.toml."""

import json
import re
from email.parser import HeaderParser
from pathlib import Path

from setuptools import setup
from setuptools.command.bdist_wheel import bdist_wheel

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def bill_of_materials(metadata: str) -> dict[str, object]:
    """Return the package and its requirements, from its metadata. The wheel does not bundle them: no versions."""
    found = HeaderParser().parsestr(metadata)
    name, version = found["Name"], found["Version"]
    root = f"pkg:pypi/{name}@{version}"
    requirements: dict[str, list[str]] = {}
    for line in found.get_all("Requires-Dist", []):
        match = NAME.match(line)
        required = re.sub(r"[-_.]+", "-", match[0] if match else line).lower()
        if required != name:
            requirements.setdefault(required, []).append(line)
    components = [
        {
            "type": "library",
            "bom-ref": f"pkg:pypi/{required}",
            "name": required,
            "purl": f"pkg:pypi/{required}",
            # Required without any extra, or only with one.
            "scope": "optional" if all("extra ==" in line for line in lines) else "required",
            "properties": [{"name": "python:requires-dist", "value": line} for line in lines],
        }
        for required, lines in sorted(requirements.items())
    ]
    package = {
        "type": "application",
        "bom-ref": root,
        "name": name,
        "version": version,
        "purl": root,
        "licenses": [{"license": {"id": found["License-Expression"]}}],
    }
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": package},
        "components": components,
        "dependencies": [{"ref": root, "dependsOn": [part["bom-ref"] for part in components]}],
    }


class WheelWithBill(bdist_wheel):
    """A wheel with ``.dist-info/sboms/NAME.cdx.json``."""

    def egg2dist(self, egginfo_path: str, distinfo_path: str) -> None:
        """Make the metadata, then the bill from it."""
        super().egg2dist(egginfo_path, distinfo_path)
        folder = Path(distinfo_path)
        bill = bill_of_materials((folder / "METADATA").read_text(encoding="utf-8"))
        (folder / "sboms").mkdir()
        text = json.dumps(bill, indent=1) + "\n"
        (folder / f"sboms/{self.distribution.get_name()}.cdx.json").write_text(text, encoding="utf-8")


setup(cmdclass={"bdist_wheel": WheelWithBill})
