#!/bin/sh
# make run: starts the service on its embedded default (state in the user's
# state directory, 127.0.0.1:3260 or the next free port), runs the main job in
# front of the user, and leaves the service running until Ctrl-C.
set -eu
cd "$(dirname "$0")/.."

bin/vloaderd run &
service=$!
trap 'kill "$service" 2>/dev/null; wait "$service" 2>/dev/null || true' EXIT
trap 'exit 130' INT TERM

tries=0
until bin/vloader status >/dev/null 2>&1; do
	kill -0 "$service" 2>/dev/null || exit 1
	tries=$((tries + 1))
	[ "$tries" -lt 100 ] || { echo "run: the service does not answer after 10 s" >&2; exit 1; }
	sleep 0.1
done

bin/vloader demo

if [ -t 0 ] && [ -z "${CI:-}" ]; then
	echo
	echo "The service goes on until you press Ctrl-C. In another terminal: bin/vloader status"
	wait "$service"
fi
