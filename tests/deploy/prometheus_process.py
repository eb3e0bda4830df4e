"""Debian's prometheus as a process of a test, with the rules that deploy/ ships."""

import json
import shutil
import socket
import subprocess
import urllib.parse
import urllib.request
from pathlib import Path

import yaml

from deadline import wait_until
from deploy_tree import DEPLOY

START_SECONDS = 60
ANSWER_SECONDS = 30
# The shipped rules are evaluated at this pace; their windows stay as they are.
INTERVAL = "1s"


def free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return listening.getsockname()[1]


class PrometheusProcess:
    """Scrapes one server each second; ready once this is made."""

    def __init__(self, folder: Path, target: str):
        shutil.copytree(DEPLOY / "prometheus" / "rules", folder / "rules")
        recording = folder / "rules" / "recording.yml"
        recording.write_text(recording.read_text(encoding="utf-8").replace(
            "interval: 30s", f"interval: {INTERVAL}"), encoding="utf-8")
        config = yaml.safe_load((DEPLOY / "prometheus/prometheus.yml").read_text(encoding="utf-8"))
        config["global"] = {"scrape_interval": INTERVAL, "evaluation_interval": INTERVAL}
        config["scrape_configs"][0]["static_configs"] = [
            # A pod's labels, as discovery adds them in a cluster.
            {"targets": [target], "labels": {"namespace": "scanserve", "pod": "scanserve-0"}}]
        file = folder / "prometheus.yml"
        file.write_text(yaml.safe_dump(config), encoding="utf-8")
        self.address = f"127.0.0.1:{free_port()}"
        self.log = folder / "prometheus.log"
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", "prometheus", f"--config.file={file}",
                 f"--storage.tsdb.path={folder / 'data'}", f"--web.listen-address={self.address}"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        wait_until(lambda: self.process.poll() is not None or self.answers(), "Prometheus' start",
                   START_SECONDS)
        assert self.process.poll() is None, self.log.read_text(encoding="utf-8")[-4000:]

    def get(self, path: str) -> dict:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(f"http://{self.address}{path}", timeout=ANSWER_SECONDS) as answer:
            return json.loads(answer.read())

    def answers(self) -> bool:
        try:
            return self.get("/api/v1/status/runtimeinfo")["status"] == "success"
        except OSError:
            return False

    def query(self, expression: str) -> list[dict]:
        """What an expression shows now: one entry for each series."""
        answer = self.get("/api/v1/query?" + urllib.parse.urlencode({"query": expression}))
        return answer["data"]["result"]

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(ANSWER_SECONDS)
