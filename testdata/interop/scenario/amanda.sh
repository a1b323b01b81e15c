# Amanda: the measuring of a tape, and dumps over several tapes that its chg-robot
# changes, read back and compared (F.5/148).
. /lab/interop/scenario/lib.sh

need unpack
library barn --family AMA --tapes 5 --capacity 80MB
CONFIG=/etc/amanda/lab
HOME_DIR=/var/lib/amanda
# Amanda looks names up with AI_ADDRCONFIG, which takes a machine that has only the loopback for one without a network.
ip address add 192.0.2.1/32 dev lo
echo "127.0.0.1 localhost guest" >/etc/hosts
mkdir -p $CONFIG $HOME_DIR/lab/log $HOME_DIR/lab/curinfo $HOME_DIR/lab/index $HOME_DIR/gnutar-lists /var/log/amanda /data /tmp/amanda /run/amanda
# Amanda's tar must not leave a file system; on an overlay each file seems to be on one of its own.
mount -t tmpfs tmpfs /data

cat >$CONFIG/amanda.conf <<CONF
org "lab"
mailto ""
dumpuser "backup"
inparallel 1
dumpcycle 7 days
runspercycle 1
tapecycle 6 tapes
runtapes 4
tpchanger "robot"
tapetype SMALL
autolabel "LAB-\$b" any
infofile "$HOME_DIR/lab/curinfo"
logdir "$HOME_DIR/lab/log"
indexdir "$HOME_DIR/lab/index"
tapelist "$HOME_DIR/lab/tapelist"
define tapetype SMALL {
  length 80 mbytes
  filemark 1 kbytes
  blocksize 64 kbytes
  part-size 8 mbytes
  part-cache-type memory
  part-cache-max-size 8 mbytes
}
define changer robot {
  tpchanger "chg-robot:$CSG"
  changerfile "$HOME_DIR/lab/changer"
  property "tape-device" "0=tape:$NST"
  property "use-slots" "1-5"
  device-property "LEOM" "TRUE"
}
define device big {
  tapedev "tape:$NST"
  device-property "LEOM" "TRUE"
  device-property "BLOCK_SIZE" "65536"
}
define application-tool tar {
  plugin "amgtar"
  property "GNUTAR-LISTDIR" "$HOME_DIR/gnutar-lists"
}
define dumptype tree {
  program "APPLICATION"
  application "tar"
  auth "local"
  index yes
  compress none
  holdingdisk never
  allow-split yes
}
CONF
echo "localhost /data tree" >$CONFIG/disklist
echo "localhost backup amdump amindexd amidxtaped" >$HOME_DIR/.amandahosts
chmod 600 $HOME_DIR/.amandahosts
usermod -d $HOME_DIR backup 2>/dev/null
chown -R backup:backup $CONFIG $HOME_DIR /var/log/amanda /tmp/amanda /run/amanda
chown backup "$NST" "$CSG" "$TSG"
as_backup() { (cd /tmp/amanda && HOME=$HOME_DIR timeout 300 setpriv --reuid=backup --regid=backup --init-groups env PATH="$PATH" "$@"); }

need vloader tape create barn --capacity 700MB
need mtx -f "$CSG" load 6 0
need tape_ready
# It measures twice for a minute; two seconds do, and fit on a small tape.
sed 's/compression_check_time = 60;/compression_check_time = 2;/' /usr/sbin/amtapetype >/tmp/amtapetype
need grep -q 'compression_check_time = 2;' /tmp/amtapetype
check "amtapetype" as_backup perl /tmp/amtapetype -f -b 65536 -t VLOADER -o "tapetype:SMALL:blocksize=64k" lab big
match "it prints a definition" "define tapetype VLOADER"
length=$(sed -n 's/^ *length \([0-9]*\) kbytes.*/\1/p' $OUT)
say "length: $length kbytes"
# Early warning stands at three quarters of the capacity.
[ "${length:-0}" -ge 505000 ] && [ "${length:-0}" -le 515000 ] && pass "the length it measured is the tape's" || fail "the length it measured is not the tape's: '$length' kbytes"
match "early warning is taken for what it is" "LEOM is supported"
need mtx -f "$CSG" unload 6 0

check "amtape inventory" as_backup amtape lab inventory
match "with barcodes" "slot +1:.*barcode AMA001L8"
check "amcheck, server and client" as_backup amcheck -s -c lab
match "the first blank tape gets its barcode for a label" "Will write label 'LAB-AMA001L8' to new volume in slot 1"

# found LEVEL: the labels of the tapes that hold parts of a dump.
found() { as_backup amadmin lab find --sort hkdlpb | awk -v level="$1" '$5 == level && $NF == "OK" { print $8 }' | sort -u | tr '\n' ' '; }
# fetch LEVEL: what amfetchdump reads from the tapes, unpacked at /tmp/fetched; its tar archive as the last level's.
fetch() {
	as_backup amfetchdump -p lab localhost /data "$(as_backup amadmin lab find | awk -v level="$1" '$5 == level { print $1 $2 }' | tr -d ':-' | sort | tail -n 1)" >/tmp/dump.tar || return 1
	tar --listed-incremental=/dev/null -xf /tmp/dump.tar -C /tmp/fetched
}
mkdir /tmp/fetched

cp -a "$SOURCE/src" /data/
check "amdump, full" as_backup amdump lab
as_backup amreport lab >/lab/amreport.full 2>&1
equal "the dump is on three tapes" "$(found 0)" "LAB-AMA001L8 LAB-AMA002L8 LAB-AMA003L8 "
cp /lab/amreport.full $OUT
match "the report counts them" "These dumps were to tapes LAB-AMA001L8, LAB-AMA002L8, LAB-AMA003L8"
none "the report speaks of no failure" "FAILED|FAILURE|STRANGE|error"

check "amcheckdump" as_backup amcheckdump lab
match "all is valid" "All image \(1\) successfully validated"

check "amfetchdump, full" fetch 0
check "what comes from the tapes is as the data" diff -r --no-dereference /data /tmp/fetched

sleep 1
echo "new since the full dump" >/data/new
echo "and changed" >>/data/src/net/http/server.go
rm /data/src/net/http/client.go
check "amdump, incremental" as_backup amdump lab
as_backup amreport lab >/lab/amreport.incremental 2>&1
equal "it is on the next tape" "$(found 1)" "LAB-AMA004L8 "
check "amfetchdump, incremental, over the full one" fetch 1
check "what comes from the tapes is as the data" diff -r --no-dereference /data /tmp/fetched

check "amtape slot 2" as_backup amtape lab slot 2
check "amtape label LAB-AMA001L8" as_backup amtape lab label LAB-AMA001L8
check "amtape eject" as_backup amtape lab eject
clean_kernel_log "the kernel's log is clean"
