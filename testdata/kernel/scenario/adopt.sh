# A backup folder alone is enough to bring its loader back, on another machine
# too (3.7, 3.12, 3.22), and its slot map has a backup copy (3.23).
. /lab/guest/lib.sh

library home --slots 50 --family HOM --tapes 4 --capacity 100MB
need mtx -f "$CSG" load 3 0
need mtx -f "$CSG" transfer 4 44
need tape_ready
check "an archive is written" tar -b 128 -cf "$NST" -C "$SOURCE/src" fmt
serials() { for d in "$TSG" "$CSG"; do for p in 0x80 0x83; do sg_vpd -p $p "$d"; done; done | grep -v 'iqn\.'; }
inventory() { mtx -f "$CSG" status | tail -n +2; }
same() {
	serials >/tmp/now
	check "$1: serial numbers and names are the same" cmp /tmp/serials /tmp/now
	inventory >/tmp/now
	check "$1: each tape is where it was" cmp /tmp/inventory /tmp/now
	check "$1: the tape in the drive is ready" tape_ready
	check "$1: it holds what was written" tar -b 128 -df "$NST" -C "$SOURCE/src"
	need mt -f "$NST" rewind
}
serials >/tmp/serials
inventory >/tmp/inventory
need mt -f "$NST" rewind

check "logout" logout "$IQN"
check "the loader is deleted" vloader loader delete home --yes
check "its tapes stay" test -f $DISK/home/HOM003L8.tape
refuse "its target is gone" "." login "$IQN"
loader home --auth none
need discover
check "the folder brings it back" login "$IQN"
same "after delete and create"
check "logout" logout "$IQN"

check "the service stops" service_stop
mv $DISK/home $DISK/moved
rm -rf $STATE
check "another machine's service starts, which knows of nothing" service_start
vloader loader list >$OUT
match "as it says" "no loader"
loader moved --auth none
need discover
check "the folder, under another name, brings it back" login "$IQN"
same "on another machine"
refuse "a second loader cannot have the same folder" "." vloader loader create third --folder $DISK/moved
check "logout" logout "$IQN"

check "the service stops" service_stop
head -c 5000 /dev/urandom >$DISK/moved/slotmap.db
: >$SERVICE_LOG
check "the slot map is destroyed; the service starts" service_start
grep -iE 'backup copy|slotmap.db.backup' $SERVICE_LOG >$OUT
match "and says that it used the backup copy" "."
need discover
check "login" login "$IQN"
same "from the backup copy"
check "logout" logout "$IQN"

check "the service stops" service_stop
head -c 5000 /dev/urandom >$DISK/moved/slotmap.db
head -c 5000 /dev/urandom >$DISK/moved/slotmap.db.backup
sha256sum $DISK/moved/slotmap.db* >/tmp/sums
check "both copies are destroyed; the service starts" service_start
vloader loader info moved >$OUT 2>&1
match "and says that this loader cannot be served" "[Dd]amaged|cannot|neither"
note <$OUT
service_stop
check "nothing was overwritten" sha256sum --quiet -c /tmp/sums
clean_kernel_log "the kernel's log is clean"
