"""docker:index/container:Container."""

import time
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from docker_provider.resources import Failed, Resource, by_label, nanoseconds, or_none, tar_of
from plugin_protocol.values import Props

_MIB = 1024 * 1024
_LAST_LINES = 20

_ENTRY_OUTPUTS: Mapping[str, Mapping[str, Any]] = {
    "networksAdvanced": {
        "driverOpts": [],
        "gwPriority": None,
        "ipv4Address": "",
        "ipv6Address": "",
        "linkLocalIps": [],
        "macAddress": "",
    },
    "uploads": {"contentBase64": "", "executable": False, "permissions": "", "source": "", "sourceHash": ""},
    "volumes": {"fromContainer": "", "hostPath": "", "readOnly": None, "selinuxRelabel": ""},
}
"""Output fields that the official provider adds to each entry of these lists."""


def _by_file(entry: Props) -> str:
    return str(entry["file"])


def _by_name(entry: Props) -> str:
    return str(entry["name"])


class Container(Resource):
    """A container, with its uploads, network, volumes, ports and health check."""

    inputs = frozenset(
        {
            *("command", "containerReadRefreshTimeoutMilliseconds", "cpuShares", "destroyGraceSeconds", "envs"),
            *("healthcheck", "hostname", "image", "labels", "logDriver", "logOpts", "memory", "memorySwap", "mustRun"),
            *("name", "networkMode", "networksAdvanced", "ports", "removeVolumes", "restart", "start", "stopTimeout"),
            *("ulimits", "uploads", "user", "volumes", "wait", "waitTimeout"),
        }
    )
    in_place = frozenset(
        {
            *("containerReadRefreshTimeoutMilliseconds", "cpuShares", "destroyGraceSeconds", "memory", "memorySwap"),
            *("mustRun", "removeVolumes", "restart", "start", "wait", "waitTimeout"),
        }
    )
    defaults: ClassVar[Mapping[str, Any]] = {
        "containerReadRefreshTimeoutMilliseconds": 15000,
        "mustRun": True,
        "networkMode": "bridge",
        "removeVolumes": True,
        "start": True,
    }
    sets: ClassVar[Mapping[str, Callable[[Any], Any]]] = {
        "envs": str,
        "labels": by_label,
        "ulimits": _by_name,
        "uploads": _by_file,
    }

    def create(self, inputs: Props) -> tuple[str, Props]:
        id_ = self._create(inputs)
        for network in inputs.get("networksAdvanced") or []:
            self.client.disconnect_container_from_network(id_, "bridge")
            self.client.connect_container_to_network(id_, network["name"], aliases=network.get("aliases"))
        if uploads := inputs.get("uploads"):
            self.client.put_archive(id_, "/", tar_of(uploads))
        try:
            self.client.start(id_)
        except OSError as error:
            why = getattr(error, "explanation", error)
            reason = f"Unable to start container: Error response from daemon: {why}"
            raise Failed(reason, id_, self._state(id_, inputs)) from error
        if inputs.get("wait"):
            self._wait(id_, inputs)
        return id_, self._state(id_, inputs)

    def _create(self, inputs: Props) -> str:
        ports = inputs.get("ports") or []
        swap = int(inputs["memorySwap"]) * _MIB if inputs.get("memorySwap") else None
        host = self.client.create_host_config(
            network_mode="bridge",
            binds=[f"{volume['volumeName']}:{volume['containerPath']}:rw" for volume in inputs.get("volumes") or []],
            port_bindings={
                f"{int(port['internal'])}/{port['protocol']}": (port.get("ip", "0.0.0.0"), int(port["external"]))
                for port in ports
            },
            restart_policy={"Name": inputs["restart"]} if inputs.get("restart") else None,
            mem_limit=int(inputs["memory"]) * _MIB if inputs.get("memory") else None,
            memswap_limit=swap,
            cpu_shares=int(inputs["cpuShares"]) if inputs.get("cpuShares") else None,
            log_config={"type": inputs["logDriver"], "config": inputs.get("logOpts") or {}}
            if inputs.get("logDriver")
            else None,
            ulimits=[
                {"Name": limit["name"], "Soft": int(limit["soft"]), "Hard": int(limit["hard"])}
                for limit in inputs.get("ulimits") or []
            ],
        )
        config = self.client.create_container_config(
            image=inputs["image"],
            command=inputs.get("command"),
            hostname=inputs.get("hostname"),
            user=inputs.get("user"),
            environment=inputs.get("envs"),
            labels={entry["label"]: entry["value"] for entry in inputs.get("labels") or []},
            ports=[(int(port["internal"]), port["protocol"]) for port in ports],
            stop_timeout=inputs.get("stopTimeout") and int(inputs["stopTimeout"]),
            healthcheck=_health_check(inputs.get("healthcheck")),
            host_config=host,
        )
        return str(self.client.create_container_from_config(config, name=inputs["name"])["Id"])

    def _wait(self, id_: str, inputs: Props) -> None:
        end = time.monotonic() + float(inputs.get("waitTimeout") or 60)
        while time.monotonic() < end:
            state = self.client.inspect_container(id_)["State"]
            if state.get("Health", {}).get("Status") == "healthy":
                return
            if not state["Running"]:
                break
            time.sleep(0.1)
        lines = self.client.logs(id_, tail=_LAST_LINES).decode(errors="replace")
        reason = f"container failed to be in healthy state; its last lines:\n{lines}"
        raise Failed(reason, id_, self._state(id_, inputs))

    def read(self, id_: str, state: Props) -> Props | None:
        seen = or_none(lambda: self.client.inspect_container(id_))
        if seen is None:
            return None
        if not seen["State"]["Running"] and state.get("mustRun"):
            # As the official provider does: a stopped container that must run is removed.
            self.delete(id_, state)
            return None
        return self._state(id_, state)

    def update(self, id_: str, inputs: Props) -> Props:
        self.client.update_container(
            id_,
            mem_limit=int(inputs["memory"]) * _MIB if inputs.get("memory") else None,
            memswap_limit=int(inputs["memorySwap"]) * _MIB if inputs.get("memorySwap") else None,
            cpu_shares=int(inputs["cpuShares"]) if inputs.get("cpuShares") else None,
            restart_policy={"Name": inputs["restart"]} if inputs.get("restart") else None,
        )
        return self._state(id_, inputs)

    def delete(self, id_: str, state: Props) -> None:
        if grace := state.get("destroyGraceSeconds"):
            or_none(lambda: self.client.stop(id_, timeout=int(grace)))
        or_none(lambda: self.client.remove_container(id_, v=bool(state.get("removeVolumes")), force=True))

    def _state(self, id_: str, inputs: Props) -> Props:
        """The inputs, overridden by the engine's values."""
        seen = self.client.inspect_container(id_)
        config, host = seen["Config"], seen["HostConfig"]
        networks = seen["NetworkSettings"]["Networks"]
        given = {key: value for key, value in inputs.items() if key in self.inputs}
        for key, added in _ENTRY_OUTPUTS.items():
            if key in given:
                given[key] = [{**added, **entry} for entry in given[key]]
        return given | {
            "command": config["Cmd"] or [],
            "cpuShares": host["CpuShares"],
            "envs": sorted(inputs.get("envs") or []),
            "hostname": config["Hostname"],
            "id": seen["Id"],
            "image": seen["Image"],
            "logDriver": host["LogConfig"]["Type"],
            "memory": host["Memory"] // _MIB,
            "memorySwap": host["MemorySwap"] // _MIB if host["MemorySwap"] > 0 else host["MemorySwap"],
            "name": seen["Name"].lstrip("/"),
            "networkDatas": [
                {
                    "gateway": network["Gateway"],
                    "globalIpv6Address": network["GlobalIPv6Address"],
                    "globalIpv6PrefixLength": network["GlobalIPv6PrefixLen"],
                    "ipAddress": network["IPAddress"],
                    "ipPrefixLength": network["IPPrefixLen"],
                    "ipv6Gateway": network["IPv6Gateway"],
                    "macAddress": network["MacAddress"],
                    "networkName": name,
                }
                for name, network in sorted(networks.items())
            ],
            "networkMode": host["NetworkMode"],
            "restart": host["RestartPolicy"]["Name"] or "no",
            "stopTimeout": config.get("StopTimeout"),
            "user": config["User"],
        }


def _health_check(check: Props | None) -> Props | None:
    if check is None:
        return None
    return {
        "test": check["tests"],
        "interval": nanoseconds(check["interval"]),
        "timeout": nanoseconds(check["timeout"]),
        "start_period": nanoseconds(check["startPeriod"]),
        "retries": int(check["retries"]),
    }
