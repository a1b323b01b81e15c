# The backup folder's file system hangs for longer than an initiator waits for an
# answer to its pings: the session lives on, and the work after it (F.1/13, trap 9).
. /lab/guest/lib.sh

library slow --family SLO --tapes 1 --capacity 500MB
need mtx -f "$CSG" load 1 0
need tape_ready
dd if=/dev/urandom of=/tmp/random bs=1M count=60 2>/dev/null

check "a file is written" dd if=/tmp/random of="$NST" bs=64k count=100
exec 5>"$NST"
dd if=/tmp/random bs=64k count=200 >&5 2>/dev/null
check "the file system hangs" fsfreeze -f $DISK
began=$(date +%s)
(sleep 18; fsfreeze -u $DISK) 5>&- &
check "status of the service is answered meanwhile" timeout 5 vloader status
match "and says what the drive does" "SLO001L8"
check "INQUIRY is answered meanwhile" timeout 5 sg_inq "$CSG"
check "mtx status is answered meanwhile" timeout 5 mtx -f "$CSG" status
exec 5>&-
[ $? -eq 0 ] && pass "the file is closed in the end" || fail "the file could not be closed"
waited=$(($(date +%s) - began))
[ $waited -ge 15 ] && pass "its filemark waited for the disk: $waited s" || fail "its filemark was acknowledged after $waited s, before the disk had it"
need mt -f "$NST" rewind
check "the first file is read" dd if="$NST" of=/tmp/back bs=64k
check "as written" cmp -n 6553600 /tmp/random /tmp/back
check "the second file is read" dd if="$NST" of=/tmp/back bs=64k
check "as written" cmp -n 13107200 /tmp/random /tmp/back
clean_kernel_log "the kernel's log is clean: no connection was lost"
