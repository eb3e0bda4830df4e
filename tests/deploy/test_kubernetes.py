"""The manifests of deploy/kubernetes: rendered, against Kubernetes' schemas, and what they promise.

Each check is shown to find what it looks for: a fault is planted, and the check must name it.
"""

import copy
import json
from pathlib import Path

import jsonschema
import kubernetes_validate
import pytest
import yaml

from deploy_tree import DEPLOY, copy_of, overlays, render, rendered, replace
from kubernetes_objects import of_kind, pod_template
from kubernetes_rules import faults_of

VERSIONS = ("1.28", "1.36")
SERVICE_MONITOR = json.loads(
    (Path(__file__).parent / "service_monitor.schema.json").read_text(encoding="utf-8"))
OVERLAYS = {name: rendered(DEPLOY / "kubernetes" / "overlays" / name) for name in overlays()}


def schema_fault(each: dict, version: str) -> str | None:
    """What a schema says against an object."""
    try:
        if each["kind"] == "ServiceMonitor":
            jsonschema.validate(each, SERVICE_MONITOR)
        else:
            kubernetes_validate.validate(each, version, strict=True)
    except (jsonschema.ValidationError, kubernetes_validate.ValidationError) as error:
        return f"{each['kind']}: {error.message}"
    return None


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("overlay", OVERLAYS)
def test_kubernetes_knows_every_field(overlay, version):
    faults = [schema_fault(each, version) for each in OVERLAYS[overlay]]
    assert [each for each in faults if each] == []


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_the_manifests_keep_the_rules(overlay):
    assert faults_of(overlay, OVERLAYS[overlay]) == []


def test_production_has_every_part():
    kinds = [each["kind"] for each in OVERLAYS["production"]]
    assert sorted(set(kinds)) == ["ConfigMap", "CronJob", "Deployment", "NetworkPolicy",
                                  "PersistentVolumeClaim", "Service", "ServiceMonitor"]
    assert len(of_kind(OVERLAYS["production"], "Deployment")) == 1


def test_activating_is_all_that_the_activating_overlay_adds():
    changed = copy.deepcopy(OVERLAYS["production"])
    job = of_kind(changed, "CronJob")[0]
    pod_template(job)["spec"]["containers"][0]["args"].append("--activate")
    assert changed == OVERLAYS["production-activates"]


def test_a_model_image_takes_the_place_of_the_claim(tmp_path):
    tree = copy_of(DEPLOY / "kubernetes", tmp_path)
    replace(tree / "overlays/production/kustomization.yaml", "components/model-claim",
            "components/model-image")
    objects = rendered(tree / "overlays" / "production")
    assert [schema_fault(each, VERSIONS[0]) for each in objects if schema_fault(each, VERSIONS[0])
            ] == []
    assert faults_of("production", objects) == []
    pod = pod_template(of_kind(objects, "Deployment")[0])["spec"]
    assert [each["name"] for each in pod["initContainers"]] == ["model"]


def test_a_changed_setting_makes_a_new_pod(tmp_path):
    tree = copy_of(DEPLOY / "kubernetes", tmp_path)
    replace(tree / "base/kustomization.yaml", "SCANSERVE_THREADS=2", "SCANSERVE_THREADS=4")

    def source(objects):
        pod = pod_template(of_kind(objects, "Deployment")[0])["spec"]
        return pod["containers"][0]["envFrom"][0]["configMapRef"]["name"]

    assert source(rendered(tree / "overlays/production")) != source(OVERLAYS["production"])


# A change of one file, and what the schemas then say.
BROKEN_FILES = [
    ("base/deployment.yaml", "readOnlyRootFilesystem: true", "readOnlyRootFilesytem: true",
     "readOnlyRootFilesytem"),
    ("base/deployment.yaml", "terminationGracePeriodSeconds: 75",
     'terminationGracePeriodSeconds: "75"', "'75'"),
    ("base/service.yaml", "clusterIP: None", "clusterIPs: None", "'None'"),
    ("base/network-policy.yaml", "            matchLabels:\n              scanserve-client",
     "            matchLabel:\n              scanserve-client", "matchLabel"),
    ("components/batch-job/cron-job.yaml", "concurrencyPolicy", "concurrency", "concurrency"),
    ("components/monitoring/service-monitor.yaml", "scrapeTimeout: 10s", "scrapeTimeout: ten",
     "ten"),
    ("components/monitoring/service-monitor.yaml", "path: /metrics", "url: /metrics", "url"),
]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("path, old, new, said", BROKEN_FILES)
def test_the_schemas_find(tmp_path, path, old, new, said, version):
    tree = copy_of(DEPLOY / "kubernetes", tmp_path)
    replace(tree / path, old, new)
    faults = [schema_fault(each, version) for each in rendered(tree / "overlays/production")]
    assert any(said in each for each in faults if each), faults


@pytest.mark.parametrize("path, old, new", [
    ("base/kustomization.yaml", "  - service.yaml\n", "  - services.yaml\n"),
    ("components/model-claim/kustomization.yaml", "behavior: merge", "behavior: create"),
    ("components/batch-job-activates/kustomization.yaml", "containers/0/args", "containers/1/args"),
])
def test_rendering_finds(tmp_path, path, old, new):
    tree = copy_of(DEPLOY / "kubernetes", tmp_path)
    replace(tree / path, old, new)
    assert render(tree / "overlays" / "production-activates").returncode != 0


def server_pod(objects):
    return pod_template(of_kind(objects, "Deployment")[0])["spec"]


def server(objects):
    return server_pod(objects)["containers"][0]


def job(objects):
    return pod_template(of_kind(objects, "CronJob")[0])["spec"]["containers"][0]


def named(objects, kind, name):
    return next(each for each in of_kind(objects, kind) if each["metadata"]["name"] == name)


def policy(objects, name):
    return named(objects, "NetworkPolicy", name)["spec"]


def settings(objects):
    return of_kind(objects, "ConfigMap")[0]["data"]


AUTOSCALER = {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler",
              "metadata": {"name": "scanserve"}, "spec": {}}
# What is done to the objects of production, and a part of the sentence that must come of it.
FAULTS = {
    "root": (lambda o: server_pod(o)["securityContext"].update(runAsNonRoot=False),
             "runAsNonRoot is False"),
    "root's number": (lambda o: server_pod(o)["securityContext"].update(runAsUser=0),
                      "runAsUser is 0"),
    "a writable root": (lambda o: server(o)["securityContext"].pop("readOnlyRootFilesystem"),
                        "readOnlyRootFilesystem is None"),
    "a capability": (lambda o: job(o)["securityContext"]["capabilities"].update(add=["NET_RAW"]),
                     "capabilities is"),
    "no seccomp": (lambda o: server_pod(o)["securityContext"].pop("seccompProfile"),
                   "seccompProfile is None"),
    "privileged": (lambda o: server(o)["securityContext"].update(privileged=True),
                   "privileged is set"),
    "the host's network": (lambda o: server_pod(o).update(hostNetwork=True), "hostNetwork is set"),
    "a folder of the host": (
        lambda o: server_pod(o)["volumes"].append({"name": "h", "hostPath": {"path": "/etc"}}),
        "mounts the host's /etc"),
    "a cluster token": (lambda o: server_pod(o).pop("automountServiceAccountToken"),
                        "automountServiceAccountToken is None"),
    "service links": (lambda o: server_pod(o).update(enableServiceLinks=True),
                      "enableServiceLinks is True"),
    "no request": (lambda o: server(o)["resources"]["requests"].pop("memory"),
                   "requests.memory is missing"),
    "no memory limit": (lambda o: job(o)["resources"].pop("limits"), "limits.memory is missing"),
    "a limit below the request": (lambda o: server(o)["resources"]["limits"].update(memory="1Mi"),
                                  "asks for more memory"),
    "no startup probe": (lambda o: server(o).pop("startupProbe"), "startupProbe does not get"),
    "liveness by readiness": (
        lambda o: server(o)["livenessProbe"]["httpGet"].update(path="/readyz"),
        "livenessProbe does not get"),
    "another port": (lambda o: settings(o).update(SCANSERVE_HTTP_LISTEN="0.0.0.0:9000"),
                     "SCANSERVE_HTTP_LISTEN is"),
    "a service of nobody": (
        lambda o: of_kind(o, "Service")[0]["spec"]["selector"].update(app="other"),
        "selects no pod"),
    "a port of nobody": (
        lambda o: of_kind(o, "Service")[0]["spec"]["ports"][0].update(targetPort="g"),
        "port grpc leads nowhere"),
    "a monitor of nobody": (
        lambda o: of_kind(o, "ServiceMonitor")[0]["spec"]["endpoints"][0].update(port="metrics"),
        "finds no port metrics"),
    "one address for all": (lambda o: of_kind(o, "Service")[0]["spec"].pop("clusterIP"),
                            "is not headless"),
    "killed while draining": (
        lambda o: settings(o).update(SCANSERVE_DRAIN_DEADLINE="2m"), "drains for up to 130 s"),
    "two replicas": (lambda o: of_kind(o, "Deployment")[0]["spec"].update(replicas=2),
                     "2 replicas on one folder"),
    "a rolling update": (
        lambda o: of_kind(o, "Deployment")[0]["spec"].update(strategy={"type": "RollingUpdate"}),
        "a rolling update"),
    "an autoscaler": (lambda o: o.append(AUTOSCALER), "is one server on one folder"),
    "a shared claim": (
        lambda o: of_kind(o, "PersistentVolumeClaim")[0]["spec"].update(
            accessModes=["ReadWriteMany"]), "mounted by several nodes"),
    "no denial": (lambda o: policy(o, "scanserve-deny")["policyTypes"].pop(),
                  "no policy denies everything"),
    "no denial of all pods": (
        lambda o: policy(o, "scanserve-deny")["podSelector"]["matchLabels"].update(a="b"),
        "no policy denies everything"),
    "open to anybody": (lambda o: policy(o, "scanserve-server")["ingress"][0].pop("from"),
                        "opens server <- anybody"),
    "open to a namespace": (
        lambda o: policy(o, "scanserve-server")["ingress"][0]["from"][0].pop("podSelector"),
        "opens server <- pods any of any namespace: grpc/TCP"),
    "open on every port": (lambda o: policy(o, "scanserve-server")["ingress"][1].pop("ports"),
                           ": any/TCP"),
    "out to the internet": (
        lambda o: policy(o, "scanserve-batch")["egress"][0]["to"].append(
            {"ipBlock": {"cidr": "0.0.0.0/0"}}), "opens batch -> addresses 0.0.0.0/0"),
    "no names": (lambda o: policy(o, "scanserve-dns").update(egress=[]), "does not open any ->"),
    "closed to monitoring": (lambda o: policy(o, "scanserve-server")["ingress"].pop(),
                             "does not open server <- pods any of kubernetes.io"),
    "a job that nobody lets in": (
        lambda o: pod_template(of_kind(o, "CronJob")[0])["metadata"]["labels"].pop(
            "scanserve-client"), "no clients of the server"),
    "a pod without policies": (
        lambda o: pod_template(of_kind(o, "CronJob")[0])["metadata"]["labels"].update(
            {"app.kubernetes.io/name": "batch"}), "the policies do not know its pods"),
    "weights that can be written": (lambda o: server(o)["volumeMounts"][0].pop("readOnly"),
                                    "may write to /models/served"),
    "no weights": (lambda o: server(o)["volumeMounts"].pop(0),
                   "nothing is mounted at /models/served"),
    "a secret for all": (
        lambda o: server_pod(o)["volumes"][2]["secret"].update(defaultMode=0o444),
        "can be read by everybody"),
    "no volume": (lambda o: server_pod(o)["volumes"].pop(1), "there is no volume store"),
    "no settings": (lambda o: o.remove(of_kind(o, "ConfigMap")[0]), "there is no config map"),
    "two jobs at once": (
        lambda o: of_kind(o, "CronJob")[0]["spec"].update(concurrencyPolicy="Replace"),
        "two runs at once"),
    "a job without an end": (
        lambda o: of_kind(o, "CronJob")[0]["spec"]["jobTemplate"]["spec"].pop(
            "activeDeadlineSeconds"), "a run without an end"),
    "a job that activates": (lambda o: job(o)["args"].append("--activate"), "activates"),
    "no tokens": (lambda o: settings(o).pop("SCANSERVE_TOKENS"), "SCANSERVE_TOKENS is not set"),
    "no TLS by name": (lambda o: settings(o).update(SCANSERVE_INSECURE_NO_TLS="true"),
                       "SCANSERVE_INSECURE_NO_TLS"),
}


@pytest.mark.parametrize("plant, said", FAULTS.values(), ids=FAULTS)
def test_the_rules_find(plant, said):
    objects = copy.deepcopy(OVERLAYS["production"])
    plant(objects)
    faults = faults_of("production", objects)
    assert any(said in each for each in faults), faults


def test_another_overlay_may_not_do_what_a_name_allows():
    assert any("activates" in each
               for each in faults_of("production", OVERLAYS["production-activates"]))
    assert any("INSECURE" in each for each in faults_of("production", OVERLAYS["trial"]))


@pytest.mark.parametrize("path", sorted((DEPLOY / "kubernetes").rglob("*.yaml")),
                         ids=lambda path: str(path.relative_to(DEPLOY)))
def test_every_file_is_used(path):
    """A manifest that no kustomization names is deployed by nobody."""
    if path.name == "kustomization.yaml":
        return
    names = yaml.safe_load((path.parent / "kustomization.yaml").read_text(encoding="utf-8"))
    used = names.get("resources", []) + [each.get("path") for each in names.get("patches", [])]
    assert path.name in used
