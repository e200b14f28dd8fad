"""The command line. It understands the request, calls the API, and tells what happened: in words on the terminal, or
as JSON with `--json`.

Exit codes: 0 equivalent or fine, 1 different, 2 the request cannot be understood or the input cannot be read,
3 refused. 70 is a defect of netglot itself.
"""

from __future__ import annotations

import contextlib
import dataclasses
import enum
import importlib
import json
import os
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from netglot.errors import Bug, InputError, NetglotError, Refusal, RequestError, UnsupportedOps, UserCodeError
from netglot.frontend.frameworks import require
from netglot.output import staged
from netglot.report.progress import ticking

EXIT = {"equivalent": 0, "unverified": 0, "different": 1, "refused": 3}
"""The exit code of each verdict."""


def _code(verdict: str, asked: bool) -> int:
    """The exit code; a proof that was asked for and could not be given is no success."""
    return EXIT["different"] if verdict == "unverified" and asked else EXIT[verdict]


app = typer.Typer(
    name="netglot",
    help="Moves neural networks between deep-learning frameworks, and proves that both compute the same.",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

SOURCE_HELP = "package.module:callable, file.py:Name, file.py:Name(literals), network.pt2 or another model file"
INPUT_HELP = (
    "[NAME=][DTYPE ]SHAPE[@low:high], once for each input: 1,3,224,224 or 'ids=int64 B,T@0:30522'; "
    "NAME:=VALUE for what is no tensor: rate:=16000"
)

SourceArgument = Annotated[str, typer.Argument(metavar="SOURCE", help=SOURCE_HELP, show_default=False)]
InputOption = Annotated[list[str] | None, typer.Option("--input", "-i", metavar="SPEC", help=INPUT_HELP)]
WeightsOption = Annotated[
    Path | None, typer.Option("--weights", "-w", help="A .pt, .pth, .safetensors or .h5 file, or an index of shards.")
]
ImportOption = Annotated[
    list[str] | None,
    typer.Option("--import", metavar="FILE", help="A Python file that defines classes which a model file names."),
]
ExtendOption = Annotated[
    list[str] | None,
    typer.Option("--extend", metavar="FILE", help="A Python file that says what operations of your own mean."),
]
TrustOption = Annotated[bool, typer.Option("--trust", help="Let code that a model file carries run.")]
SignatureOption = Annotated[
    str | None, typer.Option("--signature", metavar="NAME", help="Which signature of a SavedModel.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON record on standard output instead of words.")]
DebugOption = Annotated[bool, typer.Option("--debug", help="Show the whole traceback of an error.")]
SeedOption = Annotated[int, typer.Option("--seed", help="The seed of all random inputs and weights.")]
LimitOption = Annotated[
    float, typer.Option("--time-limit", metavar="SECONDS", min=1.0, help="The longest that one framework may run.")
]
TraceOption = Annotated[bool, typer.Option("--trace", help="Show where both sides agree, module by module.")]
RuntimeOption = Annotated[
    list[str] | None,
    typer.Option("--runtime", metavar="NAME=PYTHON", help="The interpreter that has a framework: mxnet=PATH/python."),
]
NoTrainingOption = Annotated[
    bool, typer.Option("--no-training", help="Compare outputs and gradients, and leave the ten training steps out.")
]
ExactOption = Annotated[
    bool, typer.Option("--exact-training", help="Emit small subclasses where the frameworks train differently.")
]


def _api() -> Any:
    """The Python API, imported when a command needs it."""
    return importlib.import_module("netglot.api")


def _console(json_: bool) -> Console:
    """Where words go: standard output, or nowhere while JSON has it."""
    return Console(quiet=json_, highlight=False, soft_wrap=False)


def _errors() -> Console:
    return Console(stderr=True, highlight=False)


@app.command()
def convert(
    source: SourceArgument,
    to: Annotated[str, typer.Option("--to", help="What to write: keras, torch, onnx, mxnet, ...")],
    input: InputOption = None,
    weights: WeightsOption = None,
    imports: ImportOption = None,
    extend: ExtendOption = None,
    trust: TrustOption = False,
    signature: SignatureOption = None,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The folder for model.py, the weights, the report and a README.")
    ] = Path("out"),
    keep_layout: Annotated[
        bool, typer.Option("--keep-layout", help="Keep the source's order of axes at inputs and outputs.")
    ] = False,
    exact_training: ExactOption = False,
    opset: Annotated[
        int | None, typer.Option("--opset", metavar="N", help="The version of ONNX's operators, 20 unless given.")
    ] = None,
    trace: TraceOption = False,
    no_verify: Annotated[bool, typer.Option("--no-verify", help="Write without comparing both sides.")] = False,
    no_training: NoTrainingOption = False,
    seed: SeedOption = 0,
    time_limit: LimitOption = 600.0,
    runtime: RuntimeOption = None,
    json_: JsonOption = False,
    debug: DebugOption = False,
) -> int:
    """Convert a network and its weights, and prove that both compute the same."""
    _check_target(to)
    _check_output(output)
    with _only_json(json_), ticking(_errors(), shown=not json_) as ticker:
        ticker.say(f"converting {source}")
        conversion = _api().convert(
            source,
            to=to,
            inputs=input or None,
            weights=weights,
            imports=imports or (),
            extend=extend or (),
            trust=trust,
            signature=signature,
            keep_layout=keep_layout,
            exact_training=exact_training,
            opset=opset,
            trace=trace,
            verify=not no_verify,
            training=not no_training,
            seed=seed,
            time_limit=time_limit,
            runtimes=runtime or (),
            progress=ticker.say,
        )
        record = record_of(conversion.report)
        if conversion.verdict != "refused":
            with staged(output) as folder:
                conversion.save(folder, move=True)
    _tell(record, json_, written=output if conversion.verdict != "refused" else None)
    return _code(conversion.verdict, asked=not no_verify)


@app.command()
def verify(
    source: SourceArgument,
    target: Annotated[Path, typer.Argument(help="A folder that `convert` wrote.", show_default=False)],
    input: InputOption = None,
    weights: WeightsOption = None,
    imports: ImportOption = None,
    extend: ExtendOption = None,
    trust: TrustOption = False,
    signature: SignatureOption = None,
    exact_training: ExactOption = False,
    trace: TraceOption = False,
    no_training: NoTrainingOption = False,
    seed: SeedOption = 0,
    time_limit: LimitOption = 600.0,
    runtime: RuntimeOption = None,
    json_: JsonOption = False,
    debug: DebugOption = False,
) -> int:
    """Compare a network with one that was converted from it."""
    from netglot.dialects.targets import TARGETS

    if not any((target / (one.source or one.weights)).exists() for one in TARGETS.values()):
        raise InputError(f"{target} holds no model.py", advice="give the folder that netglot convert wrote")
    with _only_json(json_), ticking(_errors(), shown=not json_) as ticker:
        ticker.say(f"comparing {source} with {target}")
        report = _api().verify(
            source,
            target,
            inputs=input or None,
            weights=weights,
            imports=imports or (),
            extend=extend or (),
            trust=trust,
            signature=signature,
            exact_training=exact_training,
            trace=trace,
            training=not no_training,
            seed=seed,
            time_limit=time_limit,
            runtimes=runtime or (),
            progress=ticker.say,
        )
    record = record_of(report)
    _tell(record, json_)
    return EXIT[record["verdict"]]


class Style(enum.StrEnum):
    """How `migrate` writes training loops for Keras."""

    loop = "loop"
    fit = "fit"


@app.command()
def migrate(
    sources: Annotated[
        list[Path], typer.Argument(metavar="SOURCE...", help="Python files or folders.", show_default=False)
    ],
    to: Annotated[str, typer.Option("--to", help="The framework to write: torch, keras or tensorflow.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The folder for the migrated files.")] = Path(
        "migrated"
    ),
    input: InputOption = None,
    network: Annotated[
        list[str] | None, typer.Option("--network", metavar="FILE:CLASS(ARGS)", help="A network; found if not given.")
    ] = None,
    weights: WeightsOption = None,
    style: Annotated[
        Style, typer.Option("--style", help="Loops with a GradientTape, or compile and fit.")
    ] = Style.loop,
    arguments: Annotated[str, typer.Option("--arguments", help="What scripts are run with while observed.")] = "",
    no_verify: Annotated[bool, typer.Option("--no-verify", help="Write without comparing both sides.")] = False,
    time_limit: LimitOption = 600.0,
    json_: JsonOption = False,
    debug: DebugOption = False,
) -> int:
    """Migrate source files to another framework; this runs them. Prove that their networks train as before."""
    _check_output(output)
    with ticking(_errors(), shown=not json_) as ticker:
        migration = importlib.import_module("netglot.migrate.migrating").migrate(
            sources,
            to,
            inputs=input or None,
            network=network,
            weights=weights,
            style=style.value,
            arguments=arguments,
            verify=not no_verify,
            time_limit=time_limit,
            progress=ticker.say,
        )
        if migration.verdict != "refused":
            with staged(output) as folder:
                migration.save(folder)
    if json_:
        _print_json(migration.report)
    else:
        from netglot.migrate.telling import show

        show(_console(False), migration.report)
        if migration.verdict != "refused":
            _console(False).print(f"written to {output}{os.sep}", markup=False, soft_wrap=True)
    return _code(migration.verdict, asked=not no_verify)


class View(enum.StrEnum):
    """What `inspect` shows."""

    summary = "summary"
    text = "text"
    hierarchy = "hierarchy"


@app.command()
def inspect(
    source: SourceArgument,
    input: InputOption = None,
    weights: WeightsOption = None,
    imports: ImportOption = None,
    extend: ExtendOption = None,
    trust: TrustOption = False,
    signature: SignatureOption = None,
    view: Annotated[View, typer.Option("--view", help="The summary, the pivot's text, or the tree of modules.")] = (
        View.summary
    ),
    json_: JsonOption = False,
    debug: DebugOption = False,
) -> int:
    """Show what netglot reads in a network."""
    with _only_json(json_), ticking(_errors(), shown=not json_) as ticker:
        ticker.say(f"reading {source}")
        graph = _api().read(
            source,
            inputs=input or None,
            weights=weights,
            imports=imports or (),
            extend=extend or (),
            trust=trust,
            signature=signature,
        )
    from netglot.report import summary

    if json_:
        _print_json(summary.summary(graph) | {"text": summary.text(graph)})
    else:
        summary.show(_console(False), graph, view.value)
    return 0


@app.command()
def matrix(json_: JsonOption = False, debug: DebugOption = False) -> int:
    """Show every op in every dialect: mapped, lowered or refused, and why."""
    from netglot.report import terminal
    from netglot.report.matrix import all_dialects, counts, matrix

    rows = matrix()
    if json_:
        _print_json([dataclasses.asdict(row) for row in rows])
        return 0
    names = list(all_dialects())
    console = _console(False)
    terminal.show_table(
        console, ["op", *names], ([row.op, *(_cell(row.cells[name]) for name in names)] for row in rows)
    )
    for name, line in counts(rows).items():
        console.print(f"{name}: " + ", ".join(f"{number} {status}" for status, number in sorted(line.items())))
    return 0


def _cell(cell: Any) -> str:
    return cell.status + (f" ({cell.reason})" if cell.reason else "")


@app.command()
def doctor(json_: JsonOption = False, debug: DebugOption = False) -> int:
    """Show what is installed, in which versions, and what that enables."""
    from netglot.report import terminal
    from netglot.report.doctor import findings, machine

    found = findings()
    if json_:
        _print_json(machine() | {"frameworks": [dataclasses.asdict(finding) for finding in found]})
        return 0
    console = _console(False)
    console.print(", ".join(f"{name} {value}" for name, value in machine().items()), soft_wrap=True)
    for finding in found:
        versions = ", ".join(f"{module} {value}" for module, value in finding.versions.items())
        lacks = (
            f"lacks {', '.join(finding.missing)}: {finding.advice}" if finding.missing else f"enables {finding.enables}"
        )
        mark, style = ("-", "yellow") if finding.missing else ("+", "green")
        console.print(terminal.Text.assemble((f"{mark} {finding.title}", style), f"  {versions}"), soft_wrap=True)
        console.print(f"    {lacks}", markup=False, soft_wrap=True)
    return 0


COMMANDS = [command.callback.__name__ for command in app.registered_commands if command.callback]


@contextlib.contextmanager
def _only_json(json_: bool) -> Iterator[None]:
    """Sends what the user's code prints to standard error while standard output holds JSON."""
    if not json_:
        yield
        return
    with contextlib.redirect_stdout(sys.stderr):
        yield


def _check_target(to: str) -> None:
    from netglot.dialects.targets import target_called

    target = target_called(to, "--to {}")
    needs = target.needs or ("" if target.is_file else to)
    if needs:
        require(needs, "writing its networks")


def _check_output(output: Path) -> None:
    if output.exists() and not output.is_dir():
        raise RequestError(f"{output} is a file, and -o names a folder")


def record_of(report: Any) -> dict[str, Any]:
    """A report as the record that `report.json` holds."""
    if isinstance(report, dict):
        return report
    return report.record() if hasattr(report, "record") else dataclasses.asdict(report)


def _tell(record: dict[str, Any], json_: bool, *, written: Path | None = None) -> None:
    if json_:
        _print_json(record)
        return
    from netglot.report.terminal import show_report

    console = _console(False)
    show_report(console, record)
    if written is not None:
        console.print(f"written to {written}{os.sep}", markup=False, soft_wrap=True)


def _print_json(record: Any) -> None:
    print(json.dumps(record, indent=2, default=str, ensure_ascii=False))


def run(argv: list[str]) -> int:
    """Runs one command and returns its exit code. Nothing but `--debug` lets a traceback out."""
    debug = "--debug" in argv
    try:
        code = app(argv or ["--help"], standalone_mode=False)
        return code if isinstance(code, int) else 0
    except NetglotError as error:
        return _fail(error, argv, debug)
    except KeyboardInterrupt:
        _errors().print("interrupted")
        return 130
    except Exception as error:
        if usage := getattr(error, "format_message", None):
            advice = f"netglot {argv[0]} --help" if argv and argv[0] in COMMANDS else "netglot --help"
            return _fail(RequestError(" ".join(usage().split()), advice=f"see {advice}"), argv, debug)
        if type(error).__name__ == "Abort":
            return 130
        bug = Bug(
            f"{type(error).__name__}: {error}",
            advice="this is a defect of netglot; --debug shows where, and please report it with that",
        )
        bug.__cause__ = error
        return _fail(bug, argv, debug)


def _fail(error: NetglotError, argv: list[str], debug: bool) -> int:
    from netglot.report.terminal import show_error

    if debug:
        traceback.print_exception(error)
    show_error(_errors(), error)
    if "--json" in argv:
        _print_json(error_record(error))
    return error.exit_code


def error_record(error: NetglotError) -> dict[str, Any]:
    """An error for tools: its kind, its message, what to do, and every refused op."""
    told: dict[str, Any] = {
        "error": type(error).__name__,
        "message": error.message,
        "advice": error.advice,
        "exit_code": error.exit_code,
    }
    match error:
        case UnsupportedOps(refused=refused):
            told |= {"verdict": "refused", "refused": [_refused(one) for one in refused]}
        case Refusal(reason=reason):
            told |= {"verdict": "refused", "refused": [{"kind": reason.kind, "reason": reason.text}]}
        case UserCodeError(trace=trace):
            told["trace"] = trace
    return told


def _refused(one: Any) -> dict[str, Any]:
    return {
        "where": one.where,
        "what": one.what,
        "kind": one.reason.kind,
        "reason": one.reason.text,
        "advice": one.reason.advice,
        "site": one.site,
    }


def main(run: Callable[[list[str]], int] = run) -> None:
    """The entry point of the `netglot` command."""
    sys.exit(run(sys.argv[1:]))
