#!/bin/bash
# Runs a node: containerd, kube-proxy and the kubelet. It is process 1, reaps what they leave, and ends when one ends.
# Reads /etc/kube (kubeconfig, kubelet.json, ca.crt) and the variables
#   ZONE          the node's zone
#   POD_CIDR      the subnet of its pods
#   PODS_CIDR     the subnet of all pods
#   ROUTES        the other nodes' pods, as "SUBNET=ADDRESS ..."
#   VOLUMES       the folders of its local volumes, as "NAME ..."
#   PAUSE         the image that holds a pod's namespaces
# A killed node that starts again finds /var as it was and /run empty, as a machine does after a power cut.
set -u

[ -e /dev/kmsg ] || ln -s /dev/console /dev/kmsg
mount -o remount,rw /sys
for tree in /sys/fs/cgroup /sys/fs/cgroup/*; do
    mountpoint -q "$tree" && mount -o remount,rw,bind "$tree" 2> /dev/null
done
if [ -f /sys/fs/cgroup/cgroup.controllers ]; then
    # Version 2: controllers can be handed down only from a group that holds no process itself.
    mkdir -p /sys/fs/cgroup/node
    xargs -rn1 < /sys/fs/cgroup/cgroup.procs > /sys/fs/cgroup/node/cgroup.procs
    sed -e 's/^/+/' -e 's/ / +/g' /sys/fs/cgroup/cgroup.controllers > /sys/fs/cgroup/cgroup.subtree_control
fi
mount --make-rshared /

for route in $ROUTES; do ip route replace "${route%=*}" via "${route#*=}"; done
for volume in $VOLUMES; do mkdir -p "/var/volumes/$volume"; done

# The pods that held these addresses died with the node; nobody would give them back.
rm -rf /var/lib/cni
mkdir -p /etc/cni/net.d /etc/containerd
cat > /etc/cni/net.d/10-pods.conflist <<JSON
{"cniVersion": "0.4.0", "name": "pods", "plugins": [
  {"type": "ptp", "ipMasq": false,
   "ipam": {"type": "host-local", "ranges": [[{"subnet": "$POD_CIDR"}]], "routes": [{"dst": "0.0.0.0/0"}]}},
  {"type": "portmap", "capabilities": {"portMappings": true}}]}
JSON
# restrict_oom_score_adj: the host may refuse negative values of oom_score_adj (no CAP_SYS_RESOURCE).
cat > /etc/containerd/config.toml <<TOML
version = 2
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "docker.io/$PAUSE"
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "/etc/cni/net.d"
TOML

trap 'kill $(jobs -p); exit 0' TERM INT
containerd > /var/log/containerd.log 2>&1 &
until ctr version > /dev/null 2>&1; do
    kill -0 $! 2> /dev/null || { echo "containerd ended:"; tail -n 20 /var/log/containerd.log; exit 1; }
    sleep 0.1
done
kube kube-proxy --kubeconfig=/etc/kube/kubeconfig --hostname-override="$HOSTNAME" \
    --cluster-cidr="$PODS_CIDR" --proxy-mode=iptables --conntrack-max-per-core=0 > /var/log/kube-proxy.log 2>&1 &
kube kubelet --config=/etc/kube/kubelet.json --kubeconfig=/etc/kube/kubeconfig \
    --hostname-override="$HOSTNAME" --node-labels="topology.kubernetes.io/zone=$ZONE" > /var/log/kubelet.log 2>&1 &
wait -n
echo "containerd, kube-proxy or the kubelet ended; the logs are in /var/log"
exit 1
