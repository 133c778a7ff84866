"""Who may import whom, held by reading the imports."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "charrnn"
FILES = sorted(path for path in PACKAGE.rglob("*.py"))
CORE = [path for path in FILES if path.parent == PACKAGE]

# A module may import from those in the lines above its own, never from its own line or below.
LAYERS = """
errors
settings events files recurrence threads
vocabulary
corpus engine
batches sampling model optimizer sizing checkpoint verdict
ensemble learner
evaluation runs card memory neurons copied
insight
pretrained
training jobs export
worker
bundle
__init__
ui
__main__
"""
RANK = {name: rank for rank, line in enumerate(LAYERS.split("\n")) for name in line.split()}


def name_of(path: Path) -> str:
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return parts[0]


def imports(path: Path) -> set[str]:
    """Absolute names of all that a file imports, at its top or inside its functions."""
    package = ("charrnn", *path.relative_to(PACKAGE).parent.parts) if path.is_relative_to(PACKAGE) else ()
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = list(package[: len(package) - node.level + 1]) if node.level else []
            base += node.module.split(".") if node.module else []
            found |= {".".join(base), *(".".join([*base, alias.name]) for alias in node.names)}
    return found


def inside(path: Path) -> set[str]:
    """The modules of charrnn that a file imports; `ui` for all of charrnn/ui."""
    return {name.split(".")[1] for name in imports(path) if name.startswith("charrnn.")} & set(RANK)


def outside(path: Path) -> set[str]:
    return {name.split(".")[0] for name in imports(path)}


def ids(paths):
    return [str(path.relative_to(ROOT)) for path in paths]


def test_the_readers_here_see_imports():
    assert {"torch", "numpy"} <= outside(PACKAGE / "training.py")
    assert {"engine", "settings"} <= inside(PACKAGE / "training.py")
    assert "worker" in inside(PACKAGE / "__main__.py")  # inside a function
    assert "runs" in inside(PACKAGE / "ui" / "train.py")  # two dots


@pytest.mark.parametrize("path", FILES, ids=ids(FILES))
def test_gradio_stays_in_the_page(path):
    if path.parent != PACKAGE / "ui":
        assert not {name for name in outside(path) if name.startswith("gradio")}
    else:
        assert "torch" not in outside(path)


@pytest.mark.parametrize("path", FILES, ids=ids(FILES))
def test_only_the_command_line_prints(path):
    if path.name == "__main__.py":
        return
    calls = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
    assert not [c.lineno for c in calls if isinstance(c.func, ast.Name) and c.func.id in ("print", "input", "exec", "eval")]


@pytest.mark.parametrize("path", CORE, ids=ids(CORE))
def test_imports_point_one_way(path):
    name = name_of(path)
    assert name in RANK, f"{name} is not in LAYERS: write down where it belongs"
    upward = {other for other in inside(path) if RANK[other] >= RANK[name] and other != name}
    assert not upward, f"{name} imports {upward}"


@pytest.mark.parametrize("path", FILES, ids=ids(FILES))
def test_no_path_is_a_module_constant(path):
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, (ast.Assign, ast.AnnAssign)):
            called = {c.func.id for c in ast.walk(node) if isinstance(c, ast.Call) and isinstance(c.func, ast.Name)}
            named = {c.id for c in ast.walk(node) if isinstance(c, ast.Name)}
            assert "Path" not in called and "__file__" not in named, f"line {node.lineno}"


@pytest.mark.parametrize("path", CORE, ids=ids(CORE))
def test_nothing_is_unpickled(path):
    assert not {"pickle", "shelve", "marshal", "dill", "joblib"} & outside(path)
    assert "torch.load" not in path.read_text() and "allow_pickle" not in path.read_text()


def test_what_needs_no_torch_does_not_import_it():
    """Torch takes seconds and hundreds of megabytes; a page that only reads and generates has no use for it."""
    names = ("page", "runs", "sampling", "checkpoint", "jobs", "verdict", "sizing", "corpus")
    modules = [f"charrnn.{'ui.' if name == 'page' else ''}{name}" for name in names] + ["charrnn.__main__"]
    code = f"import sys, {', '.join(modules)}; sys.exit('torch' in sys.modules)"
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    assert subprocess.run([sys.executable, "-c", code], env=environment, timeout=60).returncode == 0


def test_no_module_is_a_drawer_of_leftovers():
    assert not [path.name for path in FILES if path.stem in ("utils", "helpers", "common", "misc")]
