#!/bin/bash
# build-roots.sh OUTDIR [vm] — make the root directories the lab boots from.
#   OUTDIR/system  the private system that runs cpe and dpe@NAME
#   OUTDIR/guest   the tree every guest is an overlay of
#   OUTDIR/cloud   the tree of a guest as clouds have them: cloud-init, and nothing of ours
#   OUTDIR/vm      only if asked for: the system with QEMU, and with libvirt and a board of IPMI for fence agents
# Needs root and mmdebstrap; takes the machine's own apt sources ($MIRROR: another
# sources file or mirror). Four minutes for all; a finished root is kept until
# its list of packages changes.
set -euo pipefail
out=$(realpath -m "${1:?output directory}")
. /etc/os-release
suite=${SUITE:-$VERSION_CODENAME}
mirror=${MIRROR:-$(ls /etc/apt/sources.list.d/debian.sources /etc/apt/sources.list.d/ubuntu.sources /etc/apt/sources.list 2>/dev/null | head -n 1 || true)}
[ "$(id -u)" = 0 ] || { echo "must be root" >&2; exit 77; }
[ "$out" != / ] || exit 64
mkdir -p "$out/tmp"; export TMPDIR=$out/tmp
exec 9> "$out/lock"; flock 9          # two test runs may start at once
trap 'rm -rf --one-file-system "${out:?}/tmp"' EXIT

build() {   # NAME PACKAGES
  local d=$out/$1 u
  [ "$(cat "$out/$1.packages" 2>/dev/null)" != "$suite $2" ] || return 0
  echo "  building the lab's $1 root ($suite)" >&2
  rm -rf --one-file-system "$d.part" "$d.old" "$out/$1.packages"
  # a tar file, not a directory: with --exclude no device nodes are made
  timeout 900 mmdebstrap --quiet --variant=minbase --include="$2" "$suite" "$out/$1.tar" "$mirror"
  mkdir "$d.part"; tar -C "$d.part" -xpf "$out/$1.tar" --numeric-owner --exclude='./dev/*'
  # the builder's identity must not leak in; an empty machine-id is filled at boot
  rm -f "$d.part/etc/hostname" "$d.part/etc/resolv.conf"; : > "$d.part/etc/machine-id"
  for u in console-getty.service getty@.service e2scrub_reap.service e2scrub_all.timer fstrim.timer \
    apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer systemd-timesyncd.service dev-hugepages.mount \
    sys-kernel-debug.mount sys-kernel-tracing.mount sys-fs-fuse-connections.mount systemd-pstore.service openipmi.service; do
    ln -sf /dev/null "$d.part/etc/systemd/system/$u"; done
  # the resource agents start these, not the guest's boot
  for u in nginx postgresql redis-server redis mariadb mysql mysqld logd; do
    rm -f "$d.part/etc/systemd/system/"*.wants/$u.service "$d.part/etc/systemd/system/$u.service"; done
  # a test that wants libvirt starts it
  rm -f "$d.part/etc/systemd/system/"*.wants/{libvirt,virtl}*
  # a guest whose test wants an ssh server makes host keys and starts it
  rm -f "$d.part/etc/systemd/system/"*.wants/ssh.service "$d.part/etc/ssh/"ssh_host_*
  # a system that runs on the former root keeps it
  [ ! -e "$d" ] || mv "$d" "$d.old"
  mv "$d.part" "$d"; rm "$out/$1.tar"; echo "$suite $2" > "$out/$1.packages"
}
base=systemd,systemd-sysv,dbus,iproute2,procps
build guest  "$base,resource-agents,qemu-guest-agent,nginx-light,redis-server,postgresql,mariadb-server,galera-4,rsync,python3-minimal,curl,openssh-server"
build cloud  "$base,cloud-init"
system=$base,dbus-user-session,polkitd,libpam-systemd,libnss-systemd,libnss-mymachines,systemd-container,nftables,iputils-ping,python3-minimal,curl,fence-agents,openssh-client
build system "$system"
[ "${2:-}" != vm ] || build vm "$system,qemu-system-x86,libvirt-daemon-system,libvirt-daemon-driver-qemu,libvirt-clients,openssh-server,openipmi,ipmitool"
