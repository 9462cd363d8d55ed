"""`tune`: schedules that were measured to be quicker, and the file that keeps them."""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from graphc.executable import Executable
from graphc.ir.errors import GraphError
from graphc.ir.record import dataclass
from graphc.ir.whole_file import whole_file

__all__ = ["TunedKernel", "Tuning", "load_tuning", "tune"]

FORMAT = "graphc tuning 1"


@dataclass(frozen=True)
class TunedKernel:
    """The choice for one kernel: its `identity` is a hash of what it computes, `isa` the set of
    instructions it is for, `what` says in words what it does, `choice` are fields of its schedule.
    `before` and `after` are the seconds that a call spent in it, without and with the choice.
    """

    isa: str
    identity: str
    what: str
    choice: Mapping[str, int | bool]
    before: float
    after: float

    def __str__(self) -> str:
        chosen = ", ".join(f"{name}={value}" for name, value in self.choice.items())
        times = f"{self.before * 1e6:.1f} us -> {self.after * 1e6:.1f} us"
        return f"{self.what} on {self.isa}: {times} with {chosen}"


@dataclass(frozen=True)
class Tuning:
    """Choices for kernels, whatever functions these are in. `print` it to see them; `a | b` has
    those of both, and b's where both have one.
    """

    kernels: tuple[TunedKernel, ...] = ()

    def __len__(self) -> int:
        return len(self.kernels)

    def __str__(self) -> str:
        return "\n".join(map(str, self.kernels)) or "no kernel has become quicker"

    def __or__(self, other: Tuning) -> Tuning:
        both = {(k.isa, k.identity): k for k in (*self.kernels, *other.kernels)}
        return Tuning(tuple(both.values()))

    def choices(self, isa: str) -> dict[str, Mapping[str, int | bool]]:
        """The choice for each kernel, by identity, for one instruction set."""
        return {k.identity: k.choice for k in self.kernels if k.isa == isa}

    def save(self, path: str | Path) -> None:
        """Writes a file of JSON, whole or not at all."""
        records = [{name: getattr(k, name) for name in _FIELDS} for k in self.kernels]
        text = json.dumps({"format": FORMAT, "kernels": records}, indent=2)
        with whole_file(path) as file:
            file.write(text.encode() + b"\n")


_FIELDS = {
    "isa": str,
    "identity": str,
    "what": str,
    "choice": dict,
    "before": float,
    "after": float,
}


def load_tuning(path: str | Path) -> Tuning:
    """The choices that `Tuning.save` has written.

    A choice that this version of graphc does not know is left out, with a warning. Raises
    GraphError for a file that holds something else.
    """
    from graphc.backends.lower.choices import is_choice

    kept = []
    for kernel in _read(Path(path)):
        unknown = [n for n, value in kernel.choice.items() if not is_choice(n, value)]
        if unknown:
            told = ", ".join(f"{name} = {kernel.choice[name]!r}" for name in unknown)
            warnings.warn(
                f"{path}: the choice for {kernel.what} is left out: this version of graphc knows "
                f"no {told}\n  hint: tune again",
                stacklevel=2,
            )
        else:
            kept.append(kernel)
    return Tuning(tuple(kept))


def _read(path: Path) -> Iterable[TunedKernel]:
    try:
        found = json.loads(path.read_text())
    except (ValueError, RecursionError) as error:
        raise GraphError(f"{path} is damaged or no tuning: {error}") from None
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        kind = found.get("format") if isinstance(found, dict) else type(found).__name__
        raise GraphError(f"{path} is no tuning of this version: {kind!r}, not {FORMAT!r}")
    records = found.get("kernels")
    if not isinstance(records, list):
        raise GraphError(f"{path} is damaged: it has no list of kernels")
    return [_kernel(path, k, record) for k, record in enumerate(records)]


def _kernel(path: Path, number: int, record: Any) -> TunedKernel:
    for name, kind in _FIELDS.items():
        value = record.get(name) if isinstance(record, dict) else None
        if not isinstance(value, kind):
            raise GraphError(
                f"{path} is damaged: {name!r} of kernel {number} is {value!r}, "
                f"not a {kind.__name__}"
            )
    return TunedKernel(*(record[name] for name in _FIELDS))


def tune(function: Executable, *arrays: Any, seconds: float = 30.0, **named: Any) -> Tuning:
    """Schedules that make the kernels of a compiled function quicker, for these arguments.

    `function` comes from `compile`, for the CPU; `arrays` are arguments as it takes them, such as
    it will be called with. For about so many seconds, tiles, blocks, vector axes and shares of
    threads are varied, and the kernels timed in place, in turn with those as they are; a choice is
    kept where its gain is beyond the noise, twice. Nothing changes: variables keep their values,
    and `function` its code. Give the result to `compile` or keep it in a file:

        tuning = gc.tune(f, x, seconds=20)
        tuning.save("f.tuning")
        f = gc.compile([x_], y, tuning=gc.load_tuning("f.tuning"))

    Results stay the same but for the order in which sums are taken, which is fixed by the choice.
    Raises GraphError for other targets.
    """
    from graphc.backends.cpu.tuner import tuned
    from graphc.targets import variables_of

    if not isinstance(function, Executable) or function.target != "cpu":
        what = function.target if isinstance(function, Executable) else type(function).__name__
        raise GraphError(f"only functions compiled for the CPU can be tuned, not {what!r}")
    stages, isa = function.stages, function.machine
    arguments = function.signature.bind(arrays, named or None)
    found = tuned(
        stages.graph,
        variables_of(stages.source),
        stages.plain_schedule(),
        isa,
        function.signature.bind,
        arguments,
        seconds,
    )
    return Tuning(
        tuple(
            TunedKernel(isa.family, t.name, t.what, t.found.choice, t.found.before, t.found.after)
            for t in found
        )
    )


def digest(choices: Mapping[str, Mapping[str, int | bool]]) -> str:
    """A hash of choices, whatever their order."""
    text = json.dumps(choices, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()
