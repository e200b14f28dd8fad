"""Every way in which netglot says no, ordered by what the user can do about it.

Exit codes follow the class: a request that cannot be understood or an input that cannot be read is 2, a network
that cannot be carried over is 3. A broken invariant of netglot itself is a `Bug` and says so.
"""

from __future__ import annotations

from dataclasses import dataclass, field


class NetglotError(Exception):
    """The root of all errors that netglot raises on purpose.

    `advice` says what the user can do; it is printed on a line of its own behind an arrow.
    """

    exit_code = 2

    def __init__(self, message: str, *, advice: str | None = None):
        super().__init__(message)
        self.message = message
        self.advice = advice


class RequestError(NetglotError):
    """The command or call cannot be understood: an unknown source, target, option or input specification."""


class InputError(NetglotError):
    """A file or a model cannot be read: missing, truncated, corrupt, or of an unknown kind."""


class WeightsError(InputError):
    """The weights do not fit the network: missing, unexpected or wrongly shaped entries."""


class UserCodeError(NetglotError):
    """The user's own code raised. `trace` is the user's part of the traceback, netglot's own frames removed."""

    def __init__(self, message: str, *, trace: str = "", advice: str | None = None):
        super().__init__(message, advice=advice)
        self.trace = trace


class MissingFramework(NetglotError):
    """A framework that is needed is not installed; the advice names the extra that installs it."""


class WorkerError(NetglotError):
    """A worker process crashed, hung past its time limit, or ran out of memory."""


class TimeLimitError(WorkerError):
    """A worker process did not finish a request within its time limit."""


class Bug(NetglotError):
    """An invariant of netglot is broken. Never the user's fault."""

    exit_code = 70


@dataclass(frozen=True)
class Reason:
    """Why something is refused.

    `kind` is `"notimpl"` (netglot could), `"notyet"` (the framework must first) or `"never"` (it cannot be).
    """

    kind: str
    text: str
    advice: str | None = None

    def __str__(self) -> str:
        return f"{self.kind}: {self.text}"


def notimpl(text: str, advice: str | None = None) -> Reason:
    """netglot could carry this over, and does not yet."""
    return Reason("notimpl", text, advice)


def notyet(text: str, advice: str | None = None) -> Reason:
    """The target framework would have to gain something first."""
    return Reason("notyet", text, advice)


def never(text: str, advice: str | None = None) -> Reason:
    """It cannot be carried over, by what the two frameworks are."""
    return Reason("never", text, advice)


class Refusal(NetglotError):
    """Raised by one mapping that cannot express one op; collected by whoever walks the graph."""

    exit_code = 3

    def __init__(self, reason: Reason, *, site: str | None = None):
        super().__init__(str(reason), advice=reason.advice)
        self.reason = reason
        self.site = site
        """The place in the user's source, where the one who refuses knows it."""


@dataclass(frozen=True)
class RefusedOp:
    """One refused operation: what it is, where it stands in the user's model, and why."""

    where: str
    what: str
    reason: Reason
    site: str | None = None


@dataclass
class UnsupportedOps(NetglotError):
    """All operations of a network that cannot be carried over, told once."""

    refused: list[RefusedOp]
    total: int
    target: str
    exit_code: int = field(default=3, init=False)

    def __post_init__(self):
        NetglotError.__init__(self, self.render())

    def render(self) -> str:
        """The message: one entry for each distinct refusal, with the number of places where it occurs."""
        head = f"{len(self.refused)} of {self.total} operations have no {self.target} form"
        groups: dict[tuple[str, Reason], list[RefusedOp]] = {}
        for refused in self.refused:
            groups.setdefault((refused.what, refused.reason), []).append(refused)
        lines = [head]
        for (what, reason), places in groups.items():
            first = places[0]
            more = f"     ({len(places)} places)" if len(places) > 1 else ""
            lines += ["", f"  {first.where or '(top level)'}    {what}    {first.site or ''}{more}".rstrip()]
            lines.append(f"      {reason}")
            if reason.advice:
                lines.append(f"      -> {reason.advice}")
        return "\n".join(lines)

    def __str__(self) -> str:
        return self.message
