"""Builds the images of the Dockerfile with buildah, without a daemon and without a registry."""

import json
import os
import subprocess
from pathlib import Path

from deploy_tree import ROOT, run

BASE = "localhost/debian-12"
STAGED = "localhost/scanserve-staged"
CERTIFICATES = "etc/ssl/certs/ca-certificates.crt"
BUILD_SECONDS = 600
# Everything from nothing: packages, LibTorch, and the compile.
COMPILE_SECONDS = 5400


def base_file_system() -> Path:
    """A minimal Debian 12 as a tar file; debootstrap makes it once for all runs on a machine."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "scanserve"
    tar = cache / "debian-12-base.tar"
    if not tar.exists():
        tree = cache / f"debian-12-base.{os.getpid()}"
        try:
            tool("debootstrap", "--variant=minbase", "--include=ca-certificates", "bookworm", tree)
            # The build of an image reaches what this machine reaches, by the same authorities.
            tool("cp", f"/{CERTIFICATES}", tree / CERTIFICATES)
            tool("tar", "-C", tree, "-cf", f"{tree}.tar", ".")
            os.rename(f"{tree}.tar", tar)
        finally:
            run("rm", "-rf", tree, f"{tree}.tar")
    return tar


def tool(*command, seconds: float = BUILD_SECONDS) -> str:
    """What a program prints; its failure is the test's."""
    result = subprocess.run([str(each) for each in command], capture_output=True, text=True,
                            stdin=subprocess.DEVNULL, timeout=seconds, check=False)
    assert result.returncode == 0, f"{command}\n{result.stdout[-4000:]}\n{result.stderr[-4000:]}"
    return result.stdout


class Images:
    """A store of images in a folder that is the test's own."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.mounted: dict[str, Path] = {}

    def buildah(self, *arguments, **options) -> str:
        return tool("buildah", "--storage-driver", "vfs", "--root", self.folder / "store",
                    "--runroot", self.folder / "run", *arguments, **options)

    def add_base(self) -> None:
        container = self.buildah("from", "scratch").strip()
        self.buildah("add", "--quiet", container, base_file_system(), "/")
        self.buildah("config", "--env", f"PIP_CERT=/{CERTIFICATES}", container)
        self.buildah("commit", "--quiet", "--rm", container, BASE)

    def add_staged(self, build: Path) -> None:
        """What `scripts/stage-image` makes of a finished build, as an image to copy from."""
        context = self.folder / "staged"
        tool(ROOT / "scripts" / "stage-image", build, context / "opt/scanserve")
        container = self.buildah("from", "scratch").strip()
        self.buildah("add", "--quiet", container, context, "/")
        self.buildah("commit", "--quiet", "--rm", container, STAGED)

    def add_compiled(self) -> None:
        """The same, set up and compiled in an image of its own as the Dockerfile says."""
        self._build_target("build", STAGED, seconds=COMPILE_SECONDS)

    def build(self, target: str) -> None:
        """One image of the Dockerfile, out of the build that is already there."""
        self._build_target(target, f"localhost/{target}", "--build-arg", f"STAGED={STAGED}")

    def _build_target(self, target: str, tag: str, *flags: str, **options) -> None:
        self.buildah("bud", "--quiet", "--isolation", "chroot", "--pull-never", "--format",
                     "docker", "--build-arg", f"BASE={BASE}", "--build-arg", "REVISION=test",
                     *flags, "--target", target, "--tag", tag, ROOT, **options)

    def mount(self, name: str) -> Path:
        """The file system of an image."""
        if name not in self.mounted:
            container = self.buildah("from", "--pull-never", f"localhost/{name}").strip()
            self.mounted[name] = Path(self.buildah("mount", container).strip())
        return self.mounted[name]

    def config(self, name: str) -> dict:
        """What the image says of itself, as Docker reads it."""
        image = json.loads(self.buildah("inspect", "--type", "image", f"localhost/{name}"))
        return image["Docker"]["config"]


def bytes_in(tree: Path) -> int:
    """The sizes of a tree's files, each counted once."""
    sizes = {}
    for folder, _, names in os.walk(tree):
        for name in names:
            status = os.lstat(os.path.join(folder, name))
            sizes[status.st_dev, status.st_ino] = status.st_size
    return sum(sizes.values())
