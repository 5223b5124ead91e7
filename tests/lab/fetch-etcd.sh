#!/bin/bash
# fetch-etcd.sh DIR — etcd as Debian ships it, put into DIR: the tests of what hosts share start members of their own. Installed, it would
# start as a service of this machine.
set -euo pipefail
exec "$(dirname "$0")/fetch-package.sh" "${1:?directory}" etcd-server ./usr/bin/etcd etcd
