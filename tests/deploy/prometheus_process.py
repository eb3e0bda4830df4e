"""Debian's prometheus as a process of a test, with the rules that deploy/ ships."""

import json
import re
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
SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
# The shipped rules are evaluated at this pace; their windows stay as they are.
INTERVAL = "1s"


def free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return listening.getsockname()[1]


def hurried(rules: str, pace: int) -> str:
    """Rules whose windows and waiting times are all divided by one factor."""
    def shorter(match: re.Match) -> str:
        seconds = int(match.group(2)) * SECONDS[match.group(3)] // pace
        return f"{match.group(1)}{seconds}s"

    return re.sub(r"(\[|for: )(\d+)([smhd])", shorter, rules)


class PrometheusProcess:
    """Scrapes servers each second, with a token if one is given; ready once this is made."""

    def __init__(self, folder: Path, targets: list[str], pace: int = 1, token: str = ""):
        shutil.copytree(DEPLOY / "prometheus" / "rules", folder / "rules")
        alerts = folder / "rules" / "alerts.yml"
        alerts.write_text(hurried(alerts.read_text(encoding="utf-8"), pace), encoding="utf-8")
        recording = folder / "rules" / "recording.yml"
        recording.write_text(recording.read_text(encoding="utf-8").replace(
            "interval: 30s", f"interval: {INTERVAL}"), encoding="utf-8")
        config = yaml.safe_load((DEPLOY / "prometheus/prometheus.yml").read_text(encoding="utf-8"))
        config["global"] = {"scrape_interval": INTERVAL, "evaluation_interval": INTERVAL}
        config["scrape_configs"][0]["static_configs"] = [
            # A pod's labels, as discovery adds them in a cluster.
            {"targets": [target], "labels": {"namespace": "scanserve", "pod": f"scanserve-{number}"}}
            for number, target in enumerate(targets)]
        if token:
            config["scrape_configs"][0]["authorization"] = {"credentials": token}
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

    def firing(self) -> set[str]:
        """The alerts that fire now."""
        alerts = self.get("/api/v1/alerts")["data"]["alerts"]
        return {each["labels"]["alertname"] for each in alerts if each["state"] == "firing"}

    def fired(self, alert: str) -> list[dict[str, str]]:
        """The labels of each series for which an alert has fired, whether it does still or not."""
        found = self.query(f'last_over_time(ALERTS{{alertname="{alert}",alertstate="firing"}}[1h])')
        return [each["metric"] for each in found]

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(ANSWER_SECONDS)
