import pulumi
import pulumi_kubernetes as k8s

c = pulumi.Config()
replicas = c.get_int("replicas") or 1
size = c.get("size") or "1Gi"
level = c.get("level") or "notice"
ns = k8s.core.v1.Namespace("platform", metadata={"name": "fixture"})


def meta(n):
    return {"name": n, "namespace": ns.metadata.name, "labels": {"app": "redis"}}


sa = k8s.core.v1.ServiceAccount("redis", metadata=meta("redis"), automount_service_account_token=False)
conf = k8s.core.v1.ConfigMap(
    "redis-config",
    metadata={"namespace": ns.metadata.name},
    data={"redis.conf": f"save 60 1000\nloglevel {level}\nprotected-mode no\n"},
)
secret = k8s.core.v1.Secret(
    "redis-password", metadata=meta("redis-password"), string_data={"password": pulumi.Output.secret("s3cret")}
)
svc = k8s.core.v1.Service(
    "redis",
    metadata=meta("redis"),
    spec={
        "clusterIP": "None",
        "publishNotReadyAddresses": True,
        "selector": {"app": "redis"},
        "ports": [{"name": "redis", "port": 6379}],
    },
)
pdb = k8s.policy.v1.PodDisruptionBudget(
    "redis", metadata=meta("redis"), spec={"maxUnavailable": 1, "selector": {"matchLabels": {"app": "redis"}}}
)
np = k8s.networking.v1.NetworkPolicy(
    "redis",
    metadata=meta("redis"),
    spec={
        "podSelector": {"matchLabels": {"app": "redis"}},
        "policyTypes": ["Ingress"],
        "ingress": [{"ports": [{"port": 6379}]}],
    },
)
ss = k8s.apps.v1.StatefulSet(
    "redis",
    metadata=meta("redis"),
    spec={
        "serviceName": "redis",
        "replicas": replicas,
        "selector": {"matchLabels": {"app": "redis"}},
        "template": {
            "metadata": {"labels": {"app": "redis"}},
            "spec": {
                "serviceAccountName": "redis",
                "securityContext": {"fsGroup": 1000, "runAsUser": 1000, "runAsNonRoot": True},
                "containers": [
                    {
                        "name": "redis",
                        "image": "redis:7",
                        "args": ["redis-server", "/conf/redis.conf"],
                        "ports": [{"containerPort": 6379}],
                        "readinessProbe": {"exec": {"command": ["redis-cli", "ping"]}},
                        "volumeMounts": [
                            {"name": "data", "mountPath": "/data"},
                            {"name": "conf", "mountPath": "/conf"},
                        ],
                    }
                ],
                "volumes": [{"name": "conf", "configMap": {"name": conf.metadata.name}}],
            },
        },
        "volumeClaimTemplates": [
            {
                "metadata": {"name": "data"},
                "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": size}}},
            }
        ],
    },
    opts=pulumi.ResourceOptions(depends_on=[svc, sa]),
)
pulumi.export("statefulSet", ss.metadata.name)
