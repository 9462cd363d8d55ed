"""The C program of docs/deployment.md trains the model that the document exports."""

from pathlib import Path

import pytest

from tests.deploy.building import build, needs_cc, run
from tests.support.documents import code_blocks

MAIN = """
int main(void) {
    static float x[32 * 64];
    static int64_t t[32];
    for (int k = 0; k < 32 * 64; k++) x[k] = (float)(k % 7);
    return train(x, t, 32);
}
"""


@needs_cc
def test_the_documented_program_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    scope: dict[str, object] = {}
    for _, code in code_blocks("docs/deployment.md"):
        exec(code, scope)
    ((_, program),) = code_blocks("docs/deployment.md", "c")
    run(build(tmp_path, program + MAIN, str(tmp_path / "digits.o"), "-pthread", "-lm"))
    assert (tmp_path / "digits.safetensors").stat().st_size > 4 * 64 * 32
