# kill -9 in the middle of a tar stream: what a flush acknowledged is there, the
# rest ends at a whole record, and the work goes on (spec F.3/116).
. /lab/guest/lib.sh

library lost --family LST --tapes 1 --capacity 900MB
need mtx -f "$CSG" load 1 0
need tape_ready
cp -r "$SOURCE/src/net" "$SOURCE/src/cmd" /tmp/
tape=$DISK/lost/LST001L8.tape
size() { stat -c %s "$tape"; }
session_back() { eventually 60 timeout 5 sg_inq "$TSG"; }
check "a first archive, closed with a filemark" tar -b 128 -cf "$NST" -C /tmp net
before=$(size)
tar -b 128 -cf - -C /tmp net >/tmp/stream
tar -b 128 -cf - -C /tmp cmd >>/tmp/stream

tar -b 128 -cf "$NST" -C /tmp cmd >/tmp/tar.log 2>&1 &
streaming=$!
longer() { [ "$(size)" -gt $((before + 10000000)) ]; }
check "a second archive streams" eventually 60 longer
service_kill
check "vloader tape check after kill -9" vloader tape check $DISK/lost/LST001L8
check "the service starts again" service_start
wait $streaming
[ $? -ne 0 ] && pass "tar was told" || fail "tar believes that all went well"
note </tmp/tar.log
check "the kernel's session comes back by itself" session_back
check "the tape becomes ready" tape_ready
check "mt rewind" mt -f "$NST" rewind
check "the first archive is whole" tar -b 128 -df "$NST" -C /tmp
check "mt rewind" mt -f "$NST" rewind
check "mt fsf 1" mt -f "$NST" fsf 1
dd if="$NST" of=/tmp/rest bs=64k >$OUT 2>&1
got=$(stat -c %s /tmp/rest)
equal "the second ends at a whole record" $((got % 65536)) 0
[ "$got" -gt 0 ] && pass "something of it is there: $got bytes" || fail "nothing of the second archive is left"
tail -c +$((before + 1)) /tmp/stream | head -c "$got" | cmp - /tmp/rest >$OUT 2>&1
equal "and is what was written" "$?" 0

check "mt rewind" mt -f "$NST" rewind
check "mt fsf 1" mt -f "$NST" fsf 1
check "the second archive is written again in its place" tar -b 128 -cf "$NST" -C /tmp cmd
check "mt rewind" mt -f "$NST" rewind
check "the first is whole" tar -b 128 -df "$NST" -C /tmp
check "mt fsf 1" mt -f "$NST" rewind
need mt -f "$NST" fsf 1
check "the second is whole" tar -b 128 -df "$NST" -C /tmp
check "mtx unload" mtx -f "$CSG" unload 1 0
check "the tape's file is exactly the bytes written" cmp /tmp/stream "$tape"
check "vloader tape check" vloader tape check $DISK/lost/LST001L8

# The same with a stop that is asked for: everything acknowledged is kept.
need mtx -f "$CSG" load 2 0
need tape_ready
endless() { while cat /tmp/stream; do :; done 2>/dev/null; }
endless | dd of="$NST" bs=64k iflag=fullblock status=progress 2>/tmp/dd.log &
streaming=$!
check "a stream runs" eventually 60 grep -q bytes /tmp/dd.log
check "the service stops cleanly in the middle of it" service_stop
check "the service starts again" service_start
wait $streaming
[ $? -ne 0 ] && pass "dd was told" || fail "dd believes that all went well"
acknowledged=$(tr '\r' '\n' </tmp/dd.log | sed -n 's/^\([0-9]*\) bytes.*/\1/p' | tail -n 1)
check "the kernel's session comes back by itself" session_back
check "the tape becomes ready" tape_ready
check "mt rewind" mt -f "$NST" rewind
dd if="$NST" of=/tmp/rest bs=64k >$OUT 2>&1
got=$(stat -c %s /tmp/rest)
[ "$got" -ge "$acknowledged" ] && pass "all $acknowledged bytes that dd counted are there ($got)" || fail "of $acknowledged bytes that dd counted only $got are there"
endless | head -c "$got" | cmp - /tmp/rest >$OUT 2>&1
equal "as written" "$?$(cat $OUT)" 0
clean_kernel_log "the kernel's log is clean" "detected conn error|rejecting I/O|Error [0-9a-f]+ \(|\[st0\]"
