"""The shape of the source tree: packages, the direction of imports, and what importing costs."""

import ast
import json
import os
import statistics
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = {"graphc": "graphc", "passes": "graphc.passes", "backends": "graphc.backends"}
MAX_LINES = 400
MAX_IMPORT_SECONDS = 0.15
MAX_MODULES = 136  # each takes some 0.3 ms of a first compilation

# What a package may import of graphc; a package that is not named here may import everything.
COMPOSITIONS = (
    "ir", "ops", "passes", "nn", "optim", "init", "control", "fft", "gradient_rules", "linalg",
    "random",
)  # fmt: skip
MAY_IMPORT = {
    "ir": ("ir",),
    "machine": ("ir",),
    "ops": ("ir", "machine", "ops"),
    "passes": ("ir", "machine", "ops", "passes"),
    "backends": ("ir", "machine", "ops", "passes", "backends"),
    "nn": COMPOSITIONS,
    "probability": (*COMPOSITIONS, "probability"),
    "vision": (*COMPOSITIONS, "vision"),
    "optim": COMPOSITIONS,
    "init": COMPOSITIONS,
}

# Never run, so no arrow turns round: what the ops attach to Tensor is told to type checkers alone.
TYPES_ONLY = {("graphc.ir.node", "graphc.ops.methods.TensorMethods")}

# Each module in a child of its own, so that no earlier import can have helped it but those of the
# packages that it lies in, with which Python begins: what these have loaded is loaded.
IMPORT_EACH = """
import json, os, sys, traceback

def failures(names):
    found, left = {}, sorted(set(names) - sys.modules.keys())
    while left:
        head = left[0]
        inside = [name for name in left if name == head or name.startswith(head + ".")]
        left = left[len(inside):]
        reader, writer = os.pipe()
        child = os.fork()
        if not child:
            try:
                __import__(head)
                report = failures(inside)
            except BaseException:
                report = {head: traceback.format_exc()[-2000:]}
            with open(writer, "w") as file:
                json.dump(report, file)
            os._exit(0)
        os.close(writer)
        with open(reader) as file:
            found.update(json.loads(file.read() or json.dumps({head: "the process has ended"})))
        os.waitpid(child, 0)
    return found

print(json.dumps(failures(sys.argv[1:])))
"""


def source_files() -> dict[str, Path]:
    """Module name to file, for every Python file of the three folders; links are not followed."""
    return {
        ".".join([package, *path.relative_to(ROOT / folder).with_suffix("").parts]).removesuffix(
            ".__init__"
        ): path
        for folder, package in FOLDERS.items()
        for path in files_below(ROOT / folder)
    }


def files_below(folder: Path) -> Iterator[Path]:
    for base, _, names in os.walk(folder):
        yield from (Path(base) / name for name in sorted(names) if name.endswith(".py"))


def in_fresh_python(code: str, *arguments: str) -> str:
    """What the code prints in a new interpreter, started outside the source tree."""
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd="/",
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def imports_of(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Each module of graphc that the tree imports, with the line."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        yield from ((name, node.lineno) for name in names if name.split(".")[0] == "graphc")


def run_at_import(tree: ast.Module) -> ast.Module:
    """The tree without what an import of it does not run: functions and TYPE_CHECKING blocks."""

    class Pruned(ast.NodeTransformer):
        def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
            return None

        def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> None:
            return None

        def visit_If(self, node: ast.If) -> ast.AST | list[ast.stmt]:
            kept = self.generic_visit(node)
            return node.orelse if ast.unparse(node.test).endswith("TYPE_CHECKING") else kept

    pruned: ast.Module = Pruned().visit(tree)
    return pruned


def layer_of(module: str) -> str:
    """The package directly inside graphc that a dotted name lies in; '' for graphc itself."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else ""


def wrong_imports(module: str, text: str) -> list[str]:
    """Sentences about the imports in a module's text that run against the arrows."""
    allowed = MAY_IMPORT.get(layer_of(module))
    tree = ast.parse(text)
    if allowed is not None:
        excused = {name for user, name in TYPES_ONLY if user == module}
        excused -= {name for name, _ in imports_of(run_at_import(ast.parse(text)))}
        return [
            f"{module}:{line} imports {name}"
            for name, line in imports_of(tree)
            if layer_of(name) not in allowed and name not in excused
        ]
    return [
        f"{module}:{line} imports {name} before it is asked for"
        for name, line in imports_of(run_at_import(tree))
        if module.count(".") <= 1 and layer_of(name) == "backends"
    ]


def test_the_package_list_equals_the_folders() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    files = source_files()
    folders = {
        name if path.name == "__init__.py" else name.rpartition(".")[0]
        for name, path in files.items()
    }
    assert sorted(project["tool"]["setuptools"]["packages"]) == sorted(folders)
    assert [name for name in folders if files.get(name, Path()).name != "__init__.py"] == []


def test_the_links_lead_to_the_folders() -> None:
    assert os.readlink(ROOT / "graphc" / "passes") == "../passes"
    assert os.readlink(ROOT / "graphc" / "backends") == "../backends"


def test_every_module_can_be_imported_first() -> None:
    failures = json.loads(in_fresh_python(IMPORT_EACH, *source_files()))
    assert not failures, "\n".join(f"{name}\n{text}" for name, text in failures.items())


@pytest.mark.parametrize("folder", ["passes", "backends"])
def test_a_folder_refuses_a_second_name(folder: str) -> None:
    code = f"""
import sys
sys.path.insert(0, {str(ROOT)!r})
try:
    import {folder}
except ImportError as error:
    print(error)
"""
    assert in_fresh_python(code).startswith(f"import this folder as graphc.{folder}, not as")


def test_imports_run_one_way() -> None:
    files = source_files().items()
    assert [wrong for name, path in files for wrong in wrong_imports(name, path.read_text())] == []


@pytest.mark.parametrize(
    ("module", "text"),
    [
        ("graphc.ir.node", "import graphc.ops.layout"),
        ("graphc.ir.node", "from graphc import ops"),
        ("graphc.ir.node", "import graphc"),
        ("graphc.ir.node", "from graphc import compile"),
        ("graphc.ir.node", "from graphc.ops.methods import TensorMethods"),
        ("graphc.ir.node", "if TYPE_CHECKING:\n    from graphc.ops.layout import reshape"),
        ("graphc.ops.layout", "def f():\n    from graphc.passes import fusion"),
        ("graphc.passes.fusion.fuse", "from graphc.backends.loops import expr"),
        ("graphc.passes.fusion.fuse", "from graphc.nn import Dense"),
        ("graphc.backends.cpu.pool", "from graphc.nn import Dense"),
        ("graphc.nn.dense", "from graphc.backends import reference"),
        ("graphc.api", "from graphc.backends.cpu import pool"),
        ("graphc", "if True:\n    import graphc.backends"),
    ],
)
def test_an_import_against_the_arrows_is_found(module: str, text: str) -> None:
    assert len(wrong_imports(module, text)) == 1


@pytest.mark.parametrize(
    ("module", "text"),
    [
        ("graphc.ir.node", "import numpy\nfrom graphc.ir.types import Type"),
        ("graphc.ir.node", "if TYPE_CHECKING:\n    from graphc.ops.methods import TensorMethods"),
        ("graphc.ops.layout", "from graphc.ir import node\nfrom graphc.ops import cast"),
        ("graphc.backends.cpu.pool", "from graphc.passes.fusion.fuse import Kernel"),
        ("graphc.optim.adam", "from graphc.init import zeros\nfrom graphc.passes import reverse"),
        ("graphc.api", "def compile():\n    from graphc.backends.cpu import pool"),
        ("graphc.api", "if TYPE_CHECKING:\n    from graphc.backends.cpu import pool"),
        ("graphc.deploy.export", "from graphc.backends.cpu import pool"),
    ],
)
def test_an_import_along_the_arrows_passes(module: str, text: str) -> None:
    assert wrong_imports(module, text) == []


def test_imports_are_absolute() -> None:
    relative = [
        f"{name}:{node.lineno}"
        for name, path in source_files().items()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom) and node.level
    ]
    assert relative == []


def test_importing_graphc_loads_no_code_generator() -> None:
    code = "import sys, graphc; print(*{name.split('.')[0] for name in sys.modules})"
    assert {"numba", "llvmlite"}.isdisjoint(in_fresh_python(code).split())


def test_a_product_loads_no_convolutions_nests_or_tuner() -> None:
    code = """
import sys
import graphc as gc

a, b = (gc.placeholder(name, (64, 64)) for name in "ab")
gc.compile([a, b], a @ b).program.calls
print(*sys.modules)
"""
    loaded = in_fresh_python(code).split()
    assert "graphc.backends.lower.products.contraction" in loaded
    assert "graphc.backends.lower.convolutions" not in loaded
    assert "graphc.backends.lower.nests.lines" not in loaded
    assert "graphc.backends.cpu.tuner" not in loaded


def test_a_small_compilation_loads_few_modules(tmp_path: Path) -> None:
    code = """
import os, sys
os.environ["GRAPHC_CACHE_DIR"] = sys.argv[1]
import graphc as gc

x = gc.placeholder("x", (64,))
y = gc.tanh(x)
before = set(sys.modules)
gc.compile([x], y).program.calls
print(*sys.modules.keys() - before)
"""
    loaded = in_fresh_python(code, str(tmp_path / "cache")).split()
    assert "graphc.backends.math.tabled" in loaded or "graphc.backends.math.hyperbolic" in loaded
    needless = ("math.gamma", "math.root", "cpu.python_call", "llvm.timers", "numba")
    assert {f"graphc.backends.{name}" for name in needless}.isdisjoint(loaded)
    assert len(loaded) <= MAX_MODULES


def test_importing_graphc_is_quick_beside_numpy() -> None:
    # Processor time, not wall time: what else the machine does is no part of the cost.
    clock = "time.process_time()"
    code = f"import time, numpy; t = {clock}; import graphc; print({clock} - t)"
    in_fresh_python(code)  # bytecode is written by the first import
    seconds = [float(in_fresh_python(code)) for _ in range(5)]
    assert statistics.median(seconds) < MAX_IMPORT_SECONDS


def test_no_file_is_long() -> None:
    lines = {name: len(path.read_text().splitlines()) for name, path in source_files().items()}
    assert {name: count for name, count in lines.items() if count > MAX_LINES} == {}


def test_the_continuous_check_runs_the_test_command_of_the_readme() -> None:
    command = 'python -m pip install -e ".[test]" && python -m pytest -n auto'
    assert f"\n    {command}\n" in (ROOT / "README.md").read_text()
    assert f"'{command}'" in (ROOT / ".ci" / "run").read_text()


def test_public_names_are_those_that_an_editor_offers() -> None:
    import graphc

    assert dir(graphc) == sorted(graphc.__all__)
    assert all(hasattr(graphc, name) for name in graphc.__all__)
