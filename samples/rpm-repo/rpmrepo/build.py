"""From packages to a repository: rpmbuild, rpmsign, createrepo_c, packages.json."""

import hashlib
import json
import os
import subprocess
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from .package import Failure, Package
from .spec import spec

SIGNER = "Throw-away key of the demo repository <demo@localhost>"


def run(*command: str | Path, **environment: str) -> str:
    """Runs a tool; its last words become the failure when it fails."""
    result = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ | environment)
    if result.returncode:
        raise Failure(f"{command[0]} failed: {(result.stderr or result.stdout).strip()[-800:]}")
    return result.stdout


def build(packages: list[Package], root: Path, work: Path, output: Path, payload: str, jobs: int) -> None:
    """Packs `packages`, whose files are below `root`, into `output`."""
    file = work / "rpm-repo.spec"
    file.write_text(spec(packages, payload))
    settings = {
        "_topdir": work / "rpmbuild",
        "_dbpath": work / "rpmdb",
        "_rpmdir": output,
        "_rpmfilename": "%%{NAME}-%%{VERSION}-%%{RELEASE}.%%{ARCH}.rpm",
        "_smp_build_ncpus": jobs,
    }
    defines = [part for name, value in settings.items() for part in ("--define", f"{name} {value}")]
    # The files are there already: no %install, and no %clean that would remove them.
    run("rpmbuild", "-bb", "--noclean", "--target", "x86_64", "--buildroot", root, *defines, file)
    missing = [package.name for package in packages if not (output / package.file_name()).exists()]
    if missing:
        raise Failure(f"rpmbuild did not make {' '.join(missing)}")


@contextmanager
def key() -> Iterator[Path]:
    """A key that lives as long as the repository is being made."""
    # The socket of gpg-agent needs a short path, so this is not below the work directory.
    with tempfile.TemporaryDirectory(prefix="rpm-repo-key-") as home:
        batch = ("gpg", "--batch", "--homedir", home)
        try:
            run(*batch, "--passphrase", "", "--quick-generate-key", SIGNER, "rsa2048", "sign", "never")
            yield Path(home)
        finally:
            subprocess.run(["gpgconf", "--homedir", home, "--kill", "all"], check=False)


def sign(files: list[Path], home: Path, jobs: int) -> None:
    # Debian's rpm looks for gpg under a name that Debian's gpg does not have.
    command = ("rpmsign", "--define", f"_gpg_name {SIGNER}", "--define", "__gpg /usr/bin/gpg", "--addsign")
    shares = [files[start::jobs] for start in range(jobs)]
    with ThreadPoolExecutor(max_workers=jobs) as pool:
        list(pool.map(lambda share: run(*command, *share, GNUPGHOME=str(home)), filter(None, shares)))


def export_key(home: Path, file: Path) -> None:
    file.write_text(run("gpg", "--batch", "--homedir", home, "--armor", "--export"))


def check(files: list[Path], key_file: Path, work: Path) -> None:
    """Verifies every signature the way a build will do it, with nothing but the exported key."""
    keys = work / "keys"
    keys.mkdir()
    run("rpmkeys", "--dbpath", keys, "--import", key_file)
    run("rpmkeys", "--dbpath", keys, "--checksig", *files)


def index(sets: dict[str, list[Package]], kernel: str, directory: Path, jobs: int) -> None:
    """Writes repodata/ and packages.json; the latter lists each set for the sources of a manifest."""
    run("createrepo_c", "--quiet", "--no-database", "--workers", str(jobs), directory)
    names = {package.file_name() for packages in sets.values() for package in packages}
    with ThreadPoolExecutor(max_workers=jobs) as pool:
        sums = dict(zip(names, pool.map(lambda name: _checksum(directory / "packages" / name), names)))
    document = {
        "kernel": kernel,
        "key": "key.asc",
        "sets": {name: [_reference(p, sums, directory) for p in packages] for name, packages in sets.items()},
    }
    (directory / "packages.json").write_text(json.dumps(document, indent=2) + "\n")


def _checksum(file: Path) -> str:
    with file.open("rb") as content:
        return "sha256:" + hashlib.file_digest(content, "sha256").hexdigest()


def _reference(package: Package, sums: dict[str, str], directory: Path) -> dict[str, str | int]:
    path = f"packages/{package.file_name()}"
    size = (directory / path).stat().st_size
    return {"name": package.name, "path": path, "checksum": sums[package.file_name()], "size": size}
