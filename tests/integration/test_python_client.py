"""client/python works as its README says: stubs from one script, and the example."""

import os
import subprocess
import sys

from repository import ROOT

FOLDER = ROOT / "client" / "python"


def test_the_example_switches_an_order_on_and_back_off(server, tmp_path):
    subprocess.run([FOLDER / "make_stubs", tmp_path], check=True, timeout=60)
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run([sys.executable, FOLDER / "example.py", server.address], env=environment,
                          check=True, timeout=120, capture_output=True, text=True)
    lines = done.stdout.splitlines()
    natural, permuted = lines.index("order: identity"), lines.index("order: example")
    after = len(lines) - 1 - lines[::-1].index("order: identity")
    assert natural < permuted < after
    assert lines[natural + 1] == lines[after + 1] != lines[permuted + 1]
    assert "hidden states: (19, 256)" in lines
