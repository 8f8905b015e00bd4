#!/usr/bin/env bash
# two_hosts.sh COMMAND...: runs "mpirun COMMAND..." over two hosts, each a network and a name of its own, with a cable between
# them and ssh from the first to the second. HOSTS_MBIT: the cable's rate (default: as fast as it goes); RANKS: how many
# (default 2). Wants root, iproute2 and openssh-server; 77 where they are missing.
set -euo pipefail
[ "$(id -u)" -eq 0 ] && command -v ip >/dev/null && [ -x /usr/sbin/sshd ] || { echo "needs root, iproute2 and openssh-server"; exit 77; }
folder=$(mktemp -d)
one=lieq$$a two=lieq$$b net=10.213.77
cleanup() {
  [ ! -f "$folder/sshd.pid" ] || kill "$(cat "$folder/sshd.pid")" 2>/dev/null || true
  ip netns del $one 2>/dev/null || true
  ip netns del $two 2>/dev/null || true
  rm -rf "$folder"
}
trap cleanup EXIT
ip netns add $one 2>/dev/null && ip netns add $two && ip link add v1 netns $one type veth peer name v2 netns $two ||
  { echo "network namespaces cannot be made here"; exit 77; }
ip -n $one addr add $net.1/24 dev v1 && ip -n $one link set v1 up && ip -n $one link set lo up
ip -n $two addr add $net.2/24 dev v2 && ip -n $two link set v2 up && ip -n $two link set lo up
if [ -n "${HOSTS_MBIT:-}" ]; then
  for end in "$one v1" "$two v2"; do
    read -r host device <<<"$end"
    ip netns exec $host tc qdisc add dev $device root tbf rate "${HOSTS_MBIT}mbit" burst 1mb latency 50ms
  done
fi

ssh-keygen -q -t ed25519 -N '' -f "$folder/host" && ssh-keygen -q -t ed25519 -N '' -f "$folder/user"
cat >"$folder/sshd_config" <<CONFIG
HostKey $folder/host
AuthorizedKeysFile $folder/user.pub
PidFile $folder/sshd.pid
StrictModes no
UsePAM no
PermitRootLogin prohibit-password
CONFIG
mkdir -p /run/sshd
ip netns exec $two unshare -u sh -c "hostname two; exec /usr/sbin/sshd -f $folder/sshd_config"
cat >"$folder/ssh" <<SSH
#!/bin/sh
exec ssh -i $folder/user -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR "\$@"
SSH
chmod +x "$folder/ssh"
printf '%s\n' "$net.1 slots=8" "$net.2 slots=8" >"$folder/hosts"
# Not exec: cleanup comes after it.
ip netns exec $one unshare -u sh -c 'hostname one; exec "$@"' sh \
  mpirun --allow-run-as-root --hostfile "$folder/hosts" --map-by node -n "${RANKS:-2}" --mca plm_rsh_agent "$folder/ssh" \
  --mca btl_tcp_if_include $net.0/24 --mca oob_tcp_if_include $net.0/24 "$@"
