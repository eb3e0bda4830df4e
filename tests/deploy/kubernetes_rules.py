"""What must hold of the manifests beyond Kubernetes' schemas, as functions from objects to faults.

Each rule takes the objects of one overlay, as they are rendered, and returns a sentence per fault.
"""

from collections.abc import Iterator

from kubernetes_objects import (bytes_of, containers, name_of, of_kind, pod_template, seconds_of,
                                servers, settings_of, workloads)

# Whom a pod of ScanServe may hear from, and whom it may speak to.
ALLOWED_TRAFFIC = {
    "server <- pods scanserve-client=true of any namespace: grpc/TCP",
    "server <- pods any of kubernetes.io/metadata.name=monitoring: http/TCP",
    "any -> pods k8s-app=kube-dns of kubernetes.io/metadata.name=kube-system: 53/UDP",
    "any -> pods k8s-app=kube-dns of kubernetes.io/metadata.name=kube-system: 53/TCP",
    "batch -> pods app.kubernetes.io/component=server,app.kubernetes.io/name=scanserve of its own:"
    " 50051/TCP",
}


def may_do_little(objects: list[dict]) -> list[str]:
    """Not root, no capability, nothing to write but what is mounted, the usual system calls."""
    faults = []
    for name, pod, container in containers(objects):
        context = pod.get("securityContext", {}) | container.get("securityContext", {})
        wanted = {"runAsNonRoot": True, "readOnlyRootFilesystem": True,
                  "allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]},
                  "seccompProfile": {"type": "RuntimeDefault"}, "runAsUser": 65532,
                  "runAsGroup": 65532}
        faults += [f"{name}: {key} is {context.get(key)!r}, not {value!r}"
                   for key, value in wanted.items() if context.get(key) != value]
        faults += [f"{name}: {key} is set" for key in ("privileged",) if context.get(key)]
    for name, _, pod in workloads(objects):
        faults += [f"{name}: {key} is set" for key in ("hostNetwork", "hostPID", "hostIPC")
                   if pod.get(key)]
        faults += [f"{name}: mounts the host's {each['hostPath']['path']}"
                   for each in pod.get("volumes", []) if "hostPath" in each]
    return faults


def holds_no_cluster_credentials(objects: list[dict]) -> list[str]:
    """No token of a service account, and no variables that the server would read as options."""
    return [f"{name}: {key} is {pod.get(key)!r}, not False" for name, _, pod in workloads(objects)
            for key in ("automountServiceAccountToken", "enableServiceLinks")
            if pod.get(key) is not False]


def asks_for_resources(objects: list[dict]) -> list[str]:
    """Processor and memory are asked for, and memory has an end."""
    faults = []
    for name, _, container in containers(objects):
        resources = container.get("resources", {})
        requests, limits = resources.get("requests", {}), resources.get("limits", {})
        missing = [f"requests.{key}" for key in ("cpu", "memory") if key not in requests]
        missing += [] if "memory" in limits else ["limits.memory"]
        faults += [f"{name}: {each} is missing" for each in missing]
        if not missing and bytes_of(limits["memory"]) < bytes_of(requests["memory"]):
            faults.append(f"{name}: asks for more memory than its limit")
    return faults


def is_probed(objects: list[dict]) -> list[str]:
    """Kubernetes asks over HTTP whether the server has loaded, lives and wants requests."""
    faults = []
    wanted = {"startupProbe": "/readyz", "livenessProbe": "/healthz", "readinessProbe": "/readyz"}
    for name, _, container, _ in servers(objects):
        for probe, path in wanted.items():
            get = container.get(probe, {}).get("httpGet", {})
            if (get.get("path"), get.get("port")) != (path, "http"):
                faults.append(f"{name}: {probe} does not get {path} from the port http")
    return faults


def ports_agree(objects: list[dict]) -> list[str]:
    """The server listens where its container, the Service and the monitor say."""
    faults = []
    for name, _, container, settings in servers(objects):
        ports = {each["name"]: each["containerPort"] for each in container["ports"]}
        for port, setting in (("grpc", "SCANSERVE_LISTEN"), ("http", "SCANSERVE_HTTP_LISTEN")):
            if settings.get(setting) != f"0.0.0.0:{ports.get(port)}":
                faults.append(f"{name}: {setting} is {settings.get(setting)}, port {port} is"
                              f" {ports.get(port)}")
        labels = pod_template(of_kind(objects, "Deployment")[0])["metadata"]["labels"]
        for service in of_kind(objects, "Service"):
            if not service["spec"]["selector"].items() <= labels.items():
                faults.append(f"{name_of(service)} selects no pod")
            faults += [f"{name_of(service)}: port {each['name']} leads nowhere"
                       for each in service["spec"]["ports"] if each["targetPort"] not in ports]
    for monitor in of_kind(objects, "ServiceMonitor"):
        selector = monitor["spec"]["selector"]["matchLabels"]
        ports = [port["name"] for service in of_kind(objects, "Service")
                 if selector.items() <= service["metadata"]["labels"].items()
                 for port in service["spec"]["ports"]]
        faults += [f"{name_of(monitor)}: finds no port {each['port']}"
                   for each in monitor["spec"]["endpoints"] if each["port"] not in ports]
    return faults


def service_is_headless(objects: list[dict]) -> list[str]:
    """Clients see each pod's address."""
    return [f"{name_of(each)} is not headless" for each in of_kind(objects, "Service")
            if each["spec"].get("clusterIP") != "None"]


def stops_in_time(objects: list[dict]) -> list[str]:
    """Kubernetes waits longer than the server takes to drain."""
    faults = []
    for name, workload, _, settings in servers(objects):
        grace = pod_template(workload)["spec"].get("terminationGracePeriodSeconds", 30)
        needed = 5 + sum(seconds_of(settings.get(each, "")) for each in
                         ("SCANSERVE_DRAIN_DELAY", "SCANSERVE_DRAIN_DEADLINE"))
        if grace <= needed:
            faults.append(f"{name}: is killed after {grace} s, drains for up to {needed:.0f} s")
    return faults


def a_folder_has_one_server(objects: list[dict]) -> list[str]:
    """A store that is a folder is one server's: no second pod, not for the length of an update."""
    faults = []
    for name, workload, _, settings in servers(objects):
        if "SCANSERVE_STORE" not in settings:
            continue
        spec = workload["spec"]
        if spec.get("replicas", 1) != 1:
            faults.append(f"{name}: {spec['replicas']} replicas on one folder")
        if spec.get("strategy", {}).get("type") != "Recreate":
            faults.append(f"{name}: a rolling update puts a second pod on its folder")
        faults += [f"{name_of(each)}: {name} is one server on one folder"
                   for each in of_kind(objects, "HorizontalPodAutoscaler", "PodDisruptionBudget")]
        faults += [f"{name_of(each)}: can be mounted by several nodes"
                   for each in of_kind(objects, "PersistentVolumeClaim")
                   if each["spec"]["accessModes"] != ["ReadWriteOnce"]]
    return faults


def peer_text(peer: dict) -> str:
    def labels(selector):
        pairs = (selector or {}).get("matchLabels", {})
        return ",".join(f"{key}={value}" for key, value in sorted(pairs.items())) or "any"

    if "ipBlock" in peer:
        return f"addresses {peer['ipBlock']['cidr']}"
    if "namespaceSelector" not in peer:
        return f"pods {labels(peer.get('podSelector'))} of its own"
    namespace = labels(peer["namespaceSelector"])
    return f"pods {labels(peer.get('podSelector'))} of " + \
        ("any namespace" if namespace == "any" else namespace)


def traffic(objects: list[dict]) -> Iterator[str]:
    """Everything that the network policies open, a line each."""
    for policy in of_kind(objects, "NetworkPolicy"):
        spec = policy["spec"]
        pods = spec["podSelector"]["matchLabels"].get("app.kubernetes.io/component", "any")
        for key, peers, arrow in (("ingress", "from", "<-"), ("egress", "to", "->")):
            for rule in spec.get(key, []):
                for peer in rule.get(peers) or [None]:
                    for port in rule.get("ports") or [{"port": "any"}]:
                        yield f"{pods} {arrow} {peer_text(peer) if peer else 'anybody'}: " \
                              f"{port['port']}/{port.get('protocol', 'TCP')}"


def network_is_closed(objects: list[dict]) -> list[str]:
    """Nothing in or out but what is listed above."""
    everything = {"podSelector": {"matchLabels": {"app.kubernetes.io/name": "scanserve"}},
                  "policyTypes": ["Ingress", "Egress"]}
    faults = [f"opens {each}" for each in traffic(objects) if each not in ALLOWED_TRAFFIC]
    if not any(each["spec"] == everything for each in of_kind(objects, "NetworkPolicy")):
        faults.append("no policy denies everything, in and out")
    needed = {each for each in ALLOWED_TRAFFIC
              if of_kind(objects, "CronJob") or not each.startswith("batch")}
    return faults + [f"does not open {each}" for each in sorted(needed - set(traffic(objects)))]


def policies_reach_the_pods(objects: list[dict]) -> list[str]:
    """The pods carry the labels that the policies go by."""
    faults = []
    for name, workload, _ in workloads(objects):
        labels = pod_template(workload)["metadata"]["labels"]
        if labels.get("app.kubernetes.io/name") != "scanserve":
            faults.append(f"{name}: the policies do not know its pods")
        if workload["kind"] == "CronJob" and labels.get("scanserve-client") != "true":
            faults.append(f"{name}: its pods are no clients of the server")
    return faults


def reads_only(objects: list[dict]) -> list[str]:
    """Weights and secrets can be read and nothing else, secrets not by everybody."""
    faults = []
    for name, pod, container in containers(objects):
        model = settings_of(objects, container).get("SCANSERVE_MODEL")
        volumes = {each["name"]: each for each in pod.get("volumes", [])}
        for mount in container.get("volumeMounts", []):
            volume = volumes.get(mount["name"])
            if volume is None:
                faults.append(f"{name}: there is no volume {mount['name']}")
                continue
            if not mount.get("readOnly") and ("secret" in volume or mount["mountPath"] == model):
                faults.append(f"{name}: may write to {mount['mountPath']}")
            if "secret" in volume and volume["secret"].get("defaultMode", 0o644) & 0o007:
                faults.append(f"{name}: {mount['mountPath']} can be read by everybody")
        mounts = {each["mountPath"] for each in container.get("volumeMounts", [])}
        if model and model not in mounts:
            faults.append(f"{name}: nothing is mounted at {model}")
    return faults


def config_maps_exist(objects: list[dict]) -> list[str]:
    """What a pod takes its settings from is rendered with it."""
    there = {each["metadata"]["name"] for each in of_kind(objects, "ConfigMap")}
    return [f"{name}: there is no config map {source['configMapRef']['name']}"
            for name, _, container in containers(objects)
            for source in container.get("envFrom", [])
            if source["configMapRef"]["name"] not in there]


def batch_runs_alone(objects: list[dict]) -> list[str]:
    """No two runs of the batch job at once, and each has an end."""
    return [f"{name_of(each)}: {what}" for each in of_kind(objects, "CronJob")
            for what, holds in (
                ("two runs at once", each["spec"].get("concurrencyPolicy") == "Forbid"),
                ("a run without an end",
                 "activeDeadlineSeconds" in each["spec"]["jobTemplate"]["spec"])) if not holds]


def activates_nothing(objects: list[dict]) -> list[str]:
    """The batch job uploads; what is served stays."""
    return [f"{name}: activates" for name, _, container in containers(objects)
            if any("activate" in each for each in container.get("args", []))]


def is_not_open(objects: list[dict]) -> list[str]:
    """TLS and tokens, with no flag that does without."""
    faults = []
    for name, _, _, settings in servers(objects):
        faults += [f"{name}: {key}" for key in settings if "INSECURE" in key]
        faults += [f"{name}: {key} is not set" for key in
                   ("SCANSERVE_TLS_CERTIFICATE", "SCANSERVE_TLS_KEY", "SCANSERVE_TOKENS")
                   if key not in settings]
    return faults


RULES = (may_do_little, holds_no_cluster_credentials, asks_for_resources, is_probed, ports_agree,
         service_is_headless, stops_in_time, a_folder_has_one_server, network_is_closed,
         policies_reach_the_pods, reads_only, config_maps_exist, batch_runs_alone)
# Overlays that a name says it of may do without.
ACTIVATING = {"production-activates"}
OPEN = {"trial"}


def faults_of(overlay: str, objects: list[dict]) -> list[str]:
    """Every fault of an overlay."""
    rules = RULES + (() if overlay in ACTIVATING else (activates_nothing,)) + \
        (() if overlay in OPEN else (is_not_open,))
    return [fault for rule in rules for fault in rule(objects)]
