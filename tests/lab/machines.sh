#!/bin/bash
# machines.sh LAB — what virtual machines and power switches of the lab need, beside what build-roots.sh makes anyway:
# LAB/roots/vm, and LAB/vm from LAB/layer. Exit status 77: there is no such machine's program or kernel for this system;
# a message says why, and so does LAB/no-machines to the tests.
set -euo pipefail
lab=${1:?lab}
here=$(dirname "$0")
rm -f "$lab/no-machines"
cannot() { echo "$*" | tee "$lab/no-machines" >&2; exit 77; }
[ "$(uname -m)" = x86_64 ] || cannot "Virtual machines need an x86-64 machine; this one is $(uname -m)."
"$here/build-roots.sh" "$lab/roots" vm || {
  code=$?
  ! apt-cache show qemu-system-x86 > /dev/null 2>&1 || exit $code
  cannot "Virtual machines need QEMU: there is no package qemu-system-x86 here."
}
code=0
"$here/vm.sh" build "$lab/vm" "$lab/roots" "$lab/layer" || code=$?
# Debian has such a kernel: there it could not be fetched, and the tests fail.
[ $code != 77 ] || grep -q '^ID=debian$' /etc/os-release ||
  cannot "Virtual machines need a kernel that this distribution does not have: Debian's linux-image-cloud-amd64."
exit $code
