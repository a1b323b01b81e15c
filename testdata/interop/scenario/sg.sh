# sg3_utils, all of them that ask: every VPD, mode and log page that is listed, on
# both units, without a word of trouble (F.5/146). The kernel lab's `login` has the
# usual calls; this has the rest, and the pages' lists against one another.
. /lab/interop/scenario/lib.sh

library bench --family SGU --tapes 2 --capacity 64MB
need mtx -f "$CSG" load 1 0
need tape_ready
need dd if=/dev/urandom of="$NST" bs=64k count=20
need mt -f "$NST" rewind

for lun in "tape $TSG 1" "changer $CSG 8"; do
	set -- $lun
	quiet "$1: sg_turs, a hundred times" sg_turs -n 100 "$2"
	quiet "$1: sg_inq" sg_inq "$2"
	cp $OUT /lab/$1.inq
	quiet "$1: sg_inq --descriptors" sg_inq --descriptors "$2"
	quiet "$1: sg_inq of the list of pages" sg_inq --vpd "$2"
	pages=$(sg_vpd --page=sv --raw "$2" | od -An -v -tx1 -j4 | tr -d '\n')
	[ -n "$pages" ] && pass "$1: it lists pages:$pages" || fail "$1: it lists no pages"
	for page in $pages; do
		quiet "$1: sg_vpd of page ${page}h" sg_vpd --page="0x$page" "$2"
		quiet "$1: sg_inq of page ${page}h" sg_inq --page="0x$page" "$2"
		sg_vpd --page="0x$page" --raw "$2" >/tmp/page
		equal "$1: page ${page}h says its own number and length" "$(od -An -tx1 -j1 -N1 /tmp/page | tr -d ' ') $(od -An -tu1 -j2 -N2 /tmp/page | awk '{ print $1 * 256 + $2 + 4 }')" "$page $(stat -c %s /tmp/page)"
	done
	quiet "$1: sg_vpd --all" sg_vpd --all "$2"
	cp $OUT /lab/$1.vpd

	quiet "$1: sg_logs, the list with subpages" sg_logs --list --list "$2"
	check "$1: sg_logs -a" sg_logs -a "$2"
	# The names of TapeAlert's flags speak of warnings and errors.
	sed -i '/: 0$/d' $OUT
	none "$1: without a word of trouble" "$trouble"
	cp $OUT /lab/$1.logs
	for page in $(sg_logs --page=0 --raw "$2" | od -An -v -tx1 -j4 | tr -d '\n'); do
		check "$1: sg_logs of page ${page}h" sg_logs --page="0x$page" "$2"
		sg_logs --page="0x$page" --raw "$2" >/tmp/page
		equal "$1: log page ${page}h says its own number and length" "$(od -An -tu1 -N1 /tmp/page | awk '{ printf "%02x", $1 % 64 }') $(od -An -tu1 -j2 -N2 /tmp/page | awk '{ print $1 * 256 + $2 + 4 }')" "$page $(stat -c %s /tmp/page)"
	done

	quiet "$1: sg_modes -a" sg_modes -a "$2"
	cp $OUT /lab/$1.modes
	for control in 0 1 2; do
		quiet "$1: sg_modes -a, page control $control" sg_modes -a --control=$control "$2"
	done
	refuse "$1: saved mode pages are not there" "aving parameters not supported|Illegal request" sg_modes -a --control=3 "$2"

	quiet "$1: sg_opcodes" sg_opcodes "$2"
	cp $OUT /lab/$1.opcodes
	quiet "$1: sg_opcodes with timeouts" sg_opcodes --rctd "$2"
	# Lines are: opcode, service action where there is one, length, timeouts or flags.
	awk '$1 ~ /^[0-9a-f][0-9a-f]$/ { print $3 ~ /^[0-9]+$/ ? "0x" $1 ",0x" $2 : "0x" $1 }' $OUT >/tmp/commands
	strange=
	while read -r command; do
		sg_opcodes --opcode="$command" "$2" >/tmp/one 2>&1 && grep -q "[Ss]upported" /tmp/one && ! grep -qi "not supported" /tmp/one || strange="$strange $command"
	done </tmp/commands
	equal "$1: each of the $(wc -l </tmp/commands) commands listed is supported when asked for by itself" "$strange" ""
	check "$1: sg_opcodes of READ(10)" sg_opcodes --opcode=0x28 "$2"
	match "$1: it is not supported" "is NOT supported"
	quiet "$1: sg_opcodes of task management" sg_opcodes --tmf "$2"

	quiet "$1: sg_luns" sg_luns "$2"
	for report in 0 1 2; do quiet "$1: sg_luns --select=$report" sg_luns --select=$report "$2"; done
	quiet "$1: sg_requests" sg_requests "$2"
	quiet "$1: sg_requests, descriptor format" sg_requests --desc "$2"
	quiet "$1: sg_timestamp" sg_timestamp "$2"

	check "$1: sg_persist: register" sg_persist --out --register --param-sark=0xabc "$2"
	check "$1: sg_persist: keys" sg_persist --in --read-keys "$2"
	match "$1: the key is there" "0xabc"
	for type in 1 3 5 6 7 8; do
		check "$1: sg_persist: reserve, type $type" sg_persist --out --reserve --param-rk=0xabc --prout-type=$type "$2"
		quiet "$1: sg_persist: the reservation" sg_persist --in --read-reservation "$2"
		quiet "$1: sg_persist: full status" sg_persist --in --read-full-status "$2"
		check "$1: sg_persist: release" sg_persist --out --release --param-rk=0xabc --prout-type=$type "$2"
	done
	quiet "$1: sg_persist: capabilities" sg_persist --in --report-capabilities "$2"
	cp $OUT /lab/$1.persist
	check "$1: sg_persist: clear" sg_persist --out --clear --param-rk=0xabc "$2"
	quiet "$1: sg_persist: no keys are left" sg_persist --in --read-keys "$2"
	match "$1: none" "there are NO registered reservation keys"
done

for density in "" --media; do
	if command -v sg_rep_density >/dev/null; then
		quiet "sg_rep_density $density" sg_rep_density $density "$TSG"
	fi
done
quiet "sg_read_attr, all" sg_read_attr "$TSG"
cp $OUT /lab/attributes
quiet "sg_read_attr, in hexadecimal" sg_read_attr --hex "$TSG"
quiet "sg_read_attr, the list" sg_read_attr --sa=1 "$TSG"
check "sg_read_buffer" sg_read_buffer --mode=desc "$TSG"
check "sg_senddiag, default self test" sg_senddiag --test "$TSG"
check "READ MEDIA SERIAL NUMBER" sg_raw -r 64 "$TSG" ab 01 00 00 00 00 00 00 00 40 00 00

check "the tape is unharmed" dd if="$NST" of=/dev/null bs=64k count=20
clean_kernel_log "the kernel's log is clean"
