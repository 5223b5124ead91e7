#!/bin/bash
# packages.sh — install what building, testing and the demonstration need and this machine lacks,
# saying so. Debian and Ubuntu; elsewhere the missing programs are named (exit status 77).
set -euo pipefail

# program:package pairs; a program that is there is never reinstalled
needs="cc:gcc make:make dbus-daemon:dbus-daemon busctl:systemd mmdebstrap:mmdebstrap xmllint:libxml2-utils unshare:util-linux
       nsenter:util-linux ip:iproute2 python3:python3-minimal curl:curl pgrep:procps ssh:openssh-client
       node:nodejs npm:npm dh:debhelper lintian:lintian rpmbuild:rpm rpmlint:rpmlint cpio:cpio man:man-db
       protoc:protobuf-compiler setpriv:util-linux"
# Ubuntu's chromium is a snap, which cannot look into the tests' networks: there the page is not tested in a browser.
grep -qs '^ID=ubuntu$' /etc/os-release || needs+=" chromium:chromium"
packages=()
for need in $needs; do
  command -v "${need%%:*}" > /dev/null 2>&1 || [ -x "/usr/sbin/${need%%:*}" ] || packages+=("${need#*:}")
done
# the user bus, under which the agent's class systemd is tested
[ -e /usr/lib/systemd/user/dbus.socket ] || packages+=(dbus-user-session)
# the client in examples/python, which a test runs with the system's own Python
/usr/bin/python3 -c 'import gi' > /dev/null 2>&1 || packages+=(python3 python3-gi)
# the same of examples/ansible
/usr/bin/python3 -c 'import ansible.module_utils.basic' > /dev/null 2>&1 || packages+=(ansible-core)
# what protoc reads beside the client's own files
[ -e /usr/include/google/protobuf/descriptor.proto ] || packages+=(libprotobuf-dev)
# the letters of the pictures that the page is compared with
[ -e /usr/share/fonts/truetype/dejavu/DejaVuSans.ttf ] || packages+=(fonts-dejavu-core)
[ ${#packages[@]} -gt 0 ] || exit 0
mapfile -t packages < <(printf '%s\n' "${packages[@]}" | sort -u)
if ! command -v apt-get > /dev/null; then
  echo "missing, and this is not Debian or Ubuntu, so please install what provides: ${packages[*]}" >&2
  exit 77
fi
echo "installing system packages: ${packages[*]}"
export DEBIAN_FRONTEND=noninteractive
${SUDO:-} apt-get update -q
${SUDO:-} apt-get install -q -y --no-install-recommends "${packages[@]}"
