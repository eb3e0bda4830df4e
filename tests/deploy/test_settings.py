"""The settings that deploy/ gives the server, read by the server itself."""

import re

import pytest
import yaml

from authority import Authority
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


@pytest.fixture(scope="module")
def secrets(tmp_path_factory) -> dict[str, str]:
    """Files for the settings that name one, which a deployment mounts."""
    authority = Authority(tmp_path_factory.mktemp("secrets") / "authority")
    issued = authority.issue("server")
    tokens = authority.folder / "tokens"
    made = run(program("scanctl"), "token", "new", tokens, "--role", "admin")
    assert made.returncode == 0, made.stderr
    return {"SCANSERVE_TLS_CERTIFICATE": str(issued.certificate),
            "SCANSERVE_TLS_KEY": str(issued.key),
            "SCANSERVE_TLS_CLIENT_CA": str(authority.certificate),
            "SCANSERVE_TOKENS": str(tokens)}


def check(settings: dict[str, str], secrets: dict[str, str]):
    """What the server says to its settings; it reads them and nothing else."""
    here = {name: secrets.get(name, value) if value else value for name, value in settings.items()}
    return run(program("scanserve-server"), "--check-config",
               env={"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", **here})


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
def test_the_server_takes_the_settings(settings, secrets):
    result = check(settings, secrets)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize("change, said", [
    ({"SCANSERVE_THREAD": "2"}, "SCANSERVE_THREAD"),
    ({"SCANSERVE_DRAIN_DELAY": "soon"}, "SCANSERVE_DRAIN_DELAY"),
    ({"SCANSERVE_TLS_KEY": ""}, "tls"),
    ({"SCANSERVE_MODEL_DIGEST": "latest"}, "--model-digest latest"),
    ({"SCANSERVE_TOKENS": ""}, "insecure-no-auth"),
])
def test_a_false_setting_is_found(change, said, secrets):
    result = check(SETTINGS["production"] | change, secrets)
    assert result.returncode != 0
    assert said in result.stderr
