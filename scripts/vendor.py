"""Bring the dashboard's JavaScript into `web/vendor/`, at recorded versions and hashes, or check what is there.

    python scripts/vendor.py            fetch the packages of VENDOR.json with npm, verify, write
    python scripts/vendor.py --check    compare the files with the recorded hashes; no network

To take a newer version, change `version` and `integrity` in `web/vendor/VENDOR.json` (npm view PACKAGE@VERSION
dist.integrity) and run it: files are written byte for byte and their hashes recorded anew. Where a package came from is
its name and version; no registry address is kept.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Any

VENDOR = Path(__file__).resolve().parent.parent / "web" / "vendor"
RECORD = VENDOR / "VENDOR.json"


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def problems(folder: Path = VENDOR) -> list[str]:
    """What differs between the folder and its record, in words."""
    record = json.loads((folder / "VENDOR.json").read_text())
    found: list[str] = []
    known = {"VENDOR.json"}
    for package in record["packages"]:
        for name, entry in package["files"].items():
            known.add(name)
            path = folder / name
            if not path.is_file():
                found.append(f"{name} of {package['name']} {package['version']} is missing")
            elif sha256(path.read_bytes()) != entry["sha256"]:
                found.append(f"{name} is not the file of {package['name']} {package['version']} that was recorded")
    found += [f"{path.name} is not recorded" for path in sorted(folder.iterdir()) if path.name not in known]
    return found


def fetch(package: dict[str, Any], folder: Path) -> None:
    """Download one package with npm, verify its integrity, and write its files with their hashes into the record."""
    name, version = package["name"], package["version"]
    with tempfile.TemporaryDirectory() as scratch:
        subprocess.run(
            ["npm", "pack", "--silent", "--pack-destination", scratch, f"{name}@{version}"],
            check=True,
            stdout=subprocess.DEVNULL,
        )
        (archive,) = Path(scratch).glob("*.tgz")
        data = archive.read_bytes()
        integrity = "sha512-" + base64.b64encode(hashlib.sha512(data).digest()).decode()
        if integrity != package["integrity"]:
            sys.exit(f"{name} {version}: the archive's integrity is {integrity}, recorded is {package['integrity']}")
        with tarfile.open(archive) as tar:
            for target, entry in package["files"].items():
                member = tar.extractfile(f"package/{entry['from']}")
                if member is None:
                    sys.exit(f"{name} {version} has no file {entry['from']}")
                content = member.read()
                (folder / target).write_bytes(content)
                entry["sha256"] = sha256(content)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="compare with the record, fetch nothing")
    if not parser.parse_args().check:
        record = json.loads(RECORD.read_text())
        for package in record["packages"]:
            fetch(package, VENDOR)
        RECORD.write_text(json.dumps(record, indent=2) + "\n")
    found = problems()
    if found:
        sys.exit("web/vendor: " + "; ".join(found))


if __name__ == "__main__":
    main()
