"""Finds the kernel package and trims its modules to those that a virtual machine needs."""

import json
import subprocess
from pathlib import Path

from .apt import Resolver
from .deb import matches
from .package import Entry, Failure, Package, below

MODULES = "/usr/lib/modules"
IMAGE = "linux-image-"


def image(meta: str, resolver: Resolver) -> str:
    """The kernel image that the package `meta` depends on."""
    for need in resolver.requires(resolver.debs[meta], set()) if meta in resolver.debs else []:
        if need.startswith(IMAGE):
            return need
    raise Failure(f"Debian package {meta!r} leads to no {IMAGE}*: change recipe.toml")


def tweak(text: dict, image_name: str) -> dict:
    """The kernel's entry of the recipe, where `@` stands for the version string."""
    return json.loads(json.dumps(text).replace("@", image_name.removeprefix(IMAGE)))


def version(package: Package) -> str:
    """The version string of the kernel: what `uname -r` says when it runs."""
    for path in package.entries:
        if path.startswith(MODULES + "/"):
            return path.split("/")[4]
    raise Failure(f"{package.name}: no modules in the kernel package")


def trim(package: Package, root: Path, keep: list[str]) -> None:
    """Keeps the modules that match `keep` (relative to kernel/), and what these need."""
    kver = version(package)
    home = f"{MODULES}/{kver}"
    needed = _closure(_dependencies(root, kver), keep)
    for path in [path for path in package.entries if path.endswith(".ko")]:
        if path.removeprefix(home + "/") not in needed:
            below(root, path).unlink()
            del package.entries[path]
    _drop_empty_directories(package, root, home)
    _dependencies(root, kver)
    for file in sorted(below(root, home).glob("modules.*")):
        package.add(Entry(f"{home}/{file.name}", "file", 0o644))


def _dependencies(root: Path, kver: str) -> dict[str, list[str]]:
    """Runs depmod and returns its result, paths relative to the directory of the version."""
    result = subprocess.run(["/sbin/depmod", "-b", root / "usr", kver], capture_output=True, text=True, check=False)
    if result.returncode:
        raise Failure(f"depmod: {result.stderr.strip()[-400:]}")
    text = (below(root, MODULES) / kver / "modules.dep").read_text()
    lines = (line.partition(":") for line in text.splitlines())
    return {name: needs.split() for name, _, needs in lines}


def _closure(needs: dict[str, list[str]], keep: list[str]) -> set[str]:
    # modules.dep lists indirect dependencies too, so one step suffices.
    chosen = {name for name in needs if matches(name.removeprefix("kernel/"), keep)}
    return chosen.union(*(needs[name] for name in chosen))


def _drop_empty_directories(package: Package, root: Path, home: str) -> None:
    for path in sorted((p for p in package.entries if p.startswith(home)), reverse=True):
        place = below(root, path)
        if package.entries[path].kind == "dir" and not any(place.iterdir()):
            place.rmdir()
            del package.entries[path]
