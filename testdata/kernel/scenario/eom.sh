# The end of a tape as st shows it (F.3/86-89): early warning, the end itself, the
# filemark behind it, and everything still there.
. /lab/guest/lib.sh

library brim --family BRM --tapes 1 --capacity 8MB
need mtx -f "$CSG" load 1 0
need tape_ready
object() { mt -f "$NST" tell | sed -n 's/^At block \([0-9]*\)\.$/\1/p'; }
dd if=/dev/urandom of=/tmp/random bs=64k count=200 2>/dev/null
records_out() { sed -n 's/^\([0-9]*\)+0 records out$/\1/p' $OUT; }

# Early warning stands at C-W, W is a quarter of C; an object takes 64 bytes more than its data.
early=$((6000000 / (65536 + 64) + 1))
refuse "dd fills the tape" "No space left on device" dd if=/tmp/random of="$NST" bs=64k
equal "up to the first block beyond early warning, which is written" "$(records_out)" $early
equal "close has written its filemark" "$(object)" $((early + 1))

exec 5>"$NST"
block() { dd if=/tmp/random bs=64k count=1 skip=$1 >&5 2>/dev/null; }
written=0
refusals=0
turns=
while [ $refusals -lt 4 ] && [ $written -lt 150 ]; do
	if block $written; then
		written=$((written + 1)) refusals=0 turns=${turns}w
	else
		refusals=$((refusals + 1)) turns=${turns}n
	fi
done
exec 5>&-
[ $? -eq 0 ] && pass "a file that reached the end of the tape can be closed" || fail "a file that reached the end of the tape cannot be closed"
say "written and refused in turn: $turns"
case $turns in wn*|nw*) pass "in the early-warning zone st writes and warns in turn" ;; *) fail "in the early-warning zone st should write and warn in turn: $turns" ;; esac
[ $written -lt 150 ] && [ $written -gt 10 ] && pass "the tape has an end: $written blocks more" || fail "the tape has no end: $written blocks more"
used=$(((early + written) * (65536 + 64) + 64))
[ $used -le 8000000 ] && pass "and it is not beyond its capacity: $used bytes" || fail "it is beyond its capacity: $used bytes"
equal "close has written its filemark" "$(object)" $((early + written + 2))

need mt -f "$NST" rewind
check "the first file is read" dd if="$NST" of=/tmp/back bs=64k
check "and as written" cmp -n $((early * 65536)) /tmp/random /tmp/back
equal "all of it" "$(stat -c %s /tmp/back)" $((early * 65536))
check "the second file is read" dd if="$NST" of=/tmp/back bs=64k
check "and as written" cmp -n $((written * 65536)) /tmp/random /tmp/back
equal "all of it" "$(stat -c %s /tmp/back)" $((written * 65536))
check "mtx unload" mtx -f "$CSG" unload
check "a blank tape was made ready meanwhile" mtx -f "$CSG" load 2 0
need tape_ready
check "and takes data" dd if=/tmp/random of="$NST" bs=64k count=10
check "vloader tape check of the full one" vloader tape check $DISK/brim/BRM001L8
clean_kernel_log "the kernel's log is clean"
