"""The model that all other modules share: a package and the paths it owns."""

from dataclasses import dataclass, field
from pathlib import Path


class Failure(Exception):
    """Something the caller of make-repo has to know, in one line."""


@dataclass
class Entry:
    """One path of a package; `kind` is "dir", "file", "link" or "ghost" (owned, but not shipped)."""

    path: str
    kind: str
    mode: int
    user: str = "root"
    group: str = "root"


@dataclass
class Package:
    """A binary RPM to be; `epoch` is empty when there is none, `scripts` maps a spec section to its text."""

    name: str
    version: str
    release: str
    summary: str
    arch: str = "x86_64"
    epoch: str = ""
    requires: list[str] = field(default_factory=list)
    provides: list[str] = field(default_factory=list)
    scripts: dict[str, str] = field(default_factory=dict)
    entries: dict[str, Entry] = field(default_factory=dict)

    def add(self, entry: Entry) -> None:
        self.entries[entry.path] = entry

    def file_name(self) -> str:
        return f"{self.name}-{self.version}-{self.release}.{self.arch}.rpm"


def below(root: Path, path: str) -> Path:
    """Where the absolute `path` of a package lies below the directory `root`."""
    return root / path.lstrip("/")
