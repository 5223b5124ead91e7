#!/bin/bash
# vm.sh — small virtual machines under software emulation: QEMU, a kernel and a few programs in memory, no disk.
#   vm.sh build OUT ROOTS LAYER  on the machine: OUT/{vmlinuz,initrd}. ROOTS/guest has the QEMU guest agent, LAYER our agent;
#                                kernel and busybox come from apt. What is there is kept until its parts change.
#   vm.sh libvirt                inside a private system: libvirtd, an ssh server, and user power, who may use both
#   vm.sh domain NAME N [AGENT]  inside: machine NAME with address 10.77.0.N as a domain of libvirt, not started. AGENT: a folder
#                                with a certificate; cpe-agent runs in it and listens on the network. Without: the QEMU guest
#                                agent alone. libvirt keeps its usual channel; a second one is /run/cpe/guests/NAME/qga.sock
# Each has ocf:own:web, an HTTP server on port 8080 that says the machine's name; http://…/cgi-bin/kill kills it,
# …/reboot its machine, …/freeze stops its agent's processes. Its watchdog device is the kernel's softdog; no guard runs there.
set -euo pipefail
verb=${1:?verb}; shift
prepare() {   # NAME N [AGENT]: what differs between machines
  local d=/srv/data/vm/$1
  rm -rf --one-file-system "$d"; mkdir -p "$d/x/etc/cpe"
  printf 'NAME=%s\nADDRESS=10.77.0.%s\nAGENT=%s\n' "$1" "$2" "${3:+1}" > "$d/x/etc/machine"
  printf '%s' "$1" | md5sum | cut -d' ' -f1 > "$d/x/etc/machine-id"
  [ -z "${3:-}" ] || cp -r "$3" "$d/x/etc/cpe/agent"
  # a second archive behind the first one is laid over it
  { cat /srv/vm/initrd; (cd "$d/x" && find . | /srv/vm/busybox cpio -o -H newc 2>/dev/null); } > "$d/initrd"
  printf '02:00:00:00:00:%02x\n' "$2" > "$d/mac"
}
inside() { [ -d /srv/vm ] && [ "$(systemd-detect-virt)" != none ] || { echo "runs inside a private system only" >&2; exit 69; }; }
case $verb in
build)
  out=$(realpath -m "${1:?out}"); roots=$(realpath "${2:?roots}"); layer=$(realpath "${3:?layer}")
  [ "$(id -u)" = 0 ] || { echo "must be root" >&2; exit 77; }
  [ "$out" != / ] || exit 64
  key=$(cat "$roots/guest.packages"; sha256sum < "$0"; sha256sum < "$layer/usr/bin/cpe-agent")
  [ "$(cat "$out/made-of" 2>/dev/null)" != "$key" ] || exit 0
  echo "  building the virtual machines' kernel and programs" >&2
  rm -rf --one-file-system "$out/w" "$out/made-of"; mkdir -p "$out/w" "$out/debs"; cd "$out/w"
  trap 'rm -rf --one-file-system "${out:?}/w"' EXIT
  k=$(apt-cache depends linux-image-cloud-amd64 2>/dev/null | awk '/Depends: linux-image/{print $2; exit}')
  [ -n "$k" ] || { echo "no kernel for virtual machines: apt knows no linux-image-cloud-amd64 (apt-get update?)" >&2; exit 77; }
  # what apt has brought before is kept, since our agent changes more often
  if [ "$(cat "$out/debs/brought" 2>/dev/null)" != "$k" ]; then
    rm -f "$out/debs/"*
    (cd "$out/debs" && timeout 300 apt-get -q -o APT::Sandbox::User=root download "$k" busybox-static > /dev/null) ||
      { echo "no kernel for virtual machines: apt cannot download $k and busybox-static" >&2; exit 77; }
    echo "$k" > "$out/debs/brought"
  fi
  for d in "$out/debs/"*.deb; do dpkg -x "$d" x; done          # into a plain directory, never into a root
  cp x/boot/vmlinuz-* "$out/vmlinuz"; cp x/bin/busybox "$out/busybox"
  mkdir -p i/{bin,dev,proc,sys,run,tmp,mod,root,etc/cpe/agent,usr/bin,usr/sbin,lib64,lib/x86_64-linux-gnu,var/lib,www/cgi-bin,usr/lib/ocf/resource.d/own}
  ln -s /run i/var/run
  cp x/bin/busybox i/bin/; for a in $(i/bin/busybox --list | grep -vx busybox); do ln -sf busybox "i/bin/$a"; done
  cp "$roots/guest/usr/sbin/qemu-ga" i/usr/sbin/; cp "$roots/guest/usr/bin/"{flock,wdctl} "$layer/usr/bin/cpe-agent" i/usr/bin/
  ! command -v strip > /dev/null || strip i/usr/bin/cpe-agent
  # libraries of the guest's Debian, for which all of them were made
  for f in usr/sbin/qemu-ga usr/bin/{flock,wdctl,cpe-agent}; do
    cp "i/$f" "$roots/guest/tmp/looked-at"; chroot "$roots/guest" /usr/bin/ldd /tmp/looked-at; rm "$roots/guest/tmp/looked-at"
  done | awk '/=> \//{print $3}' | sort -u | while read -r l; do cp -L "$roots/guest$l" i/lib/x86_64-linux-gnu/; done
  cp -L "$roots/guest/lib64/ld-linux-x86-64.so.2" i/lib64/
  n=0; add() { local m=$1 f y; f=$(find x/lib/modules -name "$m.ko" | head -1); [ -n "$f" ] || return 0
    [ -z "$(ls i/mod/*-"$m.ko" 2>/dev/null)" ] || return 0
    for y in $(tr '\0' '\n' < "$f" | sed -n 's/^depends=//p' | tr , ' '); do add "$y"; done      # dependencies first
    n=$((n+1)); cp "$f" "i/mod/$(printf %02d $n)-$m.ko"; }
  for m in virtio_pci virtio_console virtio_net softdog; do add $m; done
  cat > i/init <<'I'
#!/bin/sh
export PATH=/bin:/usr/sbin:/usr/bin
mount -t devtmpfs dev /dev; mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t tmpfs run /run; mount -t tmpfs tmp /tmp
for m in /mod/*.ko; do insmod $m; done
. /etc/machine
echo "$NAME has booted" > /dev/ttyS0; hostname $NAME; ip link set lo up; ip link set eth0 up; ip addr add $ADDRESS/24 dev eth0
mkdir -p /dev/virtio-ports
for p in /sys/class/virtio-ports/*; do read -r n < $p/name && ln -s /dev/${p##*/} /dev/virtio-ports/$n; done
echo "<h1>$NAME</h1>" > /www/index.html
# a second channel, where the hypervisor keeps the usual one to itself
second=/dev/virtio-ports/org.cloudpolicy.qga.0
[ ! -e $second ] || (mkdir -p /run/qga-cpe; while :; do qemu-ga -m virtio-serial -p $second -t /run/qga-cpe > /dev/ttyS0 2>&1; sleep 0.2; done) &
[ -z "$AGENT" ] || (while :; do CPE_AGENT_LISTEN=tcp:0.0.0.0 cpe-agent --kernel-reset; echo "cpe-agent ended: $?"; sleep 0.2; done) > /dev/ttyS0 2>&1 &
while :; do qemu-ga -m virtio-serial -p /dev/virtio-ports/org.qemu.guest_agent.0 -t /run > /dev/ttyS0 2>&1; sleep 0.2; done
I
  cat > i/usr/lib/ocf/resource.d/own/web <<'W'
#!/bin/sh
case $1 in
start) pidof httpd > /dev/null || httpd -p 8080 -h /www; for i in 1 2 3 4 5 6 7 8 9 10; do ! pidof httpd > /dev/null || exit 0; sleep 0.1; done; exit 1 ;;
stop) while pidof httpd > /dev/null; do killall httpd; sleep 0.1; done ;;
monitor) pidof httpd > /dev/null || exit 7 ;;
meta-data) echo '<?xml version="1.0"?><resource-agent name="web" version="1.0"><version>1.1</version><longdesc lang="en">A web server.</longdesc><shortdesc lang="en">web</shortdesc><parameters/><actions><action name="start" timeout="20s"/><action name="stop" timeout="20s"/><action name="monitor" timeout="20s" interval="10s"/><action name="meta-data" timeout="5s"/></actions></resource-agent>' ;;
*) exit 3 ;;
esac
W
  for c in "kill:killall -9 httpd" "reboot:reboot -f" "freeze:killall -STOP cpe-agent"; do
    printf '#!/bin/sh\nprintf "Content-Type: text/plain\\n\\n"\n%s\n' "${c#*:}" > "i/www/cgi-bin/${c%%:*}"; done
  chmod +x i/init i/usr/lib/ocf/resource.d/own/web i/www/cgi-bin/*
  (cd i && find . | ../x/bin/busybox cpio -o -H newc 2>/dev/null) > "$out/initrd"
  echo "$key" > "$out/made-of";;
libvirt)
  inside
  ssh-keygen -A > /dev/null; systemctl start ssh libvirtd
  useradd --create-home --shell /bin/bash --groups libvirt power
  install -d -o power ~power/.ssh ~power/.config/libvirt
  echo 'uri_default = "qemu:///system"' > ~power/.config/libvirt/libvirt.conf;;
domain)
  inside
  prepare "$@"; name=$1 s=/run/cpe/guests/$1
  # Of group dpe, whatever makes files in it.
  install -d -m 2750 -g dpe "$s"
  cat > "/srv/data/vm/$name/domain.xml" <<X
<domain type='qemu'>
  <name>$name</name><memory unit='MiB'>192</memory><vcpu>1</vcpu>
  <os><type arch='x86_64' machine='q35'>hvm</type><kernel>/srv/vm/vmlinuz</kernel><initrd>/srv/data/vm/$name/initrd</initrd>
    <cmdline>console=ttyS0 quiet panic=1 no_timer_check rdinit=/init</cmdline></os>
  <features><acpi/><tcg><tb-cache unit='MiB'>32</tb-cache></tcg></features>
  <devices>
    <emulator>/usr/bin/qemu-system-x86_64</emulator>
    <interface type='bridge'><source bridge='br0'/><target dev='$name'/><mac address='$(cat "/srv/data/vm/$name/mac")'/><model type='virtio'/><rom enabled='no'/></interface>
    <channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>
    <channel type='unix'><source mode='bind' path='$s/qga.sock'><seclabel model='dac' relabel='no'/></source><target type='virtio' name='org.cloudpolicy.qga.0'/></channel>
    <serial type='file'><source path='/srv/data/vm/$name/serial'/></serial>
    <memballoon model='none'/>
  </devices>
</domain>
X
  virsh --quiet define "/srv/data/vm/$name/domain.xml";;
*) exit 64;;
esac
