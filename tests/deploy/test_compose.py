"""deploy/compose.yaml, as docker-compose reads it, and what it promises."""

import pytest
import yaml

from deploy_tree import DEPLOY, copy_of, replace, run

COMPOSE = DEPLOY / "compose.yaml"
SECURE = DEPLOY / "compose.secure.yaml"


def read(*files):
    """What docker-compose makes of the files; it needs no engine for that."""
    flags = [flag for file in files for flag in ("-f", file)]
    return run("docker-compose", *flags, "config")


def services(*files):
    result = read(*files)
    assert (result.returncode, result.stderr) == (0, "")
    return yaml.safe_load(result.stdout)["services"]


def faults_of(found):
    """What a service may not have, or lacks."""
    faults = []
    for name, service in found.items():
        wanted = {"read_only": True, "cap_drop": ["ALL"],
                  "security_opt": ["no-new-privileges:true"]}
        faults += [f"{name}: {key} is {service.get(key)}" for key, value in wanted.items()
                   if service.get(key) != value]
        for port in service.get("ports", []):
            address = port if isinstance(port, str) else str(port)
            if not address.startswith("127.0.0.1:"):
                faults.append(f"{name}: {address} can be reached from other machines")
        if service["image"].endswith(":latest") or ":" not in service["image"]:
            faults.append(f"{name}: {service['image']} names no version")
        for volume in service.get("volumes", []):
            source, _, rest = str(volume).partition(":")
            if source.startswith("/") and not rest.endswith(":ro"):
                faults.append(f"{name}: may write to {source}")
    return faults


def test_docker_compose_reads_it():
    result = run("docker-compose", "-f", COMPOSE, "config", "-q")
    assert (result.returncode, result.stderr) == (0, "")


def test_the_services_keep_the_rules():
    found = services(COMPOSE)
    assert faults_of(found) == []
    assert found["batch"]["profiles"] == ["batch"]
    assert "profiles" not in found["server"]
    assert found["batch"]["depends_on"]["server"]["condition"] == "service_healthy"
    assert "--activate" not in found["batch"]["command"]


def test_the_secure_services_have_tls_and_tokens():
    found = services(COMPOSE, SECURE)
    assert faults_of(found) == []
    settings = found["server"]["environment"]
    assert settings["SCANSERVE_INSECURE_NO_TLS"] == settings["SCANSERVE_INSECURE_NO_AUTH"] == \
        "false"
    assert {"SCANSERVE_TLS_CERTIFICATE", "SCANSERVE_TLS_KEY", "SCANSERVE_TOKENS"} <= set(settings)
    for client in ("server", "batch"):
        assert found[client]["environment"]["SCANSERVE_TLS_CA"] == "/etc/scanserve/tls/ca.crt"
    config = found["prometheus"]["command"][0].rpartition("/")[2]
    scrape = yaml.safe_load((DEPLOY / "prometheus" / config).read_text(encoding="utf-8"))
    token = scrape["scrape_configs"][0]["authorization"]["credentials_file"]
    assert any(f":{token}:ro" in each for each in found["prometheus"]["volumes"])


def test_both_scrape_the_same():
    plain, secure = (yaml.safe_load((DEPLOY / "prometheus" / name).read_text(encoding="utf-8"))
                     for name in ("prometheus.yml", "prometheus.secure.yml"))
    secure["scrape_configs"][0].pop("authorization")
    assert plain == secure


def test_what_is_mounted_is_there():
    missing = [volume for service in services(COMPOSE).values()
               for volume in service.get("volumes", [])
               if volume.startswith("/") and not COMPOSE.parent.joinpath(
                   volume.split(":")[0]).exists()]
    assert missing == []


@pytest.mark.parametrize("old, new", [
    ("    profiles: [batch]\n", "    profile: [batch]\n"),
    ("    mem_limit: 2g\n", "    mem_limit: [2g]\n"),
    ("\nvolumes:\n  store:\n", "\nvolumes:\n"),
    ("services:\n", "service:\n"),
])
def test_docker_compose_finds(tmp_path, old, new):
    file = copy_of(COMPOSE, tmp_path)
    replace(file, old, new)
    assert run("docker-compose", "-f", file, "config", "-q").returncode != 0


@pytest.mark.parametrize("old, new, said", [
    ("      - ${LISTEN_ADDRESS:-127.0.0.1}:50051:50051\n", "      - 50051:50051\n", "other machines"),
    ("scanserve-tools:0.1.0", "scanserve-tools", "names no version"),
    ("./grafana/provisioning:/etc/grafana/provisioning:ro",
     "./grafana/provisioning:/etc/grafana/provisioning", "may write"),
    ("    read_only: true\n    cap_drop: [ALL]\n    security_opt: [\"no-new-privileges:true\"]\n"
     "    mem_limit: 2g\n", "    mem_limit: 2g\n", "server: read_only is None"),
])
def test_the_rules_find(tmp_path, old, new, said):
    file = copy_of(COMPOSE, tmp_path)
    replace(file, old, new)
    assert any(said in each for each in faults_of(services(file)))
