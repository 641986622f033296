"""Which Debian packages a set needs, and how they get here: through the machine's own apt."""

import re
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from .package import Failure


@dataclass
class Deb:
    """One package of the archive; `depends` has one list of alternatives per dependency."""

    name: str
    version: str
    arch: str
    summary: str
    file_name: str
    size: int
    depends: list[list[str]]


def archive() -> dict[str, Deb]:
    """The newest version of every package that apt could download now."""
    dump = subprocess.run(["apt-cache", "dumpavail"], capture_output=True, text=True, check=False)
    found = {}
    for record in dump.stdout.split("\n\n"):
        deb = _parse(record)
        # apt lists the newest version of a package first.
        if deb and deb.name not in found:
            found[deb.name] = deb
    if not found:
        raise Failure("apt knows no packages: run `apt-get update` first")
    return found


def _parse(record: str) -> Deb | None:
    fields = dict(re.findall(r"^([A-Za-z-]+): *(.*)$", record, re.MULTILINE))
    if "Package" not in fields or "Filename" not in fields:
        return None
    relations = ",".join(fields.get(key, "") for key in ("Pre-Depends", "Depends"))
    # Of `name:arch (>= 1) [arch]` only the name counts: a repository that holds one version
    # of each package has no use for versions in dependencies.
    groups = [[re.split(r"[ (:]", name.strip())[0] for name in group.split("|")] for group in relations.split(",")]
    return Deb(
        name=fields["Package"],
        version=fields["Version"],
        arch=fields["Architecture"],
        summary=fields.get("Description") or fields.get("Description-en", ""),
        file_name=fields["Filename"].rsplit("/", 1)[-1],
        size=int(fields["Size"]),
        depends=[group for group in groups if group[0]],
    )


class Resolver:
    """Picks packages for dependencies: what is already picked, then the recipe's choice, then the first alternative."""

    def __init__(self, debs: dict[str, Deb], cut: set[str], choose: dict[str, str]):
        self.debs, self.cut, self.choose = debs, cut, choose

    def closure(self, roots: list[str]) -> dict[str, Deb]:
        picked: dict[str, Deb] = {}
        todo = list(roots)
        while todo:
            name = todo.pop(0)
            if name in picked:
                continue
            if name not in self.debs:
                raise Failure(f"no Debian package {name!r}: change recipe.toml, or run `apt-get update`")
            picked[name] = self.debs[name]
            wanted = set(picked) | set(todo)
            todo += [need for need in self.requires(self.debs[name], wanted) if need not in wanted]
        return picked

    def requires(self, deb: Deb, picked: set[str]) -> list[str]:
        """One name for each dependency of `deb` that the recipe does not cut."""
        needs = []
        for group in deb.depends:
            names = [self.choose.get(name, name) for name in group]
            if self.cut.intersection(names):
                continue
            needs.append(next((name for name in names if name in picked), names[0]))
        return list(dict.fromkeys(needs))


def download(debs: list[Deb], cache: Path, jobs: int) -> None:
    """Completes the .deb files in `cache`; apt checks them against the signed indexes."""
    cache.mkdir(parents=True, exist_ok=True)
    missing = sorted((deb for deb in debs if not _present(deb, cache)), key=lambda deb: -deb.size)
    # Each apt-get holds one connection, so a few of them side by side hide its latency.
    streams = [share for share in (missing[start :: jobs * 2] for start in range(jobs * 2)) if share]
    with ThreadPoolExecutor(max_workers=jobs * 2) as pool:
        list(pool.map(lambda share: _download(share, cache), streams))


def cached(deb: Deb, cache: Path) -> Path:
    """The file that apt-get makes of `deb`: the version in its name has its colon escaped."""
    return cache / f"{deb.name}_{deb.version.replace(':', '%3a')}_{deb.arch}.deb"


def _present(deb: Deb, cache: Path) -> bool:
    path = cached(deb, cache)
    return path.exists() and path.stat().st_size == deb.size


def _download(debs: list[Deb], cache: Path) -> None:
    names = [f"{deb.name}={deb.version}" for deb in debs]
    command = ["apt-get", "download", "-q", "-o", "APT::Sandbox::User=root", *names]
    result = subprocess.run(command, cwd=cache, capture_output=True, text=True, check=False)
    absent = [deb.name for deb in debs if not _present(deb, cache)]
    if result.returncode or absent:
        raise Failure(f"cannot download {' '.join(absent)}: {result.stderr.strip()[-400:]}")
