#!/bin/sh
# make run: starts the service on its embedded default (state in the user's
# state directory, 127.0.0.1:3260 or the next free port), runs the main job in
# front of the user, and leaves the service running until Ctrl-C.
set -eu
cd "$(dirname "$0")/.."

log=$(mktemp)
bin/vloaderd run 2>"$log" &
service=$!
trap 'kill "$service" 2>/dev/null; wait "$service" 2>/dev/null || true; rm -f "$log"' EXIT
trap 'exit 130' INT TERM

tries=0
until bin/vloader status >/dev/null 2>&1; do
	tries=$((tries + 1))
	if ! kill -0 "$service" 2>/dev/null || [ "$tries" -gt 100 ]; then
		cat "$log" >&2
		echo "run: the service does not answer" >&2
		exit 1
	fi
	sleep 0.1
done

echo
bin/vloader demo --source "$(go env GOROOT)/src"

if [ -t 0 ] && [ -z "${CI:-}" ]; then
	echo
	echo "The service goes on until you press Ctrl-C. In another terminal: bin/vloader status"
	wait "$service"
fi
