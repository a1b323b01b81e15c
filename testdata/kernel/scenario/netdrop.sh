# The network is gone for 30 s in the middle of a stream (F.5/152): one error, no hang, no torn block.
. /lab/guest/lib.sh

library wire --family WIR --tapes 1 --capacity 500MB
need mtx -f "$CSG" load 1 0
need tape_ready
dd if=/dev/urandom of=/tmp/random bs=1M count=200 2>/dev/null
tape=$DISK/wire/WIR001L8.tape
need modprobe sch_netem
session_back() { eventually 90 timeout 5 sg_inq "$TSG"; }
longer() { [ "$(stat -c %s "$tape")" -gt 10000000 ]; }

dd if=/tmp/random of="$NST" bs=64k >/tmp/dd.log 2>&1 &
streaming=$!
check "a stream runs" eventually 60 longer
check "the network goes" tc qdisc add dev lo root netem loss 100%
sleep 30
check "the network comes back" tc qdisc del dev lo root
wait $streaming
[ $? -ne 0 ] && pass "dd was told" || fail "dd believes that all went well"
grep -q 'Input/output error' /tmp/dd.log && pass "with an input/output error" || { fail "dd's error"; note </tmp/dd.log; }
check "the session comes back" session_back
check "the tape becomes ready" tape_ready
check "mt rewind" mt -f "$NST" rewind
dd if="$NST" of=/tmp/back bs=64k 2>$OUT
got=$(stat -c %s /tmp/back)
equal "whole blocks only" $((got % 65536)) 0
check "as written ($got bytes)" cmp -n "$got" /tmp/random /tmp/back
need mt -f "$NST" rewind
check "a new stream goes through" dd if=/tmp/random of="$NST" bs=64k count=100
