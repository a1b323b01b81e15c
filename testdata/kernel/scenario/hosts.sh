# Two hosts at one library: unit attentions, locks, and blocks that stay whole (A.7; F.62, F.64, F.118).
. /lab/guest/lib.sh

library both --family BTH --tapes 3 --capacity 200MB
second=iqn.2026-11.io.virtualloader:second
need iscsiadm -m iface -I second -o new
need iscsiadm -m iface -I second -o update -n iface.initiatorname -v $second
need iscsiadm -m iface -I second -o update -n iface.transport_name -v tcp
need iscsiadm -m discovery -t st -p $PORTAL -I second
A_NST=$NST A_CSG=$CSG A_TSG=$TSG
check "a second host logs in while the first is" iscsiadm -m node -T "$IQN" -p $PORTAL -I second -l
check "and finds devices of its own" eventually 10 devices "$IQN" $second
B_NST=$NST B_CSG=$CSG B_TSG=$TSG
[ "$A_NST" != "$B_NST" ] && pass "other ones: $A_NST and $B_NST" || fail "both have $A_NST"
online() { mt -f "$1" status | grep -q ONLINE; }
object() { mt -f "$1" tell | sed -n 's/^At block \([0-9]*\)\.$/\1/p'; }

check "the first host loads a tape" mtx -f "$A_CSG" load 1 0
check "it is ready for the first" eventually 10 online "$A_NST"
check "and for the second" eventually 10 online "$B_NST"
check "the first writes" tar -b 64 -cf "$A_NST" -C "$SOURCE/src" fmt
equal "the second is where the first is: there is one drive" "$(object "$B_NST")" "$(object "$A_NST")"
check "the second rewinds" mt -f "$B_NST" rewind
check "and reads what the first wrote" tar -b 64 -df "$B_NST" -C "$SOURCE/src"

check "the first locks the tape" mt -f "$A_NST" lock
refuse "the second cannot take it" "[Ii]llegal|sense|53" mtx -f "$B_CSG" unload 1 0
refuse "nor can the command line" "." vloader unload both
check "the first unlocks" mt -f "$A_NST" unlock
check "the second changes tapes: unload" mtx -f "$B_CSG" unload 1 0
check "the second changes tapes: load" mtx -f "$B_CSG" load 2 0
check "the first is told by a unit attention" eventually 10 online "$A_NST"
mt -f "$A_NST" status >$OUT
match "and stands at the beginning of another tape" "BOT"
refuse "which is blank" "Input/output error" mt -f "$A_NST" fsr 1

check "the second locks the tape" mt -f "$B_NST" lock
check "and goes without unlocking" iscsiadm -m node -T "$IQN" -p $PORTAL -I second -u
check "its lock went with it" mtx -f "$A_CSG" unload 2 0
check "it comes back" iscsiadm -m node -T "$IQN" -p $PORTAL -I second -l
check "and finds its devices" eventually 10 devices "$IQN" $second
B_NST=$NST B_CSG=$CSG B_TSG=$TSG
sg_turs -n 4 "$B_TSG" >/dev/null 2>&1 # what the login has to tell

check "SCSI-2 reservation by the first" sg_raw "$A_TSG" 16 00 00 00 00 00
refuse "a command of the second meets it" "[Rr]eservation [Cc]onflict" sg_raw "$B_TSG" 00 00 00 00 00 00
check "INQUIRY does not" sg_inq "$B_TSG"
check "the first releases" sg_raw "$A_TSG" 17 00 00 00 00 00
check "and loads a tape" mtx -f "$A_CSG" load 3 0
check "which is ready for the first" eventually 10 online "$A_NST"
check "and for the second" eventually 10 online "$B_NST"

# Both write at once: st takes an error of the other's position in its stride, the
# tape must hold whole blocks of either.
yes aaaaaaa | head -c 20000000 >/tmp/a
yes bbbbbbb | head -c 20000000 >/tmp/b
dd if=/tmp/a of="$A_NST" bs=50000 2>/tmp/a.log &
writer=$!
dd if=/tmp/b of="$B_NST" bs=50000 2>/tmp/b.log
wait $writer
blocks=$(object "$A_NST")
equal "both wrote all of their blocks" "$(sed -n 's/^\([0-9]*\)+0 records out/\1/p' /tmp/a.log /tmp/b.log | tr '\n' ' ')" "400 400 "
equal "all are on the tape, with a filemark of each" "$blocks" 802
need mt -f "$A_NST" rewind
dd if="$A_NST" of=/tmp/1 bs=64k 2>/dev/null
dd if="$A_NST" of=/tmp/2 bs=64k 2>/dev/null
cat /tmp/1 /tmp/2 >/tmp/back
for side in a b; do
	grep -c "^$side*\$" /tmp/back >/dev/null
	equal "no byte of $side is missing" "$(tr -cd $side </tmp/back | wc -c)" $((20000000 / 8 * 7))
done
mixed=0
for n in $(seq 0 20 799); do
	[ "$(dd if=/tmp/back bs=50000 skip="$n" count=1 2>/dev/null | tr -d '\n' | fold -w 1 | sort -u | wc -l)" = 1 ] || mixed=$((mixed + 1))
done
equal "no block is mixed" $mixed 0
clean_kernel_log "the kernel's log is clean" "reservation conflict|\[st[01]\]"
