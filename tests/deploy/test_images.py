"""The images of the Dockerfile: built by buildah out of the build that is tested, run in namespaces.

With SCANSERVE_COMPILE_IN_IMAGE=1 the build is made from nothing in an image too, for 15 minutes and more.
"""

import copy
import json
import os
import re
import shutil
import signal
import tempfile
from pathlib import Path

import pytest

from authority import Authority
from container import SERVER_ADDRESS, USER, Container, connect
from deadline import wait_until
from deploy_tree import ROOT, program, run
from images import Images, bytes_in

MOST_TOOLS_BYTES = 60_000_000
START_SECONDS = 120
SERVER = "/usr/local/bin/scanserve-server"
STORE = "/var/lib/scanserve"
PORT = 50051
SECRETS = "/srv"
SECURE = ("--tls-certificate", f"{SECRETS}/tls.crt", "--tls-key", f"{SECRETS}/tls.key", "--tokens",
          f"{SECRETS}/tokens")


@pytest.fixture(scope="module")
def images():
    with tempfile.TemporaryDirectory(prefix="scanserve-images-") as folder:
        made = Images(Path(folder))
        made.add_base()
        if os.environ.get("SCANSERVE_COMPILE_IN_IMAGE"):
            made.add_compiled()
        else:
            made.add_staged(Path(os.environ["SCANSERVE_BIN"]).parent)
        made.build("tools")
        made.build("server")
        yield made
        made.buildah("umount", "--all")


@pytest.fixture
def start(tmp_path):
    """Makes containers that end with the test."""
    made = []

    def container(root, *command, **options):
        made.append(Container(root, *command, **options))
        return made[-1]

    yield container
    for each in made:
        each.kill()


@pytest.fixture
def store(tmp_path):
    """A volume, which belongs to the user of the image."""
    folder = tmp_path / "store"
    folder.mkdir()
    os.chown(folder, USER, USER)
    return folder


@pytest.fixture
def secrets(tmp_path):
    """A certificate for the name `server`, its authority, and a list of one token."""
    folder = tmp_path / "secrets"
    folder.mkdir(mode=0o700)
    authority = Authority(tmp_path / "authority")
    issued = authority.issue("server")
    shutil.copy(authority.certificate, folder / "ca.crt")
    shutil.copy(issued.certificate, folder / "tls.crt")
    shutil.copy(issued.key, folder / "tls.key")
    token = run(program("scanctl"), "token", "new", folder / "tokens", "--role", "admin")
    assert token.returncode == 0, token.stderr
    (folder / "token").write_text(token.stdout, encoding="utf-8")
    for path in (folder, *folder.iterdir()):
        os.chown(path, USER, USER)
    return folder


def image_faults(name: str, config: dict) -> list[str]:
    """What an image's description must say."""
    program = {"server": SERVER, "tools": "/usr/local/bin/scanorder"}[name]
    version = re.search(r"project\(scanserve VERSION ([\d.]+)",
                        (ROOT / "CMakeLists.txt").read_text(encoding="utf-8")).group(1)
    labels = config["Labels"]
    wanted = {
        "user": (config["User"], f"{USER}:{USER}"),
        "entry point": (config["Entrypoint"], [program]),
        "version": (labels.get("org.opencontainers.image.version"), version),
        "revision": (labels.get("org.opencontainers.image.revision"), "test"),
        "title": (bool(labels.get("org.opencontainers.image.title")), True),
        "description": (bool(labels.get("org.opencontainers.image.description")), True),
    }
    if name == "server":
        wanted["ports"] = (sorted(config["ExposedPorts"]), ["50051/tcp", "8002/tcp"])
        wanted["volumes"] = (list(config["Volumes"]), [STORE])
        wanted["health check"] = (config.get("Healthcheck", {}).get("Test"),
                                  ["CMD", "/usr/local/bin/scanctl", "--timeout", "4s", "health"])
    return [f"{what} is {found!r}, not {expected!r}"
            for what, (found, expected) in wanted.items() if found != expected]


@pytest.mark.parametrize("name", ["server", "tools"])
def test_an_image_says_what_it_is(images, name):
    assert image_faults(name, images.config(name)) == []


@pytest.mark.parametrize("key, value, said", [
    ("User", "", "user"), ("User", "root", "user"), ("Entrypoint", ["/bin/sh"], "entry point"),
    ("Healthcheck", {}, "health check"), ("Labels", {}, "revision"), ("Volumes", {}, "volumes"),
])
def test_a_false_description_is_found(images, key, value, said):
    config = copy.deepcopy(images.config("server"))
    config[key] = value
    assert any(each.startswith(said) for each in image_faults("server", config))


def test_the_tools_are_small_and_without_libtorch(images):
    tools, base = images.mount("tools"), images.mount("debian-12")
    assert bytes_in(tools) - bytes_in(base) < MOST_TOOLS_BYTES
    assert sorted(each.name for each in (tools / "usr/local/bin").iterdir()) == ["scanctl",
                                                                                "scanorder"]
    assert not list((tools / "usr/local").rglob("*.so*"))


@pytest.mark.parametrize("name", ["server", "tools"])
def test_the_bill_of_materials_is_complete(images, name):
    root = images.mount(name)
    written = run(ROOT / "scripts" / "sbom", root, f"scanserve-{name}", "0.1.0")
    assert written.returncode == 0, written.stderr
    bill = json.loads(written.stdout)
    named = {(each["name"], each["versionInfo"]) for each in bill["packages"]}
    installed = run("chroot", root, "dpkg", "--list").stdout
    rows = [line.split() for line in installed.splitlines() if line.startswith("ii ")]
    assert {(row[1].split(":")[0], row[2]) for row in rows} <= named
    assert ("torch" in {each for each, _ in named}) == (name == "server")
    identities = [each["SPDXID"] for each in bill["packages"]]
    assert len(set(identities)) == len(identities)
    contained = {each["relatedSpdxElement"] for each in bill["relationships"]}
    assert contained == set(identities)


def test_nothing_but_the_store_can_be_written(images, start, store):
    places = "/ /etc /usr/local/bin /usr/local/lib/scanserve /var/lib /var/tmp /root /home"
    container = start(images.mount("server"), "/bin/sh", "-c",
                      f"for place in {places} {STORE}; do touch $place/written 2>/dev/null &&"
                      " echo $place; done; grep -E 'Cap(Prm|Eff|Bnd)|NoNewPrivs' /proc/self/status",
                      mounts={STORE: store})
    container.start()
    _, output = container.finish()
    assert output.split() == [STORE, "CapPrm:", "0" * 16, "CapEff:", "0" * 16, "CapBnd:", "0" * 16,
                              "NoNewPrivs:", "1"]


CLIENT = (f"SCANSERVE_TLS_CA={SECRETS}/ca.crt", f"SCANSERVE_TOKEN_FILE={SECRETS}/token")
BATCH = """
set -e
scanctl health
if SCANSERVE_TOKEN_FILE= scanctl info; then exit 3; fi
if SCANSERVE_TLS_CA= SCANSERVE_TOKEN_FILE= scanctl health; then exit 4; fi
scanctl generate Hello --max-new-tokens 4 >/dev/null
scanorder run --corpus /srv/corpus.txt --name tour --out /tmp/tour
scanctl orders list
"""


def test_process_1_serves_the_batch_job_and_stops_when_asked(images, start, store, secrets,
                                                             tmp_path):
    (secrets / "corpus.txt").write_text(
        (ROOT / "models/scanserve-6m/README.md").read_text(encoding="utf-8"), encoding="utf-8")
    server = start(images.mount("server"), SERVER, "--listen", f"0.0.0.0:{PORT}", *SECURE,
                   "--port-file", f"{STORE}/port", "--drain-delay", "0s",
                   mounts={STORE: store, SECRETS: secrets})
    hosts = tmp_path / "hosts"
    hosts.write_text(f"{SERVER_ADDRESS} server\n", encoding="utf-8")
    client = start(images.mount("tools"), "env", f"SCANSERVE_SERVER=server:{PORT}", *CLIENT, "sh",
                   "-c", BATCH, mounts={SECRETS: secrets, "/etc/hosts": hosts})
    connect(server, client)
    server.start()
    wait_until(lambda: (store / "port").exists() or server.process.poll() is not None,
               "the server's start", START_SECONDS)
    assert server.process.poll() is None, server.finish()

    client.start()
    status, output = client.finish()
    assert status == 0, output
    assert "SERVING" in output and "tour" in output.splitlines()[-1], output
    check = images.config("server")["Healthcheck"]["Test"][1:]
    assert run(*server.inside(), "env", CLIENT[0], *check).returncode == 0

    assert server.numbers()[-1] == 1
    os.kill(server.pid(), signal.SIGTERM)
    status, output = server.finish()
    assert status == 0, output
