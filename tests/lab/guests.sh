#!/bin/bash
# guests.sh — booted guests ("assemblies") inside a private system, each with the
# installed tree (/srv/layer) over the guest's Debian, cpe-agent enabled and listening on a socket
# that the host sees as /run/cpe/guests/NAME/agent.sock. Runs INSIDE it:
#   LAB_BIND="$ROOTS/guest:/srv/guest:ro $INSTALLED:/srv/layer:ro $HERE:/srv/lab:ro" private-system.sh start sys $ROOTS/system
#   private-system.sh exec sys /srv/lab/guests.sh net
#   private-system.sh exec sys /srv/lab/guests.sh add g1 11      # address 10.77.0.11
#
#   net               bridge br0 (10.77.0.1/24), fault table, unit drop-in; once
#   add NAME N        make guest NAME with address 10.77.0.N (not started)
#   cloud NAME N      the same of an image as clouds have them: the agent is installed and not set up, and cloud-init
#                     finds its user-data in /srv/seed/NAME. With IMAGE=bare nothing of ours is in the image
#   start NAME...     boot; returns when the guests have finished booting
#   stop NAME...      orderly power-off
#   pause|resume NAME freezer                    del NAME     power cut and forget its disk
#   link NAME up|down cable                      drop NAME P  lose P % of packets both ways (0 heals)
#   run NAME CMD...   as a transient unit in the guest
set -euo pipefail
[ -d /srv/data ] && [ "$(systemd-detect-virt)" != none ] || { echo "runs inside a private system only" >&2; exit 69; }
u() { printf 'systemd-nspawn@%s.service ' "$@"; }
addr() { cat "/srv/data/guests/$1/addr"; }
gone() { local i; for i in $(seq 600); do case $(systemctl is-active "systemd-nspawn@$1") in inactive|failed) return 0;; esac; sleep 0.02; done; return 1; }
verb=${1:?verb}; shift
case $verb in
net)
  mkdir -p /srv/shared
  ip link add br0 type bridge; ip addr add 10.77.0.1/24 dev br0; ip link set br0 up
  sysctl -qw net.ipv4.neigh.br0.retrans_time_ms=50     # else the first packet waits 1 s for ARP
  nft add table inet fault
  nft add chain inet fault in '{ type filter hook input priority 0; }'
  nft add chain inet fault out '{ type filter hook output priority 0; }'
  mkdir -p /etc/systemd/system/systemd-nspawn@.service.d
  # WatchdogSec=0: the stock unit has 3 min, and a paused guest would be shot by it
  cat > /etc/systemd/system/systemd-nspawn@.service.d/lab.conf <<'U'
[Unit]
StartLimitIntervalSec=0
[Service]
ExecStart=
ExecStart=systemd-nspawn --quiet --keep-unit --boot --notify-ready=yes --link-journal=no --network-bridge=br0 --private-users=no --settings=override --bind=/run/cpe/guests/%i:/run/cpe-channel --bind=/srv/shared --bind-ro=/srv/examples --machine=%i
ExecStartPre=/bin/mkdir -p /run/cpe/guests/%i
TimeoutStartSec=30
WatchdogSec=0
U
  systemctl daemon-reload;;
add)
  g=$1 n=$2 d=/srv/data/guests/$1 m=/var/lib/machines/$1
  mkdir -p "$d"/{up/etc/systemd/network,up/etc/systemd/system/multi-user.target.wants,work} "$m"
  echo "10.77.0.$n" > "$d/addr"; echo "$g" > "$d/up/etc/hostname"
  printf '[Match]\nName=host0\n[Network]\nAddress=10.77.0.%s/24\nGateway=10.77.0.1\nLinkLocalAddressing=no\nIPv6AcceptRA=no\n' "$n" > "$d/up/etc/systemd/network/10-host0.network"
  mkdir -p "$d/up/etc/cpe"
  # The socket lies in a folder of the host that only its user dpe can enter.
  printf 'CPE_AGENT_LISTEN=unix:/run/cpe-channel/agent.sock\nCPE_AGENT_SOCKET_MODE=0666\n' > "$d/up/etc/cpe/agent.conf"
  cp -r /srv/examples/guest/. "$d/up/"                  # the examples' configuration files and agents
  ln -sf /usr/lib/systemd/system/cpe-agent.service "$d/up/etc/systemd/system/multi-user.target.wants/"
  ln -sf /lib/systemd/system/systemd-networkd.service "$d/up/etc/systemd/system/multi-user.target.wants/"
  mount -t overlay -o "lowerdir=/srv/layer:/srv/guest,upperdir=$d/up,workdir=$d/work" "guest-$g" "$m";;
cloud)
  g=$1 n=$2 d=/srv/data/guests/$1 m=/var/lib/machines/$1
  mkdir -p "$d"/{up/etc/systemd/network,up/etc/systemd/system/multi-user.target.wants,up/etc/cloud/cloud.cfg.d,up/var/lib/cloud/seed/nocloud,work} "$m"
  echo "10.77.0.$n" > "$d/addr"
  printf '[Match]\nName=host0\n[Network]\nAddress=10.77.0.%s/24\nGateway=10.77.0.1\nLinkLocalAddressing=no\nIPv6AcceptRA=no\n' "$n" > "$d/up/etc/systemd/network/10-host0.network"
  ln -sf /lib/systemd/system/systemd-networkd.service "$d/up/etc/systemd/system/multi-user.target.wants/"
  printf 'datasource_list: [NoCloud]\nnetwork: {config: disabled}\nlocale: false\n' > "$d/up/etc/cloud/cloud.cfg.d/90-lab.cfg"
  printf 'instance-id: %s\nlocal-hostname: %s\n' "$g" "$g" > "$d/up/var/lib/cloud/seed/nocloud/meta-data"
  cp "/srv/seed/$g/user-data" "$d/up/var/lib/cloud/seed/nocloud/"
  layer=/srv/layer:; [ "${IMAGE:-}" != bare ] || layer=
  mount -t overlay -o "lowerdir=$layer/srv/cloud,upperdir=$d/up,workdir=$d/work" "guest-$g" "$m";;
start)  systemctl reset-failed $(u "$@") 2>/dev/null || :; timeout 60 systemctl start $(u "$@");;
stop)   timeout 30 machinectl poweroff "$@"
        for g; do gone "$g"; done;;
pause)  timeout 20 systemctl freeze "systemd-nspawn@$1";;
resume) timeout 20 systemctl thaw "systemd-nspawn@$1";;
link)   ip link set "vb-$1" "$2";;
drop)   a=$(addr "$1")
        for c in in out; do
          nft -a list chain inet fault $c | awk -v a="$a" '$0 ~ "addr "a" " {print $NF}' | while read -r h; do nft delete rule inet fault $c handle "$h"; done; done
        case $2 in 0) p=;; 100) p=all;; *) p="numgen random mod 100 < $2";; esac
        [ -z "$p" ] || { [ "$p" != all ] || p=
                         nft add rule inet fault in  ip saddr "$a" $p drop
                         nft add rule inet fault out ip daddr "$a" $p drop; };;
run)    g=$1; shift; exec systemd-run -M "$g" --quiet --wait --pipe --collect -- "$@";;
del)    systemctl kill --signal=KILL --kill-who=all "systemd-nspawn@$1" 2>/dev/null || :
        gone "$1"; umount "/var/lib/machines/$1"; rmdir "/var/lib/machines/$1"; rm -rf --one-file-system "/srv/data/guests/${1:?}";;
*) exit 64;;
esac
