"""The settings that deploy/ gives the server, read by the server itself."""

import re

import pytest
import yaml

from deploy_tree import DEPLOY, overlays, program, rendered, run
from kubernetes_objects import servers


def overlay_settings(name: str) -> dict[str, str]:
    return next(settings for _, _, _, settings in servers(
        rendered(DEPLOY / "kubernetes" / "overlays" / name)))


def compose_settings(*files: str) -> dict[str, str]:
    flags = [flag for file in files for flag in ("-f", str(DEPLOY / file))]
    services = yaml.safe_load(run("docker-compose", *flags, "config").stdout)["services"]
    return services["server"]["environment"]


def unit_settings() -> dict[str, str]:
    text = (DEPLOY / "systemd" / "scanserve.service").read_text(encoding="utf-8")
    return dict(re.findall(r"^Environment=(\w+)=(.*)$", text, re.MULTILINE))


SETTINGS = {name: overlay_settings(name) for name in overlays()} | {
    "compose": compose_settings("compose.yaml"),
    "compose, secure": compose_settings("compose.yaml", "compose.secure.yaml"),
    "systemd": unit_settings(),
}


def check(settings: dict[str, str]):
    """What the server says to its settings; it reads them and nothing else."""
    return run(program("scanserve-server"), "--check-config",
               env={"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", **settings})


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
def test_the_server_takes_the_settings(settings):
    result = check(settings)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize("change, said", [
    ({"SCANSERVE_THREAD": "2"}, "SCANSERVE_THREAD"),
    ({"SCANSERVE_DRAIN_DELAY": "soon"}, "SCANSERVE_DRAIN_DELAY"),
    ({"SCANSERVE_TLS_KEY": ""}, "tls"),
    ({"SCANSERVE_TOKENS": ""}, "insecure-no-auth"),
])
def test_a_false_setting_is_found(change, said):
    result = check(SETTINGS["production"] | change)
    assert result.returncode != 0
    assert said in result.stderr
