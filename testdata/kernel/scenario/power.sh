# The power goes, again and again, in the middle of a stream: what a filemark
# closed is there, the rest ends at a whole record (F.3/91). What the guest's
# kernel had not written to its disk is lost each time.
. /lab/guest/lib.sh

MEMBER=/tmp/member
# member N: the content of the tape's file N, always the same.
member() { yes "the content of file $1" | head -c $((1000000 + $1 * 37777)) >$MEMBER; }

disk
need service_start
need initiator_start
if [ "$BOOT" = 1 ]; then
	loader dark --family DRK --tapes 2 --capacity 900MB --auth none
	need discover
	need login "$IQN"
	need mtx -f "$CSG" load 1 0
	need tape_ready
else
	loader dark --auth none # its folder brings it back; the service's state was in memory
	need discover
	need login "$IQN"
	check "boot $BOOT: the drive has its tape" tape_ready
	mtx -f "$CSG" status >$OUT
	match "boot $BOOT: the first one" "Data Transfer Element 0:Full \(Storage Element 1 Loaded\):VolumeTag = DRK001L8"
	acknowledged=$(cat /lab/acknowledged)
	[ "$acknowledged" -gt 0 ] && pass "boot $BOOT: $acknowledged files were acknowledged" || fail "boot $BOOT: nothing was ever acknowledged"
	damaged=
	for n in $(seq "$acknowledged"); do
		member "$n"
		dd if="$NST" bs=64k 2>/dev/null | cmp - $MEMBER >/dev/null 2>&1 || damaged="$damaged $n"
	done
	equal "boot $BOOT: each of them is as it was written" "$damaged" ""
	check "boot $BOOT: what follows can be read" dd if="$NST" of=$DISK/rest bs=64k
	rest=$(stat -c %s $DISK/rest)
	equal "boot $BOOT: and ends at a whole record ($rest bytes)" $((rest % 65536)) 0
	yes "a stream that nobody acknowledges" | head -c "$rest" | cmp - $DISK/rest >$OUT 2>&1
	equal "boot $BOOT: as written" "$?$(cat $OUT)" 0
	rm $DISK/rest
	need mt -f "$NST" rewind
	need mt -f "$NST" fsf "$acknowledged"
fi

if [ "$BOOT" = "$BOOTS" ]; then
	check "the tape goes to its slot" mtx -f "$CSG" unload
	check "vloader tape check" vloader tape check $DISK/dark/DRK001L8
	exit
fi
first=$((${acknowledged:-0} + 1))
for n in $(seq $first $((first + 5))); do
	member "$n"
	need dd if=$MEMBER of="$NST" bs=64k
	echo "$n" >/lab/acknowledged
done
pass "boot $BOOT: six files more are acknowledged"
yes "a stream that nobody acknowledges" | dd of="$NST" bs=64k iflag=fullblock >/dev/null 2>&1 &
# Short and long: ext4 commits every five seconds, by itself.
sleep $((BOOT * 3 - 2)).$(od -An -N2 -tu2 /dev/urandom | tr -d ' ')
power_cut
