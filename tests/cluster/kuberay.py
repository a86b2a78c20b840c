"""JSON schemas of the parts of KubeRay's resource definitions (ray.io/v1, operator 1.7) that our manifests use.

They follow KubeRay's API reference and Kubernetes' core/v1 and networking/v1. They are stricter than a server: a field
that is not listed here is rejected, so that a misspelt one fails.
"""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]
TEXT: Schema = {"type": "string", "minLength": 1}
FLAG: Schema = {"type": "boolean"}
COUNT: Schema = {"type": "integer", "minimum": 0, "maximum": 2**31 - 1}
TEXTS: Schema = {"type": "object", "additionalProperties": {"type": "string"}}
WHOLE: Schema = {"type": "object", "additionalProperties": {"type": "string", "pattern": r"^\d+$"}}
QUANTITY: Schema = {"type": "string", "pattern": r"^\d+(\.\d+)?(m|k|M|G|T|Ki|Mi|Gi|Ti)?$"}
QUANTITIES: Schema = {"type": "object", "additionalProperties": QUANTITY}


def thing(required: str = "", /, **properties: Schema) -> Schema:
    """Return the schema of an object with only these properties."""
    return {"type": "object", "additionalProperties": False, "properties": properties, "required": required.split()}


def many(item: Schema) -> Schema:
    """Return the schema of a list that is not empty."""
    return {"type": "array", "items": item, "minItems": 1}


def one_of(*values: str) -> Schema:
    """Return the schema of one of these strings."""
    return {"enum": list(values)}


def resource(group: str, kind: str, spec: Schema) -> Schema:
    """Return the schema of a whole manifest, with either `name` or `generateName`."""
    metadata = thing(name=TEXT, generateName=TEXT, namespace=TEXT, labels=TEXTS, annotations=TEXTS)
    metadata["oneOf"] = [{"required": ["name"]}, {"required": ["generateName"]}]
    return thing(
        "apiVersion kind metadata spec", apiVersion={"const": group}, kind={"const": kind}, metadata=metadata, spec=spec
    )


SELECTOR = thing(matchLabels=TEXTS)
CONTAINER = thing(
    "name image",
    name={"type": "string", "pattern": "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"},
    image=TEXT,
    command=many(TEXT),
    args=many(TEXT),
    env=many(thing("name", name=TEXT, value={"type": "string"}, valueFrom=thing(secretKeyRef=thing("key name")))),
    securityContext=thing(allowPrivilegeEscalation=FLAG, capabilities=thing(drop=many(TEXT))),
    resources=thing(requests=QUANTITIES, limits=QUANTITIES),
    volumeMounts=many(thing("name mountPath", name=TEXT, mountPath=TEXT, readOnly=FLAG)),
)
VOLUME = thing(
    "name",
    name=TEXT,
    persistentVolumeClaim=thing("claimName", claimName=TEXT, readOnly=FLAG),
    emptyDir=thing(medium=one_of("", "Memory"), sizeLimit=QUANTITY),
)
TOLERATION = thing(
    key=TEXT,
    operator=one_of("Exists", "Equal"),
    value={"type": "string"},
    effect=one_of("NoSchedule", "PreferNoSchedule", "NoExecute"),
)
POD = thing(
    "spec",
    metadata=thing(labels=TEXTS, annotations=TEXTS),
    spec=thing(
        "containers",
        automountServiceAccountToken=FLAG,
        securityContext=thing(runAsNonRoot=FLAG, runAsUser=COUNT, runAsGroup=COUNT, fsGroup=COUNT),
        terminationGracePeriodSeconds=COUNT,
        restartPolicy=one_of("Always", "OnFailure", "Never"),
        nodeSelector=TEXTS,
        tolerations=many(TOLERATION),
        containers=many(CONTAINER),
        volumes=many(VOLUME),
    ),
)
AUTOSCALER = thing(
    idleTimeoutSeconds=COUNT,
    upscalingMode=one_of("Default", "Aggressive", "Conservative"),
    version=one_of("v1", "v2"),
    resources=thing(requests=QUANTITIES, limits=QUANTITIES),
)
WORKERS = thing(
    "groupName template",
    groupName=TEXT,
    replicas=COUNT,
    minReplicas=COUNT,
    maxReplicas=COUNT,
    numOfHosts=COUNT,
    idleTimeoutSeconds=COUNT,
    priority=COUNT,
    resources=WHOLE,
    labels=TEXTS,
    rayStartParams=TEXTS,
    template=POD,
)
RAY_CLUSTER = thing(
    "headGroupSpec",
    rayVersion=TEXT,
    authOptions=thing(mode=one_of("disabled", "token"), secretName=TEXT, enableK8sTokenAuth=FLAG),
    suspend=FLAG,
    enableInTreeAutoscaling=FLAG,
    autoscalerOptions=AUTOSCALER,
    headGroupSpec=thing(
        "template",
        serviceType=one_of("ClusterIP", "NodePort", "LoadBalancer"),
        enableIngress=FLAG,
        resources=WHOLE,
        labels=TEXTS,
        rayStartParams=TEXTS,
        template=POD,
    ),
    workerGroupSpecs=many(WORKERS),
)
# The operator's own rule: only version v2 of the autoscaler supports an idle timeout per group.
RAY_CLUSTER["if"] = {"properties": {"workerGroupSpecs": {"not": {"contains": {"required": ["idleTimeoutSeconds"]}}}}}
RAY_CLUSTER["else"] = {
    "properties": {"autoscalerOptions": {"properties": {"version": {"const": "v2"}}, "required": ["version"]}},
    "required": ["autoscalerOptions"],
}
RAY_JOB = thing(
    "entrypoint",
    entrypoint=TEXT,
    runtimeEnvYAML=TEXT,
    metadata=TEXTS,
    clusterSelector=TEXTS,
    rayClusterSpec=RAY_CLUSTER,
    submissionMode=one_of("K8sJobMode", "HTTPMode", "InteractiveMode", "SidecarMode"),
    submitterPodTemplate=POD,
    entrypointNumCpus={"type": "number"},
    entrypointResources=TEXT,
    activeDeadlineSeconds=COUNT,
    backoffLimit=COUNT,
    shutdownAfterJobFinishes=FLAG,
    ttlSecondsAfterFinished=COUNT,
    suspend=FLAG,
)
POLICY = thing(
    "podSelector policyTypes",
    podSelector=SELECTOR,
    policyTypes=many(one_of("Ingress", "Egress")),
    ingress=many(
        thing(
            **{
                "from": many(thing(podSelector=SELECTOR, namespaceSelector=SELECTOR)),
                "ports": many(thing(protocol=one_of("TCP", "UDP"), port=COUNT)),
            }
        )
    ),
)
CLAIM = thing(
    "accessModes resources",
    accessModes=many(one_of("ReadWriteOnce", "ReadWriteMany", "ReadOnlyMany")),
    storageClassName=TEXT,
    resources=thing("requests", requests=QUANTITIES),
)
MANIFESTS = {
    "RayCluster": resource("ray.io/v1", "RayCluster", RAY_CLUSTER),
    "RayJob": resource("ray.io/v1", "RayJob", RAY_JOB),
    "NetworkPolicy": resource("networking.k8s.io/v1", "NetworkPolicy", POLICY),
    "PersistentVolumeClaim": resource("v1", "PersistentVolumeClaim", CLAIM),
}
