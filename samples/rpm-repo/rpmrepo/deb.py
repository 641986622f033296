"""Turns a .deb file into a Package, with its files in the build root.

No maintainer script is ever run; what such a script would have done (alternatives, users, PAM) is in recipe.toml
and in the hand-written packages.
"""

import os
import re
import shutil
import subprocess
import tarfile
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from posixpath import dirname, join, normpath, relpath

from .apt import Deb
from .package import Entry, Failure, Package, below

# Debian 12 packages still ship files in the directories that are links in a usr-merged tree.
MERGED = re.compile(r"^/(bin|sbin|lib|lib32|lib64|libx32)(?=/|$)")


@dataclass
class Tweak:
    """What recipe.toml changes in one package."""

    name: str = ""
    keep: list[str] = field(default_factory=list)
    drop: list[str] = field(default_factory=list)
    links: dict[str, str] = field(default_factory=dict)
    move: dict[str, str] = field(default_factory=dict)
    provides: list[str] = field(default_factory=list)
    requires: list[str] = field(default_factory=list)
    replace: list[dict[str, str]] = field(default_factory=list)
    scripts: dict[str, str] = field(default_factory=dict)


def convert(deb: Deb, file: Path, root: Path, requires: list[str], tweak: Tweak, drop: list[str]) -> Package:
    """Unpacks `file` into the build root `root`; `drop` holds the patterns of what no package keeps."""
    epoch, version, release = split_version(deb.version)
    package = Package(
        name=tweak.name or deb.name,
        epoch=epoch,
        version=version,
        release=release,
        summary=deb.summary,
        arch="noarch" if deb.arch == "all" else "x86_64",
        requires=requires + tweak.requires,
        provides=list(tweak.provides),
        scripts=dict(tweak.scripts),
    )
    _unpack(package, file, root, tweak, drop)
    for path, target in tweak.links.items():
        add_link(package, root, path, target)
    for change in tweak.replace:
        _replace(below(root, change["path"]), change["old"], change["new"])
    return package


def split_version(text: str) -> tuple[str, str, str]:
    """Debian's `epoch:upstream-revision`; a hyphen is no part of an RPM version."""
    epoch, _, rest = text.rpartition(":")
    version, _, release = rest.rpartition("-")
    return epoch, (version or release).replace("-", "+"), release if version else "1"


def add_link(package: Package, root: Path, path: str, target: str) -> None:
    place = below(root, path)
    place.parent.mkdir(parents=True, exist_ok=True)
    place.unlink(missing_ok=True)
    place.symlink_to(target)
    package.add(Entry(path, "link", 0o777))


def _unpack(package: Package, file: Path, root: Path, tweak: Tweak, drop: list[str]) -> None:
    with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", file], stdout=subprocess.PIPE) as process:
        try:
            with tarfile.open(fileobj=process.stdout, mode="r|") as archive:
                for member in archive:
                    origin = normpath("/" + member.name)
                    path = _moved(MERGED.sub(r"/usr/\1", origin), tweak.move)
                    if _wanted(path, member.isdir(), tweak, drop):
                        _place(package, archive, member, origin, path, root)
            process.stdout.read()
        except tarfile.TarError as error:
            raise Failure(f"{file} is damaged, remove it: {error}") from error
    if process.returncode:
        raise Failure(f"dpkg-deb cannot read {file}")


def _moved(path: str, move: dict[str, str]) -> str:
    """Applies `move`, whose keys and values are path prefixes."""
    for old, new in move.items():
        if path.startswith(old):
            return new + path[len(old) :]
    return path


def _wanted(path: str, is_dir: bool, tweak: Tweak, drop: list[str]) -> bool:
    if matches(path, drop) or matches(path, tweak.drop):
        return False
    return is_dir or not tweak.keep or matches(path, tweak.keep)


def matches(path: str, patterns: list[str]) -> bool:
    """True when the path or a directory above it matches a pattern; `*` also stands for `/`."""
    return any(fnmatchcase(path, pattern) or fnmatchcase(path, pattern + "/*") for pattern in patterns)


def _place(
    package: Package, archive: tarfile.TarFile, member: tarfile.TarInfo, origin: str, path: str, root: Path
) -> None:
    entry = Entry(path, "file", member.mode & 0o7777, member.uname or "root", member.gname or "root")
    place = below(root, path)
    if member.isdir():
        entry.kind = "dir"
        place.mkdir(parents=True, exist_ok=True)
        package.add(entry)
        return
    place.parent.mkdir(parents=True, exist_ok=True)
    place.unlink(missing_ok=True)
    if member.issym():
        add_link(package, root, path, _target(origin, path, member.linkname))
        return
    if member.islnk():
        os.link(below(root, MERGED.sub(r"/usr/\1", normpath("/" + member.linkname))), place)
    elif member.isfile():
        with archive.extractfile(member) as content, place.open("wb") as output:
            shutil.copyfileobj(content, output)
        os.utime(place, (member.mtime, member.mtime))
    else:
        raise Failure(f"{package.name}: {path} is neither file, link nor directory")
    package.add(entry)


def _target(origin: str, path: str, target: str) -> str:
    """A relative target of a link that moved below /usr has to point to the same file as before."""
    if target.startswith("/") or "/" not in target:
        return target
    merged = MERGED.sub(r"/usr/\1", normpath(join(dirname(origin), target)))
    return relpath(merged, dirname(path))


def _replace(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    if old not in text:
        raise Failure(f"recipe.toml: {file} has no {old!r}")
    stamp = file.stat().st_mtime
    file.write_text(text.replace(old, new))
    os.utime(file, (stamp, stamp))
