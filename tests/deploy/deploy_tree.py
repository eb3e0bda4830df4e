"""Where things stand: deploy/, the programs that check it, and how each is run."""

import functools
import os
import shutil
import subprocess
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
TOOL_SECONDS = 120


def run(*command, **options) -> subprocess.CompletedProcess:
    """Runs a program to its end; its output is text, and its failure is the caller's to judge."""
    return subprocess.run([str(each) for each in command], capture_output=True, text=True,
                          stdin=subprocess.DEVNULL, timeout=TOOL_SECONDS, check=False, **options)


@functools.cache
def deploy_tools() -> Path:
    """The folder that scripts/setup unpacks kubectl and the Python modules into."""
    return Path(run(ROOT / "scripts" / "setup", "--print-deploy-tools").stdout.strip())


def render(overlay: Path) -> subprocess.CompletedProcess:
    """What `kubectl kustomize` makes of an overlay."""
    return run(deploy_tools() / "bin" / "kubectl", "kustomize", overlay)


def rendered(overlay: Path) -> list[dict]:
    """The objects of an overlay."""
    result = render(overlay)
    assert result.returncode == 0, result.stderr
    assert "Warning" not in result.stderr, result.stderr
    return list(yaml.safe_load_all(result.stdout))


def overlays() -> list[str]:
    return sorted(each.name for each in (DEPLOY / "kubernetes" / "overlays").iterdir())


def copy_of(path: Path, folder: Path) -> Path:
    """A copy of a file or folder of the tree that a test may break."""
    target = folder / path.name
    if path.is_dir():
        shutil.copytree(path, target)
    else:
        shutil.copy(path, target)
    return target


def replace(path: Path, old: str, new: str) -> None:
    """Plants a fault in a file: the text must be there exactly once."""
    text = path.read_text(encoding="utf-8")
    assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in {path}"
    path.write_text(text.replace(old, new), encoding="utf-8")


def program(name: str) -> str:
    """The path of a built program."""
    return os.path.join(os.environ["SCANSERVE_BIN"], name)
