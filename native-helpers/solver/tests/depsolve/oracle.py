"""What dnf's own library answers to requests: a list of them on standard input, a list of answers on standard output."""
import json
import logging
import os
import sys
import tempfile

import dnf
import dnf.exceptions
import dnf.module.module_base
import hawkey

BASEARCH = {"x86_64": "x86_64", "aarch64": "aarch64"}


def open_base(request, directory):
    base = dnf.Base()
    conf = base.conf
    conf.config_file_path = ""
    conf.cachedir = os.path.join(directory, "cache")
    conf.persistdir = os.path.join(directory, "persist")
    conf.logdir = os.path.join(directory, "log")
    conf.installroot = os.path.join(directory, "root")
    for path in (conf.installroot, conf.logdir):
        os.makedirs(path, exist_ok=True)
    conf.plugins = False
    conf.substitutions["arch"] = request["arch"]
    conf.substitutions["basearch"] = BASEARCH[request["arch"]]
    conf.substitutions["releasever"] = request["releasever"]
    conf.module_platform_id = request["module_platform_id"]
    for description in request["arguments"]["repos"]:
        repo = dnf.repo.Repo(description["id"], conf)
        repo.baseurl = description["baseurl"]
        for key in ("priority", "cost", "module_hotfixes"):
            if description.get(key) is not None:
                setattr(repo, key, description[key])
        base.repos.add(repo)
    base.fill_sack(load_system_repo=False)
    base.read_comps()
    return base


def transact(base, transaction, kept, is_first):
    if not is_first:
        base.reset(goal=True)
        base.sack.reset_excludes()
    base.conf.install_weak_deps = transaction.get("install_weak_deps", False)
    everything = base.sack.query(flags=hawkey.IGNORE_EXCLUDES)
    keep = everything.filter(pkg=kept)
    if transaction.get("module-enable-specs"):
        dnf.module.module_base.ModuleBase(base).enable(transaction["module-enable-specs"])
    if transaction.get("repo-ids"):
        others = [repo.id for repo in base.repos.iter_enabled() if repo.id not in transaction["repo-ids"]]
        base.sack.add_excludes(base.sack.query().filter(reponame=others).difference(keep))
    for pattern in transaction.get("exclude-specs", []):
        if pattern.startswith("@"):
            continue
        found = dnf.subject.Subject(pattern).get_best_query(
            base.sack, with_nevra=True, with_provides=False, with_filenames=False)
        base.sack.add_excludes(found.difference(keep))
    for package in kept:
        selector = dnf.selector.Selector(base.sack)
        selector.set(pkg=[package])
        base._goal.install(select=selector, optional=False)
    groups = [pattern for pattern in transaction.get("exclude-specs", []) if pattern.startswith("@")]
    base.install_specs(transaction["package-specs"], exclude=groups)
    # Members of groups come in the order of Python's hashes, another one for each process; here in that of their names.
    base._comps_trans._install = sorted(base._comps_trans.install, key=lambda member: (member.name, member.requires or ""))
    base.resolve()
    return base._goal.list_installs()


def nevra(package):
    return f"{package.name}-{package.epoch}:{package.version}-{package.release}.{package.arch}"


def answer(request, directory):
    base = open_base(request, directory)
    results, kept = [], []
    try:
        for number, transaction in enumerate(request["arguments"]["transactions"]):
            kept = transact(base, transaction, kept, number == 0)
            results.append(sorted(nevra(package) for package in kept))
    except dnf.exceptions.MarkingErrors as error:
        return {"failure": "MarkingErrors", "reason": str(error)}
    except dnf.exceptions.DepsolveError as error:
        return {"failure": "DepsolveError", "reason": str(error)}
    finally:
        base.close()
    return {"transactions": results}


def main():
    logging.disable(logging.CRITICAL)
    with tempfile.TemporaryDirectory() as directory:
        answers = []
        for number, request in enumerate(json.load(sys.stdin)):
            answers.append(answer(request, os.path.join(directory, str(number))))
    json.dump(answers, sys.stdout)


main()
