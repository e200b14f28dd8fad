"""The whole way of a migration: read, observe, rewrite, prove, report."""

from __future__ import annotations

import ast
import json
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from netglot.errors import InputError, MissingFramework, RequestError, TimeLimitError, UserCodeError, WorkerError
from netglot.migrate import fidelity, networks
from netglot.migrate.carrying import carry
from netglot.migrate.families import FAMILIES, Family
from netglot.migrate.networks import Network
from netglot.migrate.observe import Fact
from netglot.migrate.project import Project, definitions, is_script, read_project
from netglot.migrate.prove import prove, replay
from netglot.migrate.rewrite import Rewriter
from netglot.verify.process import OperationError, Worker

ORDER = ("equivalent", "unverified", "different", "refused")


@dataclass
class Migration:
    """Migrated files, and what was found out about them."""

    report: dict[str, Any]
    files: dict[str, bytes] = field(default_factory=dict)
    """Relative path to content, weights files included."""

    @property
    def verdict(self) -> str:
        return self.report["verdict"]

    def save(self, folder: str | Path) -> Path:
        """Writes the files and `report.json` into a folder."""
        folder = Path(folder)
        for name, data in self.files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        text = json.dumps(self.report, indent=2, ensure_ascii=False, default=str)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "report.json").write_text(text + "\n", encoding="utf-8")
        return folder


def migrate(
    paths: list[str | Path] | str | Path,
    to: str,
    *,
    inputs: list[str] | None = None,
    network: list[str] | None = None,
    weights: str | Path | None = None,
    style: str = "loop",
    arguments: str = "",
    verify: bool = True,
    time_limit: float = 600.0,
    progress: Callable[[str], None] | None = None,
) -> Migration:
    """Migrates source files to another framework, and proves that the networks in them train as before.

    Args:
        paths: files or folders.
        to: "keras", "tensorflow" or "torch".
        inputs: what the networks are called with, as `--input` says it; found where it is not given.
        network: `file.py:Class(args)`, once for each; found where it is not given.
        weights: trained weights of the (one) network, to be carried over too.
        style: "loop" or "fit", for training loops.
        arguments: command-line arguments for scripts while they are observed.
        verify: whether to run both sides and compare.
        time_limit: seconds that one request to a framework may take.

    Raises:
        RequestError, InputError, UserCodeError, MissingFramework: the request cannot be met; nothing is written.
    """
    if to not in FAMILIES:
        raise RequestError(f"netglot does not migrate to {to!r}", advice=f"--to {', '.join(FAMILIES)}")
    if style != "loop" and to == "torch":
        raise RequestError("PyTorch has no fit of its own", advice="leave --style out: fit becomes a plain loop")
    family = FAMILIES[to]
    say = progress or (lambda _: None)
    given = [paths] if isinstance(paths, (str, Path)) else list(paths)
    say("reading the files")
    project = read_project([Path(one) for one in given], None, to)
    with aside(project.root) as place:
        say("running the files under observation")
        with Worker(family.observer, time_limit=time_limit, path=(str(project.home),), environment=place) as worker:
            try:
                found, notes = _observed(worker, family, project, inputs or [], network or [], arguments)
            except TimeLimitError:
                raise RequestError(
                    f"the code ran longer than {time_limit:g} seconds",
                    advice="--time-limit SECONDS allows more; a smaller data set shows as much of the code",
                ) from None
        say("writing")
        target = family.target(to, style)
        written = _written(project, target)
        if style == "fit" and verify and _needs_eager(family, project, written, time_limit, place, arguments.split()):
            target.eager = True
            written = _written(project, target)
        report = _report(project, written, found, notes)
        results: list[dict[str, Any]] = []
        scripts: list[dict[str, Any]] = []
        files = {path: text.encode("utf-8") for path, (text, _) in written.items()} | project.others
        argv = arguments.split()
        if verify:
            say("proving")
            results = _proven(family, project, written, found, time_limit, place, argv, report["notes"])
            say("training the scripts on both sides")
            scripts = _replayed(family, project, written, time_limit, place, arguments)
        if weights is not None:
            say("carrying the weights over")
            files[family.weights_file] = _carried(
                family, project, written, found, time_limit, place, weights, argv, results
            )
        report["scripts"] = scripts
        report["networks"] = [_network_record(project, one, result) for one, result in _paired(found, results)]
    report["verdict"] = _verdict(report, verify)
    report["marked"] = sum(len(one["marked"]) for one in report["files"])
    report["summary"] = _summary(report)
    return Migration(report, files)


@contextmanager
def aside(root: Path) -> Iterator[dict[str, str]]:
    """A folder in which the user's code may write, instead of where it lies; gives the worker's environment."""
    folder = tempfile.mkdtemp(prefix="netglot-run-")
    try:
        yield {"NETGLOT_FOLDER": folder, "MPLBACKEND": "Agg"}
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _observed(
    worker: Worker, family: Family, project: Project, inputs: list[str], named: list[str], arguments: str
) -> tuple[list[Network], list[str]]:
    """Runs everything, and puts the facts on the files; returns the networks that are to be proven."""
    notes: list[str] = []
    worker.request("observe", root=str(project.home), files=project.texts)
    scripts = {file.module: how for file in project.files if (how := is_script(file, project))}
    plain = [file.module for file in project.files if scripts.get(file.module) != "bare"]
    imported = worker.request("import_all", modules=plain, argv=arguments.split())
    for module, error in imported["failed"].items():
        raise _import_error(error, project.module(module).path)
    modules = {file.path: file.module for file in project.files}
    failures = []
    for module in scripts:
        file = project.module(module)
        result = worker.request("script", module=module, argv=arguments.split(), filename=str(project.root / file.path))
        if result["error"]:
            failures.append((file, result["error"]))
    classes = worker.request("import_all", modules=[])["classes"]
    for file in project.files:
        worker.request("demonstrate", module=file.module)
    seen = worker.request("facts")["networks"]
    chosen = [networks.given(worker, text, modules) for text in named]
    if named:
        _others(worker, project, chosen, inputs)
    lacking: dict[str, tuple[str, list[str]]] = {}
    if not chosen:
        chosen = _called(seen, project)
        made: list[Network] = []
        for file in project.files:
            own, lacks = networks.candidates(worker, file.module, notes)
            made += own
            lacking |= {name: (file.path, needs) for name, needs in lacks.items()}
        known = {(one.module, one.class_name) for one in chosen}
        every = [one for one in made if (one.module, one.class_name) not in known]
        for one in every:  # each factory once, so that every branch is seen
            one.inputs = next((s["inputs"] for s in seen if s["class"] == one.class_name and _plain(s)), [])
        if not chosen or every:
            chosen += networks.smallest(every)
            for one in every:
                if one not in chosen and one.parameters < 2e7:
                    _try(worker, one, inputs)
    if failures and not seen and not named:
        file, error = failures[0]
        if not chosen or error["kind"] == "ModuleNotFoundError":
            raise _script_error(error, file.path)
        notes.append(f"{file.path} did not run as a script: {error['kind']}: {error['message'].partition(chr(10))[0]}")
    trained = not failures and any(family.trains(project.module(one)) for one in scripts)
    if not chosen and not trained and not (scripts and seen):  # what only a script can make is proven by the script
        if lacking:
            name, (path, needs) = next(iter(lacking.items()))
            raise networks.need_arguments({name: needs}, path)
        why = next((f"; {one}" for one in notes if " was left out: " in one), "")
        raise InputError(
            f"no network was found in {', '.join(file.path for file in project.files)}{why}",
            advice="name it: --network 'file.py:Class(arguments)'",
        )
    proven = _runnable(worker, chosen, inputs, bool(named) or not any(family.trains(f) for f in project.files), notes)
    record = worker.request("facts")
    for file in project.files:
        file.facts = {int(n): Fact(**f) for n, f in record["facts"].get(file.module, {}).items()}
        file.classes = classes.get(file.module, {})
    project.outermost = {one.class_name for one in proven} | {one["class"] for one in seen}
    project.inputs = {one.class_name: one.inputs for one in proven} | {one["class"]: one["inputs"] for one in seen}
    project.renamed = family.renamed(project)
    names = {name for file in project.files for name in _dotted_names(file)}
    resolved = worker.request("resolve", names=sorted(names))
    for file in project.files:
        file.names = resolved
    notes += [f"{one.class_name}: {one.assumed}" for one in proven if one.assumed]
    return proven, notes


def _runnable(
    worker: Worker, chosen: list[Network], inputs: list[str], strict: bool, notes: list[str]
) -> list[Network]:
    """The networks with inputs on which they run; one that does not run by itself is left to its script."""
    found = []
    for one in chosen:
        try:
            found.append(networks.with_inputs(worker, one, inputs))
        except (RequestError, UserCodeError) as error:
            if strict:
                raise
            notes.append(f"{one.expression} was not compared by itself: {error.message}")
    return found


def _others(worker: Worker, project: Project, chosen: list[Network], inputs: list[str]) -> None:
    """Runs what else the files can make beside the networks that are named, for what it shows."""
    known = {(one.module, one.class_name) for one in chosen}
    for file in project.files:
        try:
            made, _ = networks.candidates(worker, file.module, [])
        except (RequestError, UserCodeError):
            continue
        for one in networks.smallest(made):
            if (one.module, one.class_name) not in known and one.parameters < 2e7:
                _try(worker, one, inputs)


def _try(worker: Worker, network: Network, inputs: list[str]) -> None:
    """Runs a further factory, for what it shows; whether it runs does not matter."""
    try:
        networks.with_inputs(worker, network, inputs)
    except (RequestError, UserCodeError):
        return


def _plain(seen: dict[str, Any]) -> bool:
    """Whether all that a network was called with is known."""

    def known(one: dict[str, Any]) -> bool:
        return "unknown" not in one and all(known(inner) for inner in one.get("items", ()))

    return all(known(one) for one in seen["inputs"])


def _called(seen: list[dict[str, Any]], project: Project) -> list[Network]:
    """The networks that the scripts made and called, outermost ones, each class once."""
    found: dict[str, Network] = {}
    known = {file.module for file in project.files}
    for one in seen:
        module = one["module"]
        if module == "__main__":
            module = next(
                (
                    f.module
                    for f in project.files
                    if one["class"] in {n.name for n in f.tree.body if isinstance(n, ast.ClassDef)}
                ),
                module,
            )
        if module not in known or one["arguments"] is None or one["class"] in found:
            continue
        if not _plain(one):
            continue
        found[one["class"]] = Network(
            module, one["class"], f"{one['class']}({one['arguments']})", one["inputs"], one["parameters"]
        )
    return list(found.values())


def _import_error(error: dict[str, Any], path: str) -> Exception:
    if error["kind"] in ("ModuleNotFoundError", "ImportError") and error.get("name"):
        place = f" ({error['place']})" if error["place"] else ""
        return MissingFramework(
            f"{path} imports {error['name']}, which is not installed{place}",
            advice=f"install it, or leave {path} out",
        )
    return networks.raised(error, f"importing {path}")


def _script_error(error: dict[str, Any], path: str) -> Exception:
    if error["kind"] == "ModuleNotFoundError" and error.get("name"):
        return _import_error(error, path)
    return networks.raised(error, f"running {path}")


def _dotted_names(file: Any) -> set[str]:
    """The dotted names of a file that begin with what it imports."""
    aliases = file.aliases
    found: set[str] = set(aliases.values())
    for node in ast.walk(file.tree):
        parts: list[str] = []
        inner: Any = node
        while isinstance(inner, ast.Attribute):
            parts.append(inner.attr)
            inner = inner.value
        if isinstance(inner, ast.Name) and inner.id in aliases:
            found.add(".".join([aliases[inner.id], *reversed(parts)]))
    return found


def _written(project: Project, target: Any) -> dict[str, tuple[str, Rewriter]]:
    """All files, written once more where one of them shows what all must know."""
    while True:
        learned = dict(project.learned)
        written = {file.path: _rewritten(file, project, target) for file in project.files}
        if project.learned == learned:
            return written


def _rewritten(file: Any, project: Project, target: Any) -> tuple[str, Rewriter]:
    rewriter = Rewriter(file, target, project)
    text = rewriter.module()
    if rewriter.doubts:  # where they begin is known only now
        rewriter = Rewriter(file, target, project, frozenset(rewriter.doubts))
        text = rewriter.module()
    try:
        ast.parse(text)
    except SyntaxError as error:
        line = text.splitlines()[(error.lineno or 1) - 1] if text else ""
        raise InputError(
            f"netglot wrote {file.path} so that it does not parse, line {error.lineno}: {line.strip()}",
            advice="this is a defect of netglot; please report it with the file",
        ) from error
    return text, rewriter


@contextmanager
def _both_sides(
    family: Family, project: Project, written: dict, limit: float, place: dict, argv: list[str]
) -> Iterator[tuple[Worker, Worker]]:
    """A worker with the source's files and one with the target's; of scripts only what they define."""
    bare = {file.module for file in project.files if is_script(file, project)}

    def texts(of: Callable[[Any], str]) -> dict[str, list[str]]:
        return {
            f.module: [str(project.root / f.path), definitions(of(f)) if f.module in bare else of(f)]
            for f in project.files
        }

    root = str(project.home)
    with (
        Worker(family.observer, time_limit=limit, path=(root,), environment=place) as source,
        Worker(family.prover, time_limit=limit, path=(root,), environment=place) as target,
    ):
        source.request("load", root=root, files=texts(lambda f: f.text), argv=argv)
        target.request("load", root=root, files=texts(lambda f: written[f.path][0]), argv=argv)
        yield source, target


def _proven(
    family: Family, project: Project, written: dict, found: list[Network], limit: float, place: dict,
    argv: list[str], notes: list[str],
) -> list[dict[str, Any]]:  # fmt: skip
    """The proof of each network."""
    if not found:
        return []
    bare = {file.module for file in project.files if is_script(file, project)}
    results = []
    with _both_sides(family, project, written, limit, place, argv) as (source, target):
        for one in list(found):
            if _lost(source, one) and bare:
                notes.append(f"{one.expression} is only made while the script runs: it is compared there")
                found.remove(one)
                continue
            try:
                results.append(prove(source, target, one, family.place, project.renamed))
            except OperationError as error:
                results.append({"verdict": "different", "differences": [_first_line(error)], "trace": error.trace})
            except WorkerError as error:
                results.append({"verdict": "different", "differences": [error.message]})
                break
    return results


def _carried(
    family: Family, project: Project, written: dict, found: list[Network], limit: float, place: dict, weights: Any,
    argv: list[str], results: list[dict[str, Any]],
) -> bytes:  # fmt: skip
    """The trained weights in the target's own file; the network that they are of says so in its result."""
    path = Path(place["NETGLOT_FOLDER"]) / family.weights_file
    with _both_sides(family, project, written, limit, place, argv) as (source, target):
        number, differences = carry(source, target, family, found, Path(weights), path, project.renamed)
    while len(results) <= number:
        results.append({"verdict": "unverified"})
    results[number]["weights"] = family.weights_file
    if differences:
        results[number]["verdict"] = "different"
        results[number].setdefault("differences", []).extend(differences)
    return path.read_bytes() if path.is_file() else b""


def _lost(source: Worker, one: Network) -> bool:
    """Whether a network cannot be made again by its name."""
    try:
        source.request("make", module=one.module, expression=one.expression, setup=one.setup)
    except OperationError as error:
        return error.kind == "NameError"
    return False


def _replayed(
    family: Family, project: Project, written: dict, limit: float, place: dict, arguments: str
) -> list[dict[str, Any]]:
    """The scripts that train, run on both sides in workers of their own."""
    results = []
    root = str(project.home)
    for file in project.files:
        if not is_script(file, project) or not family.trains(file):
            continue
        with (
            Worker(family.observer, time_limit=limit, path=(root,), environment=place) as source,
            Worker(family.prover, time_limit=limit, path=(root,), environment=place) as target,
        ):
            source.request("load", root=root, files=project.texts)
            migrated = {f.module: [str(project.root / f.path), written[f.path][0]] for f in project.files}
            target.request("load", root=root, files=migrated)
            try:
                made = replay(source, target, file.module, arguments.split(), family.place, project.renamed)
            except WorkerError as error:
                made = {"verdict": "different", "differences": [str(error)[:400]]}
        results.append({"file": file.path, **made})
    return results


def _needs_eager(family: Family, project: Project, written: dict, limit: float, place: dict, argv: list[str]) -> bool:
    """Whether a script whose `fit` runs as a graph raises: its network does what only step by step is possible."""
    root = str(project.home)
    files = {f.module: [str(project.root / f.path), written[f.path][0]] for f in project.files}
    for file in project.files:
        if is_script(file, project) and any(".fit(" in text for _, text in files.values()):
            with Worker(family.prover, time_limit=limit, path=(root,), environment=place) as worker:
                if worker.request("tried_fit", root=root, files=files, module=file.module, argv=argv):
                    return True
    return False


def _first_line(error: OperationError) -> str:
    return str(error).strip().partition("\n")[0][:400]


def _paired(found: list[Network], results: list[dict[str, Any]]) -> list[tuple[Network, dict[str, Any]]]:
    return [(one, results[i] if i < len(results) else {"verdict": "unverified"}) for i, one in enumerate(found)]


def _network_record(project: Project, one: Network, result: dict[str, Any]) -> dict[str, Any]:
    def described(position: int, spec: dict[str, Any]) -> dict[str, Any]:
        rank = len(spec["shape"])
        return {
            "name": spec.get("name") or f"input{position}", "dtype": spec["dtype"], "shape": spec["shape"],
            "permutation": spec.get("permutation") or list(range(rank)),
        }  # fmt: skip

    outputs = [
        {"name": f"output{i}", "shape": shape, "permutation": list(range(len(shape)))}
        for i, shape in enumerate(result.get("shapes", []))
    ]
    arguments = one.expression.partition("(")[2].removesuffix(")")
    return {
        "file": project.module(one.module).path, "class": one.class_name, "expression": one.expression,
        "arguments": arguments, "weights": result.pop("weights", None),
        "inputs": [described(i, s) for i, s in enumerate(one.inputs) if "shape" in s], "outputs": outputs,
        "faithful": True,
        "assumed": one.assumed or None, **result,
    }  # fmt: skip


def _report(project: Project, written: dict, found: list[Network], notes: list[str]) -> dict[str, Any]:
    files = []
    for file in project.files:
        text, rewriter = written[file.path]
        lines = len(file.text.splitlines())
        marked = [{"line": m.line, "what": m.what, "reason": m.reason} for m in rewriter.marks]
        files.append({
            "path": file.path, "lines": lines,
            "kept": lines - len({n for n in rewriter.rewritten if n <= lines}), "rewritten": len(rewriter.rewritten),
            "marked": marked, "fidelity": fidelity.measured(file.text, text),
        })  # fmt: skip
        notes += [f"{file.path}: {one}" for one in dict.fromkeys(rewriter.notes)]
    return {"verdict": "unverified", "files": files, "copied": sorted(project.others), "networks": [], "notes": notes}


def _summary(report: dict[str, Any]) -> str:
    """The verdict in words: what was proven, and how many places were left as they were."""
    marked, networks, scripts = report["marked"], report["networks"], report.get("scripts", ())
    if not marked:
        return report["verdict"]
    places = "1 place is marked and not migrated" if marked == 1 else f"{marked} places are marked and not migrated"
    what = "networks and scripts" if networks and scripts else "networks" if networks else "files"
    return f"{what}: {report['verdict']}; {places}"


def _verdict(report: dict[str, Any], verify: bool) -> str:
    """The worst of the networks' verdicts; marks alone leave it to the proof."""
    verdicts = [one["verdict"] for one in (*report["networks"], *report.get("scripts", ())) if verify]
    return max(verdicts, key=ORDER.index) if verdicts else "unverified"
