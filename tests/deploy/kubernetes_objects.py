"""Reads what the rules ask for out of rendered manifests."""

import re
from collections.abc import Iterator

UNITS = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30}
SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600}


def of_kind(objects: list[dict], *kinds: str) -> list[dict]:
    return [each for each in objects if each["kind"] in kinds]


def name_of(each: dict) -> str:
    return f"{each['kind']} {each['metadata']['name']}"


def pod_template(workload: dict) -> dict:
    spec = workload["spec"]
    return spec["jobTemplate"]["spec"]["template"] if workload["kind"] == "CronJob" \
        else spec["template"]


def workloads(objects: list[dict]) -> Iterator[tuple[str, dict, dict]]:
    """Name, object and pod of everything that runs pods."""
    for each in of_kind(objects, "Deployment", "CronJob", "Job", "StatefulSet", "DaemonSet"):
        yield name_of(each), each, pod_template(each)["spec"]


def containers(objects: list[dict]) -> Iterator[tuple[str, dict, dict]]:
    """Name, pod and container, init containers among them."""
    for name, _, pod in workloads(objects):
        for container in pod.get("initContainers", []) + pod["containers"]:
            yield f"{name}, container {container['name']}", pod, container


def bytes_of(quantity: str) -> int:
    number, unit = re.fullmatch(r"(\d+)(Ki|Mi|Gi)", str(quantity)).groups()
    return int(number) * UNITS[unit]


def seconds_of(duration: str) -> float:
    return sum(float(number) * SECONDS[unit]
               for number, unit in re.findall(r"([\d.]+)(ms|s|m|h)", duration))


def settings_of(objects: list[dict], container: dict) -> dict[str, str]:
    """The variables of a container: its config maps, then its own."""
    maps = {each["metadata"]["name"]: each["data"] for each in of_kind(objects, "ConfigMap")}
    settings = {}
    for source in container.get("envFrom", []):
        settings |= maps.get(source["configMapRef"]["name"], {})
    return settings | {each["name"]: each["value"] for each in container.get("env", [])}


def servers(objects: list[dict]) -> Iterator[tuple[str, dict, dict, dict[str, str]]]:
    """Name, Deployment, container and settings of each server."""
    for name, workload, pod in workloads(objects):
        for container in pod["containers"]:
            if container["name"] == "server":
                yield name, workload, container, settings_of(objects, container)
