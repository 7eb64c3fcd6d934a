#!/usr/bin/env python3
"""Packs built functions: a zip for Lambda, and a list of all crates in it (CycloneDX), for each.

    package.py DIRECTORY TARGET MOST_BYTES NAME...

DIRECTORY has NAME/bootstrap for each name; NAME.zip and NAME.cdx.json are written beside. Fails when a
program has more than MOST_BYTES. Nothing here depends on the time or the place: each program is packed
twice, and both zips have to be equal.
"""

import hashlib
import io
import json
import pathlib
import re
import subprocess
import sys
import zipfile

ROOT = pathlib.Path(__file__).resolve().parents[2]


def main(directory, target, most, *names):
    locked = checksums((ROOT / "Cargo.lock").read_text())
    too_large = []
    for name in names:
        program = (pathlib.Path(directory) / name / "bootstrap").read_bytes()
        packed = zipped(program)
        if zipped(program) != packed:
            sys.exit(f"Two zips of {name} differ")
        (pathlib.Path(directory) / f"{name}.zip").write_bytes(packed)
        bom = inventory(name, target, program, locked)
        text = json.dumps(bom, indent=1, ensure_ascii=False) + "\n"
        (pathlib.Path(directory) / f"{name}.cdx.json").write_text(text)
        digest = hashlib.sha256(packed).hexdigest()[:16]
        crates = len(bom["components"])
        print(f"{name:<13} {len(program):>9,} bytes  zip {len(packed):>9,}  {crates} crates  {digest}")
        if len(program) > int(most):
            too_large.append(name)
    if too_large:
        sys.exit(f"Larger than {int(most):,} bytes: {', '.join(too_large)}")


def zipped(program):
    """A zip with the program alone, of 1 January 1980."""
    entry = zipfile.ZipInfo("bootstrap", (1980, 1, 1, 0, 0, 0))
    entry.create_system = 3
    entry.external_attr = 0o100755 << 16
    entry.compress_type = zipfile.ZIP_DEFLATED
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", compresslevel=9) as file:
        file.writestr(entry, program)
    return archive.getvalue()


def checksums(lock):
    """The digest of each crate from the registry, by name and version."""
    crate = r'name = "(.+)"\nversion = "(.+)"\nsource = ".+"\nchecksum = "(.+)"'
    return {(name, version): digest for name, version, digest in re.findall(crate, lock)}


def inventory(name, target, program, locked):
    """All crates that the program is made of, and which needs which."""
    command = ["cargo", "tree", "--locked", "--package", name, "--edges", "normal", "--target", target]
    command += ["--prefix", "depth", "--format", " {p}|{l}"]
    lines = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    components, needs, above = {}, {}, []
    for line in lines.splitlines():
        depth, crate, version, licence = re.match(r"(\d+) (\S+) v(\S+)[^|]*\|(.*)", line).groups()
        ref = f"pkg:cargo/{crate}@{version}"
        del above[int(depth) :]
        if above:
            needs[above[-1]].add(ref)
        above.append(ref)
        needs.setdefault(ref, set())
        components[ref] = component(ref, crate, version, licence, locked.get((crate, version)))
    own = components.pop(above[0])
    own["type"] = "application"
    own["hashes"] = [{"alg": "SHA-256", "content": hashlib.sha256(program).hexdigest()}]
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": own},
        "components": [components[ref] for ref in sorted(components)],
        "dependencies": [{"ref": ref, "dependsOn": sorted(needs[ref])} for ref in sorted(needs)],
    }


def component(ref, name, version, licence, digest):
    found = {"type": "library", "bom-ref": ref, "name": name, "version": version}
    # Older manifests write a slash where SPDX has OR; cargo marks what it showed before.
    licence = " OR ".join(part.strip() for part in licence.removesuffix(" (*)").split("/"))
    if licence:
        found["licenses"] = [{"expression": licence}]
    if digest:
        found["purl"] = ref
        found["hashes"] = [{"alg": "SHA-256", "content": digest}]
    return found


if __name__ == "__main__":
    main(*sys.argv[1:])
