# The service stops and starts again with a tape in the drive (3.19; F.5/142).
. /lab/guest/lib.sh

library stay --family STY --tapes 3 --capacity 200MB
need mtx -f "$CSG" load 2 0
need mtx -f "$CSG" transfer 3 77
need tape_ready
object() { mt -f "$NST" tell | sed -n 's/^At block \([0-9]*\)\.$/\1/p'; }
file() { dd if=/dev/urandom of=/tmp/file$1 bs=1000 count="$2" 2>/dev/null; dd if=/tmp/file$1 of="$NST" bs=1000; }
serials() { sg_vpd -p 0x80 "$TSG"; sg_vpd -p 0x80 "$CSG"; sg_vpd -p 0x83 "$TSG"; sg_vpd -p 0x83 "$CSG"; }
inventory() { mtx -f "$CSG" status | tail -n +2; }
# The session is back when a command is answered that does not touch the tape or its unit attentions.
session_back() { eventually 60 timeout 5 sg_inq "$TSG"; }

check "the first file" file 1 20
check "the second file" file 2 30
need mt -f "$NST" rewind
need mt -f "$NST" fsr 5
serials >/tmp/serials
inventory >/tmp/inventory

check "the service stops cleanly" service_stop
refuse "and is gone" "." vloader status
check "it starts again" service_start
check "the kernel's session comes back by itself" session_back
check "the first open after it reads without a rewind" dd if="$NST" of=/tmp/back bs=64k
check "from the beginning of the tape" cmp /tmp/file1 /tmp/back
check "and then the second file" dd if="$NST" of=/tmp/back bs=64k
check "as written" cmp /tmp/file2 /tmp/back
serials >/tmp/now 2>&1
check "serial numbers and names are the same" cmp /tmp/serials /tmp/now
inventory >/tmp/now 2>&1
check "each tape is where it was, the one in the drive with its slot" cmp /tmp/inventory /tmp/now
check "writing goes on at the end of data" mt -f "$NST" eod
check "a third file" file 3 10
equal "behind the others" "$(object)" 63

check "stop" service_stop
check "start" service_start
check "the session comes back" session_back
check "logout" logout "$IQN"
check "login" login "$IQN"
check "the tape becomes ready" tape_ready
check "mt status" mt -f "$NST" status
match "at the beginning" "BOT.*ONLINE"
check "mt fsf 2" mt -f "$NST" fsf 2
check "the third file" dd if="$NST" of=/tmp/back bs=64k
check "as written" cmp /tmp/file3 /tmp/back

need mt -f "$NST" rewind
service_kill
check "kill -9 with the tape idle: it starts again" service_start
check "the session comes back" session_back
check "the first open reads" dd if="$NST" of=/tmp/back bs=64k
check "from the beginning" cmp /tmp/file1 /tmp/back
inventory >/tmp/now 2>&1
check "each tape is where it was" cmp /tmp/inventory /tmp/now
check "mtx unload to the slot it came from" mtx -f "$CSG" unload
check "mtx status" mtx -f "$CSG" status
match "which is slot 2" "Storage Element 2:Full :VolumeTag=STY002L8"

check "stop with an empty drive" service_stop
check "start" service_start
check "the session comes back" session_back
tape_empty() { mt -f "$NST" status | grep -q DR_OPEN; }
check "the drive is empty" eventually 10 tape_empty
clean_kernel_log "the kernel's log is clean" "detected conn error|rejecting I/O|Power-on"
