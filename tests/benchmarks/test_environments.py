"""What is made ready before peers are measured."""

import importlib.util
import sys
from pathlib import Path

import graphc

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
from environments import write_byte_code


def test_every_module_of_graphc_has_byte_code():
    write_byte_code(sys.executable)
    top = Path(graphc.__file__).parent
    for module in ("ir/node.py", "passes/pipeline.py", "backends/llvm/engine.py"):
        assert Path(importlib.util.cache_from_source(str(top / module))).exists()
