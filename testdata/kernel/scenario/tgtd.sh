. /lab/guest/lib.sh
disk
tgtd -f -C 1 --iscsi portal=$PORTAL >>$SERVICE_LOG 2>&1 &
adm() { tgtadm -C 1 --lld iscsi "$@"; }
need eventually 10 adm --op show --mode target
M=$DISK/media; mkdir $M
for i in 1 2 3; do need tgtimg --op new --device-type tape --barcode VL000${i}L6 --size 200 --type data --file $M/VL000${i}L6; done
need tgtimg --op new --device-type tape --barcode "" --size 1 --type clean --file $DISK/none
dd if=/dev/zero of=$DISK/smc bs=1k count=1 2>/dev/null
IQN=iqn.2026-11.test:tgtd
need adm --op new --mode target --tid 1 -T $IQN
lu() { adm --mode logicalunit --tid 1 --op "$@"; }
need lu new --lun 1 -b $DISK/none --device-type tape
need lu update --lun 1 --params online=0,removable=1,vendor_id=HP,"product_id=Ultrium 6-SCSI",scsi_sn=DRIVE00001
need lu new --lun 2 -b $DISK/smc --device-type changer
for p in removable=1,scsi_sn=CHGR000001 media_home=$M element_type=1,start_address=1,quantity=1 element_type=4,start_address=2,quantity=1 element_type=4,address=2,tid=1,lun=1 element_type=2,start_address=1000,quantity=10; do need lu update --lun 2 --params $p; done
for i in 1 2 3; do need lu update --lun 2 --params element_type=2,address=$((1000+i)),barcode=VL000${i}L6,sides=1; done
need adm --op bind --mode target --tid 1 -I ALL
need initiator_start
need login $IQN
say $ST $NST $TSG $CH $CSG
check "lsscsi -g" lsscsi -g
match "tape" "tape.*$ST"
match "changer" "mediumx.*$CH"
check "mtx status" mtx -f $CSG status
match slots "Storage Changer.*10 Slots"
check "mtx load" mtx -f $CSG load 2 0
check "ready" tape_ready
check "tar" tar -cf $NST /etc
check rewind mt -f $NST rewind
check "tar t" tar -tf $NST
clean_kernel_log "kernel log clean"
