import pulumi
import pulumi_docker as docker

config = pulumi.Config()
network = docker.Network("platform", name="fixture")
image = docker.RemoteImage("redis", name="redis:7", keep_locally=True)
volume = docker.Volume("redis-data", name="fixture-redis-data")
container = docker.Container(
    "redis",
    name="fixture-redis",
    image=image.image_id,
    hostname="redis-1",
    command=["redis-server", "/etc/redis/redis.conf"],
    envs=["MODE=standalone", f"LEVEL={config.get('level') or 'notice'}"],
    user="0",
    restart="unless-stopped",
    memory=256,
    memory_swap=512,
    cpu_shares=512,
    stop_timeout=20,
    destroy_grace_seconds=20,
    log_driver="json-file",
    log_opts={"max-size": "10m"},
    uploads=[
        docker.ContainerUploadArgs(
            file="/etc/redis/redis.conf", content="save 60 1000\nprotected-mode no\nbind 0.0.0.0\n"
        )
    ],
    networks_advanced=[docker.ContainerNetworksAdvancedArgs(name=network.name, aliases=["redis", "redis-1"])],
    volumes=[docker.ContainerVolumeArgs(volume_name=volume.name, container_path="/data")],
    ports=[docker.ContainerPortArgs(internal=6379, external=16379, ip="127.0.0.1")],
    labels=[docker.ContainerLabelArgs(label="app", value="redis")],
    ulimits=[docker.ContainerUlimitArgs(name="nofile", soft=1024, hard=2048)],
    healthcheck=docker.ContainerHealthcheckArgs(
        tests=["CMD", "redis-cli", "ping"], interval="1s", timeout="2s", start_period="1s", retries=10
    ),
    wait=True,
    wait_timeout=30,
)
pulumi.export("container", container.name)
