# kill -9 at many moments of a write stream (F.3/116), one after another on one
# tape, and at many moments of a robot at work (F.4/139).
. /lab/guest/lib.sh

library many --family MNY --tapes 1 --capacity 900MB
need mtx -f "$CSG" load 1 0
need tape_ready
# moment: a sleep of up to 0.65 s
moment() { sleep "0.$(printf %05d "$(od -An -N2 -tu2 /dev/urandom)")"; }
dd if=/dev/urandom of=/tmp/random bs=1M count=128 2>/dev/null
session_back() { eventually 60 timeout 5 sg_inq "$TSG"; }

for round in $(seq 40); do
	need mt -f "$NST" rewind
	need dd if=/tmp/random of="$NST" bs=32k count=$round
	dd if=/tmp/random of="$NST" bs=64k >/dev/null 2>&1 &
	streaming=$!
	moment
	service_kill
	check "round $round: vloader tape check" vloader tape check $DISK/many/MNY001L8
	need service_start
	wait $streaming
	need session_back
	need tape_ready
	need mt -f "$NST" rewind
	dd if="$NST" of=/tmp/back bs=64k 2>/dev/null
	equal "round $round: what the filemark closed is there" "$(stat -c %s /tmp/back)" $((round * 32768))
	check "round $round: and unharmed" cmp -n $((round * 32768)) /tmp/random /tmp/back
	dd if="$NST" of=/tmp/back bs=64k 2>/dev/null
	got=$(stat -c %s /tmp/back)
	equal "round $round: the rest ends at a whole record" $((got % 65536)) 0
	check "round $round: and is what was written ($got bytes)" cmp -n "$got" /tmp/random /tmp/back
done

# robot: moves the tape round and round, through the drive too, until /tmp/moving
# is gone or a move fails; most often none does, the kernel waits for the service.
robot() {
	while [ -e /tmp/moving ] && mtx -f "$CSG" unload 1 0 && mtx -f "$CSG" transfer 1 500 && mtx -f "$CSG" transfer 500 1001 &&
		mtx -f "$CSG" transfer 1001 1 && mtx -f "$CSG" load 1 0; do :; done
}
for round in $(seq 20); do
	touch /tmp/moving
	robot >/dev/null 2>&1 &
	moving=$!
	moment
	service_kill
	rm /tmp/moving
	need service_start
	wait $moving
	need session_back
	sg_turs -n 4 "$CSG" >/dev/null 2>&1
	mtx -f "$CSG" status >$OUT
	equal "round $round: the tape that moved is in one place" "$(grep -c MNY001L8 $OUT)" 1
	grep -q 'Element 0:Full' $OUT && mtx -f "$CSG" unload 1 0 >/dev/null
	for from in 500 1001; do mtx -f "$CSG" transfer $from 1 >/dev/null 2>&1; done
	need mtx -f "$CSG" load 1 0
	need tape_ready
done
check "the tape can be read" dd if="$NST" of=/tmp/back bs=64k
check "mtx unload" mtx -f "$CSG" unload
check "vloader tape check" vloader tape check $DISK/many/MNY001L8
