"""The unit of deploy/systemd, as systemd itself reads and judges it."""

import pytest

from deploy_tree import DEPLOY, copy_of, program, replace, run

UNIT = DEPLOY / "systemd" / "scanserve.service"
# Of 100: what systemd calls well protected begins below 20.
MOST_EXPOSURE = 20


def unit_in(folder):
    """A copy of the unit that starts the server that was built."""
    unit = copy_of(UNIT, folder)
    replace(unit, "ExecStart=/usr/local/bin/scanserve-server",
            f"ExecStart={program('scanserve-server')}")
    return unit


def verify(unit):
    return run("systemd-analyze", "verify", "--man=no", unit)


def judge(unit):
    return run("systemd-analyze", "security", "--offline=true", f"--threshold={MOST_EXPOSURE}",
               unit)


def test_systemd_understands_the_unit(tmp_path):
    result = verify(unit_in(tmp_path))
    assert (result.returncode, result.stdout + result.stderr) == (0, "")


def test_the_unit_exposes_little(tmp_path):
    result = judge(unit_in(tmp_path))
    assert result.returncode == 0, result.stdout


@pytest.mark.parametrize("old, new", [
    ("RestartSec=2", "RestartSec=soon"),
    ("ProtectHome=yes", "ProtectHomes=yes"),
    ("ExecReload=/bin/kill -HUP $MAINPID", "ExecReload=/no/such/kill -HUP $MAINPID"),
    ("[Install]", "[Instal]"),
])
def test_systemd_finds(tmp_path, old, new):
    unit = unit_in(tmp_path)
    replace(unit, old, new)
    result = verify(unit)
    assert result.returncode != 0 or result.stderr, result.stdout


@pytest.mark.parametrize("lines", [
    ("SystemCallFilter=@system-service\n", "SystemCallFilter=~@privileged @resources\n"),
    ("CapabilityBoundingSet=\n", "PrivateUsers=yes\n"),
    ("User=scanserve\n", "NoNewPrivileges=yes\n", "PrivateDevices=yes\n", "ProtectSystem=strict\n",
     "ProtectHome=yes\n"),
])
def test_an_unprotected_unit_is_found(tmp_path, lines):
    unit = unit_in(tmp_path)
    for line in lines:
        replace(unit, line, "")
    assert judge(unit).returncode != 0


def test_the_unit_waits_for_the_drain():
    text = UNIT.read_text(encoding="utf-8")
    assert "TimeoutStopSec=75\n" in text
    assert "ExecReload=/bin/kill -HUP $MAINPID\n" in text
