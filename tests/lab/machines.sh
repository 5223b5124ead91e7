#!/bin/bash
# machines.sh LAB — what virtual machines and power switches of the lab need, beside what build-roots.sh makes anyway:
# LAB/roots/vm, and LAB/vm from LAB/layer. Exit status 77: this machine cannot have them; a message says why.
set -euo pipefail
lab=${1:?lab}
here=$(dirname "$0")
[ "$(uname -m)" = x86_64 ] || { echo "Virtual machines need an x86-64 machine; this one is $(uname -m)." >&2; exit 77; }
"$here/build-roots.sh" "$lab/roots" vm || {
  code=$?
  ! apt-cache show qemu-system-x86 > /dev/null 2>&1 || exit $code
  echo "Virtual machines need QEMU: there is no package qemu-system-x86 here." >&2
  exit 77
}
exec "$here/vm.sh" build "$lab/vm" "$lab/roots" "$lab/layer"
