"""The whole way from recipe.toml to a repository, and the question whether there is anything to do."""

import hashlib
import shutil
import tempfile
import time
import tomllib
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from . import apt, build, deb, kernel, local
from .package import Failure, Package

HOME = Path(__file__).resolve().parent.parent
STAMP = ".recipe"


def make(output: Path, cache: Path, jobs: int, say: Callable[[str], None]) -> None:
    """Makes the repository in `output`, which appears complete or not at all."""
    recipe_digest = digest()
    stamp = output / STAMP
    if stamp.exists() and stamp.read_text() == recipe_digest:
        say(f"{output} is up to date")
        return
    if output.exists() and any(output.iterdir()) and not stamp.exists():
        raise Failure(f"{output} is no repository of this program and not empty: give another --output")
    output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{output.name}.", dir=output.parent) as work:
        new = _make(Path(work), cache, jobs, Progress(say))
        (new / STAMP).write_text(recipe_digest)
        shutil.rmtree(output, ignore_errors=True)
        new.rename(output)
    say(f"{output} is ready")


def digest() -> str:
    """Changes with everything that this program makes a repository from; newer Debian packages do not count."""
    state = hashlib.sha256()
    for file in sorted(path for path in HOME.rglob("*") if path.is_file() and path.suffix != ".pyc"):
        state.update(f"{file.relative_to(HOME)} {file.stat().st_mode & 0o111} {file.stat().st_size}\n".encode())
        state.update(file.read_bytes())
    return state.hexdigest() + "\n"


class Progress:
    """Says what a step does and how long the one before it took."""

    def __init__(self, say: Callable[[str], None]):
        self.say, self.start = say, time.monotonic()

    def step(self, text: str) -> None:
        self.say(f"{time.monotonic() - self.start:6.1f} s  {text}")


def _make(work: Path, cache: Path, jobs: int, progress: Progress) -> Path:
    recipe = tomllib.loads((HOME / "recipe.toml").read_text())
    root, output = work / "root", work / "output"
    (output / "packages").mkdir(parents=True)

    progress.step("resolve dependencies")
    sets, resolver = _resolve(recipe)
    debs = {name: item for closure in sets.values() for name, item in closure.items()}
    progress.step(f"download what is missing of {len(debs)} packages, {_mib(item.size for item in debs.values())}")
    apt.download(list(debs.values()), cache, jobs)

    progress.step("unpack")
    converted = _convert(debs, resolver, recipe, cache, root, jobs)
    handmade = local.load(HOME / "packages", root)
    kernel_package = next(package for package in converted.values() if package.name == "kernel-core")
    kernel.trim(kernel_package, root, recipe["kernel"]["modules"])
    _share_directories([*handmade, *converted.values()])
    members = _members(recipe, sets, converted, handmade)
    packages = list({package.name: package for packages in members.values() for package in packages}.values())
    _check(members)

    progress.step(f"build {len(packages)} packages")
    build.build(packages, root, work, output / "packages", recipe["payload"], jobs)
    files = sorted((output / "packages").glob("*.rpm"))
    progress.step(f"sign {_mib(file.stat().st_size for file in files)}")
    with build.key() as home:
        build.sign(files, home, jobs)
        build.export_key(home, output / "key.asc")
    build.check(files, output / "key.asc", work)
    progress.step("index")
    build.index(members, kernel.version(kernel_package), output, jobs)
    return output


def _mib(sizes: Iterable[int]) -> str:
    return f"{sum(sizes) / 2**20:.0f} MiB"


def _resolve(recipe: dict) -> tuple[dict[str, dict[str, apt.Deb]], apt.Resolver]:
    """The closure of each set; `@kernel` in the recipe becomes the newest kernel image."""
    resolver = apt.Resolver(apt.archive(), set(recipe["cut"]), recipe["choose"])
    image = kernel.image(recipe["kernel"]["meta"], resolver)
    recipe["tweaks"][image] = kernel.tweak(recipe["tweaks"].pop("@kernel"), image)
    sets = {}
    for name, item in recipe["sets"].items():
        sets[name] = resolver.closure([image if root == "@kernel" else root for root in item["debian"]])
    return sets, resolver


def _convert(
    debs: dict[str, apt.Deb], resolver: apt.Resolver, recipe: dict, cache: Path, root: Path, jobs: int
) -> dict[str, Package]:
    unknown = recipe["tweaks"].keys() - debs.keys()
    if unknown:
        raise Failure(f"recipe.toml: tweaks of packages that are in no set: {' '.join(sorted(unknown))}")

    def one(item: apt.Deb) -> Package:
        tweak = deb.Tweak(**recipe["tweaks"].get(item.name, {}))
        requires = resolver.requires(item, set(debs))
        return deb.convert(item, apt.cached(item, cache), root, requires, tweak, recipe["drop"])

    # The largest first, so that no thread is left with it at the end.
    order = sorted(debs.values(), key=lambda item: -item.size)
    with ThreadPoolExecutor(max_workers=jobs) as pool:
        return dict(zip((item.name for item in order), pool.map(one, order)))


def _share_directories(packages: list[Package]) -> None:
    """Leaves a directory to `filesystem` where that has it, and refuses a file in two packages."""
    common = next(package for package in packages if package.name == "filesystem").entries
    owner: dict[str, str] = {}
    for package in packages:
        if package.name != "filesystem":
            package.entries = {path: entry for path, entry in package.entries.items() if path not in common}
        for entry in package.entries.values():
            if entry.kind != "dir" and owner.setdefault(entry.path, package.name) != package.name:
                raise Failure(f"{entry.path} is in {owner[entry.path]} and in {package.name}")


def _members(
    recipe: dict, sets: dict[str, dict[str, apt.Deb]], converted: dict[str, Package], handmade: list[Package]
) -> dict[str, list[Package]]:
    by_name = {package.name: package for package in handmade}
    members = {}
    for name, closure in sets.items():
        packages = [converted[item] for item in closure] + [by_name[item] for item in recipe["sets"][name]["local"]]
        members[name] = sorted(packages, key=lambda package: package.name)
    return members


def _check(members: dict[str, list[Package]]) -> None:
    """Each set has to be complete: installing exactly its packages leaves no dependency open."""
    for name, packages in members.items():
        offered = {package.name for package in packages}
        offered.update(what.split()[0] for package in packages for what in package.provides)
        for package in packages:
            lost = [need for need in package.requires if need.split()[0] not in offered]
            if lost:
                raise Failure(f"set {name}: {package.name} requires {' '.join(lost)}, which the set lacks")
