"""The rules of the tree that a compiler does not check, as functions from a tree to its faults.

Each rule takes the root of a tree and returns one sentence per fault, naming file and line.
"""

import os
import re
from collections.abc import Iterator

# Folders of core/ and those whose headers and targets each may use: never one above it.
CORE_MAY_USE = {
    "base": {"base"},
    "ops": {"base", "ops"},
    "order": {"base", "order"},
    "compare": {"base", "compare"},
    "experiment": {"base", "compare", "experiment"},
    "store": {"base", "order", "experiment", "store"},
    "model": {"base", "ops", "order", "model"},
    "runtime": {"base", "ops", "order", "model", "runtime"},
}
# The batch job and the command line need no model, so they carry neither it nor LibTorch.
CLIENT_MAY_USE = {"base", "order", "compare"}

LIBTORCH_INCLUDE = re.compile(r'#\s*include\s*[<"](torch|ATen|c10|caffe2)/')
LIBTORCH_FILES = {"core/ops/torch_linear.cc", "tests/core/ops/torch_linear_test.cc"}

FORBIDDEN_IN_CORE = {
    "gRPC": re.compile(r'#\s*include\s*[<"](grpc|grpcpp|grpc\+\+)/|gRPC::'),
    "protobuf": re.compile(
        r'#\s*include\s*[<"](google/protobuf/|proto/|[^">]*\.pb\.h)|protobuf::|scanserve::proto'),
    "flags": re.compile(r'#\s*include\s*[<"]CLI/|CLI11::'),
    "the environment": re.compile(r"\b(secure_)?getenv\s*\(|\benviron\b"),
    "signals": re.compile(r"#\s*include\s*<c?signal(\.h)?>|\b(signal|sigaction)\s*\("),
    "main": re.compile(r"\bint\s+main\s*\("),
    "the server or a client": re.compile(r'#\s*include\s*"(server|client)/'),
}

# Paths outside the tree, and package indexes by address: what is needed is here or comes through
# the ordinary clients, which know where from.
FORBIDDEN_MENTIONS = re.compile(
    r"\.\./shared\b|(?<![\w.])/(work|root)/"
    r"|pypi\.org|pythonhosted\.org|download\.pytorch\.org|deb\.debian\.org")

CMAKE_TARGET = re.compile(r"\bscanserve(?:::|_)(base|ops|order|compare|experiment|store|model|runtime)\b")
CORE_INCLUDE = re.compile(r'#\s*include\s*"core/(\w+)/')
MARKDOWN_LINK = re.compile(r"\]\(([^)\s#]+)[^)]*\)")
VAGUE_NAME = re.compile(r"(^|_)(util|utils|helper|helpers|common|misc|manager)(_|$)")

# A character or string literal, or a comment: the literals come along so that a "//" in one of
# them does not start a comment.
LITERAL_OR_COMMENT = re.compile(
    r"""("(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*')|//[^\n]*|/\*.*?\*/""", re.DOTALL)


def files(root: str) -> Iterator[str]:
    """Paths of the tree's files from its root, without build results and hidden folders."""
    for folder, subfolders, names in os.walk(root):
        subfolders[:] = sorted(
            name for name in subfolders
            if name == ".ci" or not (name.startswith(".") or name in {"build", "__pycache__"}))
        for name in sorted(names):
            yield os.path.relpath(os.path.join(folder, name), root)


def text_of(root: str, path: str) -> str | None:
    """The text of a file, or None if it holds something else."""
    with open(os.path.join(root, path), "rb") as file:
        data = file.read()
    try:
        return None if b"\0" in data else data.decode()
    except UnicodeDecodeError:
        return None


def code_of(root: str, path: str) -> str:
    """C++ or CMake text with its comments blanked; lines keep their numbers."""
    text = text_of(root, path) or ""
    if not path.endswith((".h", ".cc", ".cu", ".proto")):
        return re.sub(r"#[^\n]*", "", text)
    return LITERAL_OR_COMMENT.sub(
        lambda match: match.group(1) or "\n" * match.group(0).count("\n"), text)


def lines_matching(text: str, pattern: re.Pattern) -> Iterator[tuple[int, re.Match]]:
    for match in pattern.finditer(text):
        yield text.count("\n", 0, match.start()) + 1, match


def is_code(path: str) -> bool:
    return path.endswith((".h", ".cc", ".cu")) or os.path.basename(path) == "CMakeLists.txt"


def core_has_no_edges(root: str) -> list[str]:
    """core/ knows nothing of the service around it."""
    faults = []
    for path in filter(is_code, files(root)):
        if not path.startswith("core/"):
            continue
        code = code_of(root, path)
        for what, pattern in FORBIDDEN_IN_CORE.items():
            faults += [f"{path}:{line}: {what} in core"
                       for line, _ in lines_matching(code, pattern)]
    return faults


def uses_go_one_way(root: str) -> list[str]:
    """Inside core/ nothing uses a folder above it; client/ and proto/ use no model."""
    faults = []
    for path in filter(is_code, files(root)):
        parts = path.split("/")
        if parts[0] == "core" and len(parts) > 2:
            user = f"core/{parts[1]}"
            allowed = CORE_MAY_USE.get(parts[1])
        elif parts[0] == "client" or path.startswith("tests/client/"):
            user, allowed = parts[0], CLIENT_MAY_USE
        elif parts[0] == "proto":
            user, allowed = "proto", set()
        else:
            continue
        if allowed is None:
            faults.append(f"{path}: {user} has no place in the order of core's folders")
            continue
        pattern = CMAKE_TARGET if path.endswith("CMakeLists.txt") else CORE_INCLUDE
        faults += [f"{path}:{line}: {user} must not use core/{match.group(1)}"
                   for line, match in lines_matching(code_of(root, path), pattern)
                   if match.group(1) not in allowed]
    return faults


def libtorch_has_one_door(root: str) -> list[str]:
    """One source file, and its test, include LibTorch's headers."""
    return [f"{path}:{line}: LibTorch is included outside core/ops/torch_linear.cc"
            for path in filter(is_code, files(root)) if path not in LIBTORCH_FILES
            for line, _ in lines_matching(code_of(root, path), LIBTORCH_INCLUDE)]


def refers_to_nothing_outside(root: str) -> list[str]:
    """The tree is complete in itself."""
    faults = []
    for path in files(root):
        # This file and its test name what they look for.
        if path.startswith("tests/repository/"):
            continue
        faults += [f"{path}:{line}: refers to '{match.group(0)}'" for line, match in
                   lines_matching(text_of(root, path) or "", FORBIDDEN_MENTIONS)]
    return faults


def links_lead_somewhere(root: str) -> list[str]:
    """Each relative link of a Markdown page leads to a file of the tree."""
    faults = []
    for path in files(root):
        if not path.endswith(".md"):
            continue
        for line, match in lines_matching(text_of(root, path) or "", MARKDOWN_LINK):
            target = match.group(1)
            if "://" in target or target.startswith("mailto:"):
                continue
            if not os.path.exists(os.path.join(root, os.path.dirname(path), target)):
                faults.append(f"{path}:{line}: the link to {target} leads nowhere")
    return faults


def names_say_something(root: str) -> list[str]:
    """No file or folder has a name that fits everything."""
    faults = []
    for path in files(root):
        if any(VAGUE_NAME.search(part.split(".")[0].lower()) for part in path.split("/")):
            faults.append(f"{path}: the name does not say what is in it")
    return faults


RULES = (core_has_no_edges, uses_go_one_way, libtorch_has_one_door, refers_to_nothing_outside,
         links_lead_somewhere, names_say_something)
