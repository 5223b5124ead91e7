#!/bin/bash
# private-system.sh — a complete, real systemd system (PID 1, system bus,
# journald, logind, machined) in namespaces of its own, on a machine whose own
# PID 1 need not be systemd. The root is an overlay: ROOT below (never written),
# a tmpfs above (gone at stop).
#
#   private-system.sh start NAME ROOT [LEASE_SECONDS]   boot, wait for the end of the boot
#   private-system.sh exec  NAME COMMAND [ARG...]       run a command in all its namespaces
#   private-system.sh unit  NAME COMMAND [ARG...]       the same, as a transient unit (own cgroup)
#   private-system.sh bus   NAME                        print a D-Bus address usable from outside
#   private-system.sh pid   NAME                        print its PID 1 as seen from outside
#   private-system.sh cable NAME OTHER LINK ADDRESS     a cable from its bridge br0, where it is vb-LINK, to eth0 of OTHER, which gets ADDRESS/24
#   private-system.sh freeze|thaw NAME                  all of it stands still, as a paused machine; goes on
#   private-system.sh stop  NAME                        orderly power-off, then clean
#   private-system.sh kill  NAME                        power cut, then clean
#
# LAB_OWNER=PID: a power cut when that process is gone.
# $LAB (default: $PWD/lab) holds run-time state. Extra binds: LAB_BIND="HOSTPATH:PATH[:ro] ...".
# LAB_LAYERS="DIR ..." are directory trees laid over ROOT (never written either): what `make install DESTDIR=DIR` made.
# LAB_OWN_BOOT=1: it has an id of its boot of its own, as a machine has. The others share this machine's.
# LAB_ARGS="systemd.unit=... systemd.mask=..." is read by PID 1 as its kernel command line.
set -euo pipefail
LAB=${LAB:-$PWD/lab}; verb=${1:?verb}; name=${2:?name}; shift 2
[[ $name =~ ^[a-z][a-z0-9-]{0,30}$ ]] || { echo "bad name" >&2; exit 64; }
[ "$(id -u)" = 0 ] || { echo "must be root" >&2; exit 77; }
st=$LAB/run/$name
cg2=$(awk '$3=="cgroup2"{print $2; exit}' /proc/mounts); cg=$cg2/cpe-lab-$name

pid1() {   # the child of our unshare; checked against the recorded start time, so never a stranger
  local p s; [ -r "$st/pid1" ] || return 1; read -r p s < "$st/pid1"
  alive "$p" && [ "$(awk '{print $22}' "/proc/$p/stat")" = "$s" ] && echo "$p"
}
alive() {  # a zombie that the machine's PID 1 has not reaped yet counts as gone
  case $(sed -n 's/^State:[[:space:]]*//p' "/proc/$1/status" 2>/dev/null) in ''|Z*|X*) return 1;; esac; }
enter() { local p; p=$(pid1) || { echo "$name is not running" >&2; exit 69; }
  exec nsenter -t "$p" -m -u -i -n -p -C -r -w -- env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    TERM=dumb LANG=C.UTF-8 HOME=/root "$@"; }
clean() {
  for _ in $(seq 50); do
    [ ! -d "$cg" ] || find "$cg" -depth -type d -exec rmdir {} \; 2>/dev/null || :
    [ -d "$cg" ] || break; sleep 0.05
  done
  [ ! -d "$cg" ] || { echo "left over: $cg" >&2; return 1; }
  rm -f "$st/pid1" "$st/log"; rmdir "$st/mnt" "$st" 2>/dev/null || :
}
wait_gone() { local p=$1 n=$2; for _ in $(seq "$n"); do alive "$p" || return 0; sleep 0.02; done; return 1; }

case $verb in
start)
  root=$(realpath "${1:?root directory}"); lease=${2:-3600}
  [ -x "$root/lib/systemd/systemd" ] || { echo "no systemd in $root" >&2; exit 66; }
  [ "$root" != / ] || { echo "never on the host's own root" >&2; exit 66; }
  ! pid1 >/dev/null || { echo "$name is running" >&2; exit 69; }
  clean                                        # what an expired lease may have left
  mkdir -p "$st/mnt"; mkdir "$cg"
  for l in ${LAB_LAYERS:-}; do root=$(realpath "$l"):$root; done
  export root st name LAB_BIND=${LAB_BIND:-} LAB_OWN_BOOT=${LAB_OWN_BOOT:-} LAB_ARGS=${LAB_ARGS:-} LAB_UPPER_SIZE=${LAB_UPPER_SIZE:-2g}
  ( echo $BASHPID > "$cg/cgroup.procs"
    exec setsid timeout --kill-after=1 --signal=KILL "$lease" \
      unshare --mount --pid --fork --uts --ipc --net --cgroup --kill-child=KILL --propagation private -- \
      bash -euo pipefail -c '
    hostname "$name"
    w=$st/mnt; mount -t tmpfs -o mode=755,size=$LAB_UPPER_SIZE w "$w"; mkdir "$w"/{up,work,root,data}
    mount -t overlay -o "lowerdir=$root,upperdir=$w/up,workdir=$w/work" overlay "$w/root"
    cd "$w/root"
    mount -t proc -o nosuid,nodev,noexec proc proc
    # what is not namespaced in /proc must not be written from here (sysctl.d!)
    for p in sys sysrq-trigger irq bus; do [ ! -e proc/$p ] || { mount --bind proc/$p proc/$p; mount -o remount,bind,ro proc/$p; }; done
    mount --bind proc/sys/net proc/sys/net 2>/dev/null && mount -o remount,bind,rw proc/sys/net || :
    if [ -n "$LAB_OWN_BOOT" ]; then
      cat /proc/sys/kernel/random/uuid > "$w/boot_id"; chmod 444 "$w/boot_id"
      mount --bind "$w/boot_id" proc/sys/kernel/random/boot_id; fi
    mount -t sysfs -o ro,nosuid,nodev,noexec sysfs sys
    mount -t cgroup2 -o nosuid,nodev,noexec cgroup2 sys/fs/cgroup
    mount -t tmpfs -o mode=755,nosuid dev dev
    for d in null zero full random urandom tty fuse net/tun; do [ -e /dev/$d ] || continue
      mkdir -p "dev/${d%/*}" 2>/dev/null || :; [ ! -d dev/$d ] || rmdir dev/$d; touch dev/$d; mount --bind /dev/$d dev/$d; done
    mkdir dev/pts dev/shm
    mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 devpts dev/pts; ln -s pts/ptmx dev/ptmx
    mount -t tmpfs -o mode=1777,nosuid,nodev shm dev/shm
    ln -s /proc/self/fd dev/fd; for i in 0:stdin 1:stdout 2:stderr; do ln -s fd/${i%:*} dev/${i#*:}; done
    mount -t tmpfs -o mode=755,nosuid,nodev run run; mount -t tmpfs -o mode=1777,nosuid,nodev tmp tmp
    for b in $LAB_BIND; do IFS=: read -r s d o <<< "$b"; mkdir -p ".$d"; mount --bind "$s" ".$d"
      [ "${o:-}" != ro ] || mount -o remount,bind,ro ".$d"; done
    mkdir -p srv/data; mount --bind "$w/data" srv/data      # a file system that may hold overlay uppers
    ip link set lo up
    mkdir -p mnt; pivot_root . mnt; cd /; umount -l /mnt
    exec env -i container=private-lab PATH=/usr/sbin:/usr/bin:/sbin:/bin TERM=dumb \
      /lib/systemd/systemd --show-status=no systemd.mask=console-getty.service systemd.mask=getty-static.service \
      systemd.mask=e2scrub_reap.service systemd.mask=systemd-timesyncd.service systemd.mask=apt-daily.timer systemd.mask=apt-daily-upgrade.timer \
      systemd.mask=dev-hugepages.mount systemd.mask=sys-kernel-debug.mount systemd.mask=sys-kernel-tracing.mount $LAB_ARGS
    ' > "$st/log" 2>&1 < /dev/null ) &
  sup=$!
  for _ in $(seq 500); do                      # timeout -> unshare -> PID 1
    u=$(cat "/proc/$sup/task/$sup/children" 2>/dev/null || :); u=${u%% *}
    p=$([ -z "$u" ] || cat "/proc/$u/task/$u/children" 2>/dev/null || :); p=${p%% *}
    if [ -n "$p" ] && [ "$(cat "/proc/$p/comm" 2>/dev/null)" = systemd ]; then break; fi
    kill -0 $sup 2>/dev/null || { cat "$st/log" >&2; clean; exit 70; }; p=; sleep 0.01
  done
  [ -n "$p" ] || { echo "no PID 1" >&2; kill -KILL $sup; clean; exit 70; }
  echo "$p $(awk '{print $22}' "/proc/$p/stat")" > "$st/pid1"
  # ends with the process that asked for it, however that one ends
  if [ -n "${LAB_OWNER:-}" ]; then
    setsid bash -c 'tail --pid="$0" -f /dev/null; [ "$(cut -d" " -f1 "$2" 2>/dev/null)" != "$1" ] || kill -KILL "$1"' \
      "$LAB_OWNER" "$p" "$st/pid1" < /dev/null > /dev/null 2>&1 &
  fi
  for _ in $(seq 100); do [ -S "/proc/$p/root/run/systemd/private" ] && break; sleep 0.01; done
  # `is-system-running --wait` needs PID 1's bus connection, so retry until it has one
  for _ in $(seq 50); do s=$(enter timeout 60 systemctl is-system-running --wait 2>/dev/null) || :
    case $s in running|degraded) echo "$s"; exit 0;; esac; sleep 0.05; done
  echo "boot did not finish: $s" >&2; exit 70;;
exec) enter "$@";;
unit) enter systemd-run --quiet --pipe --wait --collect -- "$@";;
pid)  pid1;;
bus)  p=$(pid1); echo "unix:path=/proc/$p/root/run/dbus/system_bus_socket";;
cable)
  o=${1:?other} l=${2:?link} a=${3:?address}
  p=$(pid1) && q=$(st=$LAB/run/$o; pid1) || { echo "$name and $o do not both run" >&2; exit 69; }
  net() { nsenter -t "$1" -m -n -r -w -- env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin "${@:2}"; }
  net "$p" ip link delete "vb-$l" 2> /dev/null || :        # of a system that was there before
  net "$p" ip link add "vb-$l" type veth peer name eth0 netns "$q"
  net "$p" ip link set "vb-$l" master br0 up
  net "$q" ip addr add "$a/24" dev eth0; net "$q" ip link set eth0 up
  net "$q" sysctl -qw net.ipv4.neigh.eth0.retrans_time_ms=50;;   # else the first packet waits 1 s for ARP
freeze) pid1 > /dev/null && echo 1 > "$cg/cgroup.freeze";;
thaw) pid1 > /dev/null && echo 0 > "$cg/cgroup.freeze";;
stop) if p=$(pid1); then kill -s RTMIN+4 "$p"; wait_gone "$p" 1500 || { echo "power cut after 30 s" >&2; kill -KILL "$p"; wait_gone "$p" 250; }; fi; clean;;
kill) if p=$(pid1); then kill -KILL "$p"; wait_gone "$p" 250; fi; clean;;
*) exit 64;;
esac
