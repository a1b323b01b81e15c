/* tapeperf writes or reads one stream of equal tape blocks through libiscsi,
 * with a fixed number of commands in flight, and prints what it took:
 *
 *   tapeperf PORTAL TARGET LUN write|read|blank BLOCK COUNT DEPTH [USER SECRET]
 *   -> "seconds cpu_seconds bytes"
 *
 * blank leaves nothing on the tape but a filemark at its beginning.
 *
 * libiscsi is a client of its own make, so that a mistake which our target and
 * our initiator share cannot flatter the figures. */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include <iscsi/iscsi.h>
#include <iscsi/scsi-lowlevel.h>

static struct iscsi_context *iscsi;
static int lun, writing, block, depth;
static long count, sent, ended;
static unsigned char **buffers;

static void fail(const char *what)
{
	fprintf(stderr, "tapeperf: %s: %s\n", what, iscsi_get_error(iscsi));
	exit(1);
}

static double seconds(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

static void submit(int slot);

static void done(struct iscsi_context *c, int status, void *data, void *private_data)
{
	struct scsi_task *task = data;
	int slot = (int)(long)private_data;
	(void)c;
	if (status != SCSI_STATUS_GOOD) {
		fprintf(stderr, "tapeperf: block %ld: status %d, sense %x/%04x\n", ended, status, task->sense.key, task->sense.ascq);
		exit(1);
	}
	if (!writing && task->residual_status != SCSI_RESIDUAL_NO_RESIDUAL) {
		fprintf(stderr, "tapeperf: block %ld: residual %zu\n", ended, task->residual);
		exit(1);
	}
	scsi_free_scsi_task(task);
	ended++;
	if (sent < count)
		submit(slot);
}

static void submit(int slot)
{
	unsigned char cdb[6] = { writing ? 0x0A : 0x08, 0, block >> 16, block >> 8, block, 0 };
	struct scsi_task *task = scsi_create_task(6, cdb, writing ? SCSI_XFER_WRITE : SCSI_XFER_READ, block);
	struct iscsi_data out = { block, buffers[slot] };
	if (!task)
		fail("no memory");
	if (!writing && scsi_task_add_data_in_buffer(task, block, buffers[slot]))
		fail("data-in buffer");
	sent++;
	if (iscsi_scsi_command_async(iscsi, lun, task, done, writing ? &out : NULL, (void *)(long)slot))
		fail("command");
}

/* simple runs a command without data, again while it meets unit attentions. */
static void simple(unsigned char *cdb, const char *what)
{
	for (int i = 0; i < 10; i++) {
		struct scsi_task *task = scsi_create_task(6, cdb, SCSI_XFER_NONE, 0);
		if (!iscsi_scsi_command_sync(iscsi, lun, task, NULL))
			fail(what);
		int status = task->status, key = task->sense.key;
		scsi_free_scsi_task(task);
		if (status == SCSI_STATUS_GOOD)
			return;
		if (key != SCSI_SENSE_UNIT_ATTENTION)
			fail(what);
	}
	fail(what);
}

int main(int argc, char **argv)
{
	if (argc != 8 && argc != 10) {
		fprintf(stderr, "usage: tapeperf PORTAL TARGET LUN write|read|blank BLOCK COUNT DEPTH [USER SECRET]\n");
		return 2;
	}
	lun = atoi(argv[3]);
	writing = !strcmp(argv[4], "write");
	block = atoi(argv[5]);
	count = atol(argv[6]);
	depth = atoi(argv[7]);

	iscsi = iscsi_create_context("iqn.2026-11.io.virtualloader:tapeperf");
	iscsi_set_targetname(iscsi, argv[2]);
	iscsi_set_session_type(iscsi, ISCSI_SESSION_NORMAL);
	if (argc == 10)
		iscsi_set_initiator_username_pwd(iscsi, argv[8], argv[9]);
	if (iscsi_connect_sync(iscsi, argv[1]))
		fail("connect");
	if (iscsi_login_sync(iscsi))
		fail("login");

	buffers = calloc(depth, sizeof *buffers);
	unsigned x = 2463534242u;
	for (int i = 0; i < depth; i++) {
		if (posix_memalign((void **)&buffers[i], 4096, block))
			fail("no memory");
		for (int k = 0; k < block; k++) {
			x ^= x << 13, x ^= x >> 17, x ^= x << 5;
			buffers[i][k] = x;
		}
	}
	unsigned char ready[6] = { 0 }, rewind[6] = { 1 }, filemark[6] = { 0x10, 0, 0, 0, 1, 0 };
	simple(ready, "test unit ready");
	simple(rewind, "rewind");
	if (!strcmp(argv[4], "blank")) {
		simple(filemark, "write filemarks");
		iscsi_logout_sync(iscsi);
		return 0;
	}

	double start = seconds();
	for (int i = 0; i < depth && sent < count; i++)
		submit(i);
	while (ended < count) {
		struct pollfd p = { .fd = iscsi_get_fd(iscsi), .events = iscsi_which_events(iscsi) };
		if (poll(&p, 1, 30000) <= 0)
			fail("nothing for 30 s");
		if (iscsi_service(iscsi, p.revents))
			fail("service");
	}
	if (writing)
		simple(filemark, "write filemarks");
	double took = seconds() - start;

	struct rusage r;
	getrusage(RUSAGE_SELF, &r);
	double cpu = r.ru_utime.tv_sec + r.ru_stime.tv_sec + (r.ru_utime.tv_usec + r.ru_stime.tv_usec) / 1e6;
	printf("%.6f %.6f %lld\n", took, cpu, (long long)block * count);
	iscsi_logout_sync(iscsi);
	iscsi_destroy_context(iscsi);
	return 0;
}
