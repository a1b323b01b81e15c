#!/bin/sh
# Installs the Debian packages a make target needs, by name, and only those that
# are missing. Usage: deps.sh test|interop|bench
set -eu

case "${1:-}" in
test)  packages="user-mode-linux open-iscsi lsscsi sg3-utils mtx mt-st kmod iproute2 libiscsi-bin tgt gcc libc6-dev e2fsprogs" ;;
interop) packages="user-mode-linux open-iscsi lsscsi sg3-utils mtx mt-st kmod iproute2 e2fsprogs libiscsi-bin gcc libc6-dev" ;;
bench) packages="tgt libiscsi-dev gcc libc6-dev" ;;
*) echo "usage: $0 test|interop|bench" >&2; exit 2 ;;
esac

if ! command -v dpkg-query >/dev/null 2>&1; then
	echo "deps: not a Debian system; install the counterparts of these yourself: $packages" >&2
	exit 0
fi
missing=""
for p in $packages; do
	dpkg-query -W -f '${db:Status-Status}' "$p" 2>/dev/null | grep -qx installed || missing="$missing $p"
done
[ -n "$missing" ] || exit 0

sudo=""
if [ "$(id -u)" -ne 0 ]; then
	if ! command -v sudo >/dev/null 2>&1; then
		echo "deps: missing packages:$missing. Install them as root: apt-get install$missing" >&2
		exit 1
	fi
	sudo="sudo"
fi
echo "deps: installing$missing"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
# shellcheck disable=SC2086
if ! { $sudo apt-get update && $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $missing; } >"$log" 2>&1; then
	cat "$log" >&2
	echo "deps: apt-get failed; see above" >&2
	exit 1
fi
