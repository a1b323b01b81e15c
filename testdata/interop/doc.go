// Package interop puts whole foreign programs in front of the service: Bacula and its
// btape, Amanda, all of sg3_utils, and libiscsi's tests of targets.
//
// All but the last need a kernel with a tape driver, and run in guests of the kernel
// lab (virtualloader/testdata/kernel). Bacula and Amanda are not installed on the
// host: [TestInterop] downloads their Debian packages, with what they depend on
// and this machine lacks, and the guest unpacks them over what it sees of the host.
//
//	host                                     guest
//	----                                     -----
//	apt-get install --download-only
//	  Guest.Dir/packages/*.deb  <-- hostfs --> unpack, in memory
//	  Guest.Dir/interop/scenario             NAME.sh: configure, run, compare
//	                                         vloaderd, iscsid, st, sg; bacula-sd, amdump, btape
//
// libiscsi is an initiator without a kernel. Its program iscsi-test-cu wants a disk, so
// a relay on the loopback stands between it and the service:
//
//	iscsi-test-cu --> relay --> service
//	   READ CAPACITY(10)   TEST UNIT READY     and its GOOD becomes a capacity
//	   READ(10) WRITE(10)  READ(6) WRITE(6)    for the tests of reservations
//
// Nothing of this is in the product.
package interop
