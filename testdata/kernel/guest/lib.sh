# What every scenario begins with: `. /lab/guest/lib.sh`. Plain sh.
#
# A scenario is a list of checks; each prints one line in the Test Anything
# Protocol ("ok 12 - mtx status lists 1000 slots"), with the output of what went
# wrong after it as "# ..." lines. `finish` (at exit, by itself) prints the count.

PORTAL=127.0.0.1:3260
INITIATOR=iqn.2026-11.io.virtualloader:guest
DISK=/disk
STATE=/var/lib/vloader
CONTROL=/run/vloader.sock
SERVICE_LOG=/lab/service.log
PATH=/lab/bin:$PATH
VLOADER_CONTROL=$CONTROL
export PATH VLOADER_CONTROL

# ---- checks ----

checks=0
failures=0
OUT=/tmp/out     # what the last check's command printed

note() { sed 's/^/# /'; }

say() { echo "# $*"; }

pass() {
	checks=$((checks + 1))
	echo "ok $checks - $1"
}

fail() {
	checks=$((checks + 1))
	failures=$((failures + 1))
	echo "not ok $checks - $1"
}

# check WHAT COMMAND...: the command must succeed. Its output is in $OUT.
check() {
	what=$1
	shift
	if "$@" >$OUT 2>&1; then
		pass "$what"
	else
		result=$?
		fail "$what"
		say "exit $result: $*"
		tail -n 20 $OUT | note
		return 1
	fi
}

# refuse WHAT PATTERN COMMAND...: the command must fail and say PATTERN (extended regular expression).
refuse() {
	what=$1 pattern=$2
	shift 2
	if "$@" >$OUT 2>&1; then
		fail "$what"
		say "succeeded, and should not have: $*"
		tail -n 20 $OUT | note
		return 1
	elif ! grep -Eq -- "$pattern" $OUT; then
		fail "$what"
		say "failed as it should, but did not say '$pattern': $*"
		tail -n 20 $OUT | note
		return 1
	fi
	pass "$what"
}

# equal WHAT GOT WANT
equal() {
	if [ "$2" = "$3" ]; then
		pass "$1"
	else
		fail "$1"
		echo "got:  $2" | note
		echo "want: $3" | note
		return 1
	fi
}

# match WHAT PATTERN: $OUT holds a line with the pattern.
match() {
	if grep -Eq -- "$2" $OUT; then
		pass "$1"
	else
		fail "$1"
		say "no '$2' in:"
		head -n 30 $OUT | note
		return 1
	fi
}

# need COMMAND...: without this the rest of the scenario makes no sense.
need() {
	if ! "$@" >$OUT 2>&1; then
		fail "set-up: $*"
		tail -n 20 $OUT | note
		exit 1
	fi
}

# quiet WHAT COMMAND...: as check, and what the command prints must not speak of trouble.
trouble='\bwarn|\berror:|\bfault|\bfailed|unexpected|malformed|too (short|long)|not supported|\bbad '
quiet() {
	what=$1
	shift
	if "$@" >$OUT 2>&1 && ! grep -Eiq "$trouble" $OUT; then
		pass "$what"
	else
		fail "$what"
		say "exit or words: $*"
		{ grep -Ein "$trouble" $OUT || tail -n 20 $OUT; } | note
		return 1
	fi
}

# eventually SECONDS COMMAND...: tries until the command succeeds.
eventually() {
	deadline=$(($(date +%s) + $1))
	shift
	until "$@" >/dev/null 2>&1; do
		[ "$(date +%s)" -lt $deadline ] || return 1
		sleep 0.2
	done
}

# clean_kernel_log WHAT [PATTERN]: since the scenario's begin the kernel warned of
# nothing, apart from lines with PATTERN, which the scenario expects, and the word
# for unit attention 29h that each LUN answers the first command with, ch's
# description of its changer, and a busy host's late timers.
clean_kernel_log() {
	dmesg -l emerg,alert,crit,err,warn >/tmp/dmesg.warn
	grep -Fxvf /tmp/dmesg.boot /tmp/dmesg.warn |
		grep -Ev "Power-on or device reset occurred|\[ch[0-9]\]|hrtimer: interrupt took|${2:-no such line}" >$OUT
	if [ -s $OUT ]; then
		fail "$1"
		note <$OUT
	else
		pass "$1"
	fi
}

# power_cut: the machine is off, and what was not on its disk is lost.
power_cut() {
	echo "1..$checks"
	[ $failures -eq 0 ]
	echo $? >/lab/status
	echo o >/proc/sysrq-trigger
	sleep 60
}

finish() {
	status=$?
	if [ $failures -gt 0 ] || [ $status -ne 0 ]; then
		say "the service's log ends:"
		tail -n 40 $SERVICE_LOG 2>/dev/null | note
		say "the kernel's log ends:"
		dmesg | tail -n 15 | note
	fi
	dmesg >/lab/dmesg
	echo "1..$checks"
	[ $failures -gt 0 ] && status=1
	exit $status
}
trap finish EXIT

# ---- the machine ----

modprobe -a st sg ch iscsi_tcp
dmesg >/tmp/dmesg.boot

# disk: the guest's own disk, ext4, at $DISK.
disk() {
	mkdir -p $DISK
	need mount -t ext4 /dev/ubda $DISK
}

mt() { mt-st "$@"; }

# ---- the service ----

# service_start: runs vloaderd and waits until it answers.
service_start() {
	mkdir -p $STATE
	vloaderd run --state $STATE --iscsi $PORTAL --control $CONTROL >>$SERVICE_LOG 2>&1 </dev/null &
	SERVICE=$!
	eventually 20 vloader status
}

# service_stop: asks it to end and waits until it did, 30 seconds at most; its exit status.
service_stop() {
	kill -TERM "$SERVICE" || return 1
	(sleep 30 && kill -KILL "$SERVICE") 2>/dev/null &
	watchdog=$!
	wait "$SERVICE"
	ended=$?
	kill $watchdog 2>/dev/null
	return $ended
}

# service_kill: it gets no chance to do anything.
service_kill() {
	kill -KILL "$SERVICE"
	wait "$SERVICE" 2>/dev/null
}

# field JSON-KEY: the value of a string or number in the JSON text on standard input.
field() {
	sed -n 's/.*"'"$1"'" *: *"\{0,1\}\([^",}]*\)"\{0,1\}[,}]\{0,1\}.*/\1/p' | head -n 1
}

# loader NAME OPTION...: creates a loader in $DISK/NAME and reads its IQN.
loader() {
	name=$1
	shift
	need vloader loader create "$name" --folder "$DISK/$name" "$@"
	IQN=$(vloader connection "$name" --json | field iqn)
	[ -n "$IQN" ] || need false "no IQN in: vloader connection $name --json"
}

# ---- the initiator ----

initiator_start() {
	mkdir -p /run/lock/iscsi
	rm -f /etc/iscsi/initiatorname.iscsi # the host's, perhaps not readable for us
	echo "InitiatorName=$INITIATOR" >/etc/iscsi/initiatorname.iscsi
	setsid iscsid -f >/tmp/iscsid.log 2>&1 </dev/null &
	eventually 10 grep -q ISCSIADM_ABSTRACT_NAMESPACE /proc/net/unix
}

discover() { iscsiadm -m discovery -t st -p $PORTAL; }

set_node() { iscsiadm -m node -T "$1" -p $PORTAL -o update -n "$2" -v "$3"; }

# login IQN [NAME SECRET]: logs in to a target that was discovered and finds its devices.
login() {
	if [ $# -eq 3 ]; then
		set_node "$1" node.session.auth.authmethod CHAP
		set_node "$1" node.session.auth.username "$2"
		set_node "$1" node.session.auth.password "$3"
	fi
	iscsiadm -m node -T "$1" -p $PORTAL -l && eventually 10 devices "$1"
}

logout() { iscsiadm -m node -T "$1" -p $PORTAL -u; }

# session IQN [INITIATOR]: the folder of its session in sysfs.
session() {
	for s in /sys/class/iscsi_session/session*; do
		[ "$(cat "$s/targetname" 2>/dev/null)" = "$1" ] || continue
		[ "$(cat "$s/initiatorname")" = "${2:-$INITIATOR}" ] && readlink -f "$s/device" && return
	done
	return 1
}

# devices IQN [INITIATOR]: sets ST, NST, TSG (the tape's sg node), CH and CSG (the changer's).
# A new login gets new numbers, so they are looked up by session.
devices() {
	ST= NST= TSG= CH= CSG=
	at=$(session "$@") || return 1
	for d in "$at"/target*/*:*:*:*; do
		case $(cat "$d/type" 2>/dev/null) in
		1) NST=/dev/$(cd "$d/scsi_tape" 2>/dev/null && echo nst?) ST=/dev/st${NST#/dev/nst} TSG=/dev/$(cd "$d/scsi_generic" 2>/dev/null && echo sg*) ;;
		8) CH=/dev/$(cd "$d/scsi_changer" 2>/dev/null && echo sch*) CSG=/dev/$(cd "$d/scsi_generic" 2>/dev/null && echo sg*) ;;
		esac
	done
	[ -c "$NST" ] && [ -c "$TSG" ] && [ -c "$CSG" ] && [ -c "$CH" ]
}

# online: st says that a tape is ready. Through st, because a unit attention that sg
# met would leave st without the news that another tape has come.
online() { mt -f "$NST" status | grep -q ONLINE; }
tape_ready() { eventually 20 online; }

# library NAME OPTION...: service, loader, initiator, login; the usual beginning.
library() {
	disk
	need service_start
	loader "$@" --auth none
	need initiator_start
	need discover
	need login "$IQN"
}
