#!/bin/bash
# demo.sh [booted|processes|hosts|postgresql|vm] — `make demo`: chooses where the demonstration can run, prepares that, and runs it.
#   booted     a private system with booted guests: needs root (or sudo), a writable cgroup2 and mmdebstrap
#   postgresql the same, with a replicated database that loses its primary
#   vm         the same, with two virtual machines under software emulation (QEMU, from apt)
#   hosts      three hosts that share deployments through etcd, as private systems, and a fourth one with booted guests
#   processes  guests as processes under the user's service manager, or as root under a private one
# Exit status 77: neither is possible; a message says what is missing.
set -euo pipefail
cd "$(dirname "$0")/../.."
stage=${1:-booted}
demo=${CARGO_TARGET_DIR:-target}/debug/demo
root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi; }

why_not_booted() {
  root true 2>/dev/null || { echo "root: this user is not, and sudo asks for a password"; return; }
  command -v mmdebstrap > /dev/null || { echo "mmdebstrap, to make the guests' Debian"; return; }
  local cgroup; cgroup=$(awk '$3=="cgroup2"{print $2; exit}' /proc/mounts)
  [ -n "$cgroup" ] || { echo "a mounted cgroup2 file system"; return; }
  { root mkdir "$cgroup/demo-$$" && root rmdir "$cgroup/demo-$$"; } 2>/dev/null || { echo "a writable cgroup2 ($cgroup is not)"; return; }
  root unshare --mount --pid --fork --cgroup --ipc --net true 2>/dev/null || { echo "leave to make namespaces"; return; }
}

booted=$(why_not_booted)
case ${1:-} in
  booted | hosts | postgresql | vm) [ -z "$booted" ] || { echo "The demonstration with booted guests needs $booted." >&2; exit 77; };;
  processes) booted="another stage was asked for";;
  '') ;;
  *) echo "no such stage: $1 (booted, processes, hosts, postgresql or vm)" >&2; exit 64;;
esac

if [ -z "$booted" ]; then
  ${MAKE:-make} --no-print-directory lab
  if [ "$stage" = vm ]; then
    root tests/lab/machines.sh "${CPE_LAB:-target/lab}"
  fi
  if [ "$(id -u)" = 0 ]; then exec "$demo" "$stage"; else exec sudo -n -E "$demo" "$stage"; fi
fi

echo "No private system with booted guests here: $booted."
${CARGO:-cargo} build --locked --workspace
servers=$(tests/lab/fetch-servers.sh "${CPE_LAB:-target/lab}/servers")
PATH=${servers:+$servers:}$PATH
if busctl --user status > /dev/null 2>&1; then exec "$demo" processes; fi
if [ "$(id -u)" = 0 ]; then exec tests/lab/user-manager.sh -t 600 -- "$(realpath "$demo")" processes; fi
echo "The demonstration needs a user's service manager with a bus: log in as this user, or \`loginctl enable-linger $(id -un)\`." >&2
exit 77
