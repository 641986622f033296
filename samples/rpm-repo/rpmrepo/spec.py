"""Writes one spec file for all packages: a sub-package each, so that one rpmbuild run packs them in parallel."""

import re

from .package import Entry, Package

# Nothing is compiled here: no debug packages, no stripping, no search for dependencies.
HEAD = """\
%global debug_package %{{nil}}
%global __os_install_post %{{nil}}
%global _build_id_links none
%global _buildhost localhost
%global _binary_payload {payload}
%global source_date_epoch_from_changelog 0
Name: rpm-repo
Version: 1
Release: 1
Summary: Debian packages in RPM form
License: Various
%description
Never built: it only holds the packages below.
"""


def spec(packages: list[Package], payload: str) -> str:
    return HEAD.format(payload=payload) + "".join(_package(package) for package in packages)


def _package(package: Package) -> str:
    name = package.name
    lines = [f"%package -n {name}", f"Version: {package.version}", f"Release: {package.release}"]
    lines += [f"Epoch: {package.epoch}"] if package.epoch else []
    lines += [f"Summary: {_text(package.summary)}", "License: See the copyright file", "AutoReqProv: no"]
    lines += ["BuildArch: noarch"] if package.arch == "noarch" else []
    lines += [f"Requires: {need}" for need in _requires(package)]
    lines += [f"Provides: {what}" for what in package.provides]
    lines += [f"%description -n {name}", _text(package.summary)]
    for section, body in package.scripts.items():
        section, _, interpreter = section.partition(" ")
        lines += [f"%{section} -n {name} {interpreter}".rstrip(), body.strip().replace("%", "%%")]
    lines += [f"%files -n {name}", *(_file(package.entries[path]) for path in sorted(package.entries))]
    return "\n" + "\n".join(lines) + "\n"


def _requires(package: Package) -> list[str]:
    """The basic directories come first; the accounts too, where files belong to somebody else than root."""
    needs = list(dict.fromkeys(package.requires))
    if package.name not in ("filesystem", "setup"):
        owned = any((entry.user, entry.group) != ("root", "root") for entry in package.entries.values())
        needs += ["filesystem", "setup"] if owned else ["filesystem"]
    return needs


def _file(entry: Entry) -> str:
    path = _pattern(entry.path)
    owner = f"{entry.user}, {entry.group}"
    if entry.kind == "dir":
        return f"%dir %attr({entry.mode:04o}, {owner}) {path}"
    if entry.kind == "ghost":
        return f"%ghost %dir %attr({entry.mode:04o}, {owner}) {path}"
    kind = ""
    if entry.path.startswith("/usr/share/doc/"):
        kind = "%doc "
    elif entry.path.startswith("/etc/"):
        kind = "%config(noreplace) "
    mode = "-" if entry.kind == "link" else f"{entry.mode:04o}"
    return f"{kind}%attr({mode}, {owner}) {path}"


def _pattern(path: str) -> str:
    """A path in %files is a glob without an escape character: `[` has to be a class, `\\` any one character."""
    return '"' + re.sub(r'[\\"*]', "?", path.replace("[", "[[]").replace("%", "%%")) + '"'


def _text(text: str) -> str:
    return text.replace("%", "%%") or "(no description)"
