#!/bin/bash
# rpm.sh TREE OUT [VERSION] — make RPM packages of an installed tree (`make install DESTDIR=TREE`) in the folder OUT.
# VERSION: that of Cargo.toml unless it is given. PAYLOAD, such as w0.gzdio, says how they are compressed. Needs rpmbuild. Everything happens in a folder of its own; TREE is not changed.
set -euo pipefail
cd "$(dirname "$0")/.."
tree=$(realpath "${1:?the installed tree}"); out=$(realpath -m "${2:?the folder for the packages}")
version=${3:-$(sed -n '/^\[workspace.package\]/,/^\[/s/^version = "\(.*\)"/\1/p' Cargo.toml)}
command -v rpmbuild > /dev/null || { echo "rpmbuild is missing: make packages" >&2; exit 77; }
[ -x "$tree/usr/bin/cpe" ] || { echo "$tree: nothing is installed there: make install DESTDIR=$tree" >&2; exit 66; }
mkdir -p "$out"
work=$(mktemp -d "$out/.rpm.XXXXXX"); trap 'rm -rf "${work:?}"' EXIT
# The day of the last commit, so that the same commit makes the same packages.
export SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2> /dev/null || date +%s)}
rpmbuild -bb --define "_topdir $work" --define "_tmppath $work" --define "_rpmdir $out" --define "_rpmfilename %%{NAME}-%%{VERSION}-%%{RELEASE}.%%{ARCH}.rpm" \
  --define "tree $tree" --define "package_version $version" --define "use_source_date_epoch_as_buildtime 1" \
  ${PAYLOAD:+--define "_binary_payload $PAYLOAD"} mk/packages/cloud-policy-engine.spec > "$work/log" 2>&1 || { cat "$work/log" >&2; exit 70; }
ls "$out"/*"-${version}-"*.rpm
