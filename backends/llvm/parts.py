"""A big module as several, which are compiled at once and linked to each other."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

PART_SIZE = 50_000
"""About how much text makes a part worth a thread: some 30 ms of compilation."""
MOST_PARTS = 8


def parts_of(
    functions: Mapping[str, str], kernels: Sequence[str], declarations: Collection[str]
) -> tuple[str, ...]:
    """Modules of about equal size that have the functions between them; each but the last stands by
    itself, and the last uses kernels of the others. The same for the same functions.
    """
    rest = "\n".join(text for name, text in functions.items() if name not in kernels)
    total = sum(map(len, functions.values()))
    count = max(1, min(MOST_PARTS, total // PART_SIZE, len(kernels)))
    if count == 1:
        return ("\n".join([*functions.values(), *declarations]) + "\n",)
    groups: list[list[str]] = [[] for _ in range(count)]
    sizes = [0] * count
    sizes[-1] = len(rest)
    for name in sorted(kernels, key=lambda name: -len(functions[name])):
        lightest = sizes.index(min(sizes))
        groups[lightest].append(name)
        sizes[lightest] += len(functions[name])
    texts = [[_exported(functions[name], name) for name in group] for group in groups]
    texts[-1] += [f"declare void @{name}(ptr, i64)" for name in kernels if name not in groups[-1]]
    texts[-1].append(rest)
    return tuple("\n".join([*text, *declarations]) + "\n" for text in texts)


def _exported(text: str, name: str) -> str:
    return text.replace(f"define internal void @{name}(", f"define void @{name}(", 1)
