"""The packages without a Debian origin: packages/NAME/package.toml, with their files below packages/NAME/root."""

import shutil
import tomllib
from pathlib import Path

from .deb import add_link
from .package import Entry, Package, below


def load(directory: Path, root: Path) -> list[Package]:
    """Reads every hand-written package and puts its files into the build root `root`."""
    return [_load(file.parent, root) for file in sorted(directory.glob("*/package.toml"))]


def _load(directory: Path, root: Path) -> Package:
    text = tomllib.loads((directory / "package.toml").read_text())
    package = Package(
        name=directory.name,
        version=text["version"],
        release="1",
        summary=text["summary"],
        arch=text.get("arch", "noarch"),
        requires=text.get("requires", []),
        provides=text.get("provides", []),
        scripts=text.get("scripts", {}),
    )
    files = directory / "root"
    for source in sorted(path for path in files.rglob("*") if path.is_file()):
        _add_file(package, source, "/" + str(source.relative_to(files)), root)
    for path, target in text.get("links", {}).items():
        add_link(package, root, path, target)
    for mode, paths in text.get("directories", {}).items():
        for path in paths:
            below(root, path).mkdir(parents=True, exist_ok=True)
            package.add(Entry(path, "dir", int(mode, 8)))
    for path, mode in text.get("ghosts", {}).items():
        below(root, path).mkdir(parents=True, exist_ok=True)
        package.add(Entry(path, "ghost", int(mode, 8)))
    for path, mode in text.get("modes", {}).items():
        package.entries[path].mode = int(mode, 8)
    return package


def _add_file(package: Package, source: Path, path: str, root: Path) -> None:
    place = below(root, path)
    place.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, place)
    # Only the executable bit is kept in a git checkout; umask decides about the rest.
    package.add(Entry(path, "file", 0o755 if source.stat().st_mode & 0o100 else 0o644))
