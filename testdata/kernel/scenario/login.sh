# Discovery, login with and without CHAP, what the kernel and sg3_utils see (F.5/141, 146).
. /lab/guest/lib.sh

disk
need service_start
loader open --tapes 1 --capacity 100MB --auth none
OPEN=$IQN
loader safe --tapes 1 --capacity 100MB
SAFE=$IQN
vloader connection safe --json >/tmp/connection
NAME=$(field chapName </tmp/connection)
SECRET=$(field chapSecret </tmp/connection)
need initiator_start

check "discovery answers" discover
match "discovery names the open loader" "^127\.0\.0\.1:3260,1 $OPEN\$"
match "discovery names the loader with CHAP" "^127\.0\.0\.1:3260,1 $SAFE\$"

refuse "login without a secret is refused" "authorization failure" iscsiadm -m node -T "$SAFE" -p $PORTAL -l
refuse "login with a wrong secret is refused" "authorization failure" login "$SAFE" "$NAME" wrong-secret-123
refuse "login with a wrong name is refused" "authorization failure" login "$SAFE" nobody "$SECRET"
check "login with CHAP" login "$SAFE" "$NAME" "$SECRET"
check "logout" logout "$SAFE"
need iscsiadm -m node -o new -T "$OPEN-x" -p $PORTAL
refuse "login to a target that is not there is refused" "login failure" iscsiadm -m node -T "$OPEN-x" -p $PORTAL -l

# libiscsi is an initiator of its own, in user space.
check "libiscsi without authentication: iscsi-inq" iscsi-inq "iscsi://$PORTAL/$OPEN/0"
match "LUN 0 is a tape" "SEQUENTIAL_ACCESS"
check "libiscsi with CHAP: iscsi-inq" iscsi-inq "iscsi://$NAME%$SECRET@$PORTAL/$SAFE/1"
match "LUN 1 is a changer" "MEDIA_CHANGER"
refuse "libiscsi with a wrong secret" "[Aa]uthentication|[Ff]ailed" iscsi-inq "iscsi://$NAME%wrong-secret-123@$PORTAL/$SAFE/1"
check "login without authentication" login "$OPEN"

check "lsscsi -g" lsscsi -g
match "lsscsi shows the tape with its st and sg nodes" "tape +.* +$ST +$TSG"
match "lsscsi shows the changer with its sch and sg nodes" "mediumx +.* +$CH +$CSG"
equal "two LUNs, no more" "$(wc -l <$OUT)" 2
equal "the kernel has one st, one ch, two sg" "$(echo /sys/class/scsi_tape/st? /sys/class/scsi_changer/* /sys/class/scsi_generic/* | wc -w)" 4

for lun in "tape $TSG 1" "changer $CSG 8"; do
	set -- $lun
	quiet "$1: sg_inq" sg_inq "$2"
	match "$1: its type, and removable" "PDT=$3"
	match "$1: removable medium (trap 10)" "RMB=1"
	match "$1: SPC-4" "version=0x06"
	[ "$1" = tape ] && pages="00 80 83 86 b0 b1 b2 b4" || pages="00 80 83 86"
	for page in $pages; do
		quiet "$1: sg_vpd page $page" sg_vpd --page=0x$page "$2"
	done
	check "$1: sg_vpd --page=0x80" sg_vpd --page=0x80 "$2"
	match "$1: a serial number of ten characters" "serial number: [A-Z0-9]{10}\$"
	refuse "$1: a page that is not in the list" "failed" sg_vpd --page=0x82 "$2"
	sg_turs -n 10 "$2" >/dev/null 2>&1
	[ "$1" = changer ] && quiet "$1: sg_turs" sg_turs -n 3 "$2"
	quiet "$1: sg_luns" sg_luns "$2"
	match "$1: sg_luns lists two LUNs" "Lun list length = 16"
	quiet "$1: sg_requests" sg_requests "$2"
	quiet "$1: sg_modes, all pages" sg_modes -a "$2"
	quiet "$1: sg_modes -6, all pages" sg_modes -6 -a "$2"
	check "$1: sg_logs, the list of pages" sg_logs "$2"
	match "$1: page 2Eh is in it" "0x2e"
	check "$1: sg_logs, all pages" sg_logs -a "$2"
	quiet "$1: sg_opcodes" sg_opcodes "$2"
	match "$1: sg_opcodes lists commands" "Inquiry"
	quiet "$1: sg_persist, keys" sg_persist -k "$2"
	quiet "$1: sg_persist, capabilities" sg_persist -c "$2"
	check "$1: sg_prevent" sg_prevent -p 1 "$2"
	check "$1: sg_prevent --allow" sg_prevent --allow "$2"
	refuse "$1: READ(10) is an unknown command" "Invalid command operation code|[Ii]llegal" sg_raw "$2" 28 00 00 00 00 00 00 00 01 00
done
serials=$(for d in $TSG $CSG; do sg_vpd -p 0x80 $d | tail -n 1; done | sort -u | wc -l)
equal "the LUNs have serial numbers of their own" "$serials" 2
refuse "the drive is empty: sg_turs" "not ready|medium not present|Medium not present" sg_turs -v "$TSG"
check "mtx load" mtx -f "$CSG" load 1 0
check "the tape becomes ready" tape_ready
quiet "sg_turs" sg_turs -n 3 "$TSG"
quiet "sg_read_attr" sg_read_attr "$TSG"
match "sg_read_attr knows the load count" "[Ll]oad count"
check "tapeinfo" tapeinfo -f "$TSG"
match "tapeinfo: ready" "Ready: yes"
match "tapeinfo: block limits" "MaxBlock: 8388608"
check "loaderinfo" loaderinfo -f "$CSG"
match "loaderinfo: what can be moved where" "Transfer Data Transfer: ->Data Transfer, ->Import/Export, ->Storage"
check "a file is written" dd if=/dev/urandom of="$NST" bs=1000 count=5
need mt -f "$NST" rewind
need mt -f "$NST" fsr 2
check "sg_reset of the tape's LUN" sg_reset --device "$TSG"
# st takes the position for unknown from the first short read after a reset until the next rewind.
dd if="$NST" of=/dev/null bs=64k 2>/dev/null
check "mt rewind after it" mt -f "$NST" rewind
check "what was written is there" dd if="$NST" of=/tmp/back bs=64k
equal "all of it" "$(stat -c %s /tmp/back)" 5000
need mt -f "$NST" rewind
check "logout" logout "$OPEN"

for digest in HeaderDigest DataDigest; do set_node "$OPEN" "node.conn[0].iscsi.$digest" CRC32C,None; done
check "login with digests offered" login "$OPEN"
equal "the header digest is CRC32C" "$(iscsiadm -m session -P 2 | sed -n 's/.*HeaderDigest: //p')" CRC32C
tape_ready
check "tar writes with digests" tar -b 256 -cf "$ST" -C "$SOURCE/src" fmt
check "tar compares with digests" tar -b 256 -df "$ST" -C "$SOURCE/src"
check "logout" logout "$OPEN"

clean_kernel_log "the kernel's log is clean" "connection[0-9]+:0: detected conn error \(1020\)"
