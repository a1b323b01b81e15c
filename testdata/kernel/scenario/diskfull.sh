# The backup folder's volume runs full (3.14, 3.34; spec C.14): alert below 6 %, an
# error of its own below 5 %, nothing lost, recovery by itself.
. /lab/guest/lib.sh

library full --family FUL --tapes 2 --capacity 400MB
need mtx -f "$CSG" load 1 0
need tape_ready
vloader events --follow >/tmp/events 2>&1 &
total=$(($(stat -f -c '%b * %S' $DISK) / 100))   # one per cent of the volume, bytes
available() { echo $(($(stat -f -c '%a * %S' $DISK))); }
# leave TENTHS: fills the volume until so many tenths of a per cent are available.
leave() {
	rm -f $DISK/ballast
	fallocate -l $(($(available) - total * $1 / 10)) $DISK/ballast
}
event() { grep -Eiq "$1" /tmp/events; }
dd if=/dev/urandom of=/tmp/mib bs=1M count=1 2>/dev/null
write() { dd if=/tmp/mib of="$NST" bs=64k; }

check "a file on the tape with room enough" write
check "below 6 %: the volume fills" leave 57
check "an alert on the event stream" eventually 30 event 'disk|space|volume'
note </tmp/events
check "the running job goes on" write
match "without a word" "copied"

exec 5>"$NST"
block() { dd if=/tmp/mib bs=64k count=1 >&5; }
write_protected() { sg_modes -6 --page=0xf "$TSG" | grep -q 'specific param=0x[89a-f]'; }
check "a job opens the tape and writes a block" block
check "below 5 %: the volume fills" leave 46
check "the tape becomes write protected" eventually 30 write_protected
refuse "the job's next block fails with an input/output error, not with end of tape" "Input/output error" block
exec 5>&-
[ $? -eq 0 ] && pass "its file can be closed" || fail "its file cannot be closed"
check "mt status" mt -f "$NST" status
match "mt status shows write protection" "WR_PROT"
refuse "a new job cannot open the tape for writing" "Read-only file system" write
need mt -f "$NST" rewind
check "what was written is readable" dd if="$NST" of=/tmp/back bs=64k
check "and the same" cmp /tmp/mib /tmp/back
check "events" cat /tmp/events
match "the floor is on the event stream" "floor|refus|full"

check "room is made" leave 80
unprotected() { ! write_protected; }
check "the write protection goes by itself" eventually 30 unprotected
need mt -f "$NST" eod
check "the next job writes" write
need mt -f "$NST" rewind
check "mtx unload" mtx -f "$CSG" unload 1 0
check "vloader tape check" vloader tape check $DISK/full/FUL001L8
clean_kernel_log "the kernel's log is clean" "\[st0\]"
