/*
 * ptrace for User-Mode Linux on processors whose extended state (XSAVE area) is
 * larger than UML's buffer for it, for example those with AMX.
 *
 * UML saves and restores its processes' floating point state with
 * PTRACE_GETREGSET and PTRACE_SETREGSET of NT_X86_XSTATE. A host kernel cuts a
 * GET to the length of the caller's buffer, but answers a SET that is shorter
 * than the whole area with EFAULT, and UML stops. This library stands in front
 * of the C library's ptrace (LD_PRELOAD) and makes such a SET whole: UML's bytes,
 * then zeros, without the components that do not lie completely in UML's bytes.
 * Nothing is lost: a guest's process can never have come to own those
 * components, because UML itself answers the request for the permission to use them.
 *
 * One thread of UML traces its processes, so a static buffer will do.
 */
#define _GNU_SOURCE
#include <cpuid.h>
#include <dlfcn.h>
#include <elf.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>

enum { XSTATE_BV = 512, FIRST_EXTENDED = 2, COMPONENTS = 63, AREA = 64 * 1024 };

typedef long ptrace_fn(int request, int pid, void *addr, void *data);

static ptrace_fn *next_ptrace(void)
{
	static ptrace_fn *next;

	if (!next)
		next = (ptrace_fn *)dlsym(RTLD_NEXT, "ptrace");
	return next;
}

/*
 * The components of the standard format that lie completely below length. UML's
 * length never changes and CPUID is slow in a virtual machine, so it is asked once.
 */
static uint64_t components_below(size_t length)
{
	static uint64_t mask;
	unsigned size, offset, c, d;

	if (mask)
		return mask;
	mask = (1 << FIRST_EXTENDED) - 1; /* x87 and SSE: the legacy area */
	for (int i = FIRST_EXTENDED; i < COMPONENTS; i++)
		if (__get_cpuid_count(0x0d, i, &size, &offset, &c, &d) && size && offset + size <= length)
			mask |= 1ull << i;
	return mask;
}

/*
 * The area's length is the same for all processes; GET is asked for it once.
 */
static size_t area_length(int pid, void *type)
{
	static unsigned char probe[AREA];
	static struct iovec whole = { probe, sizeof probe };
	static int known;

	if (!known && next_ptrace()(PTRACE_GETREGSET, pid, type, &whole) < 0)
		return 0;
	known = 1;
	return whole.iov_len;
}

static long set_xstate(int pid, void *type, struct iovec *given)
{
	static unsigned char area[AREA] __attribute__((aligned(64)));
	struct iovec whole = { area, area_length(pid, type) };
	uint64_t present;

	if (whole.iov_len <= given->iov_len)
		return next_ptrace()(PTRACE_SETREGSET, pid, type, given);
	memcpy(area, given->iov_base, given->iov_len);
	memcpy(&present, area + XSTATE_BV, sizeof present);
	present &= components_below(given->iov_len);
	memcpy(area + XSTATE_BV, &present, sizeof present);
	return next_ptrace()(PTRACE_SETREGSET, pid, type, &whole);
}

long ptrace(enum __ptrace_request request, ...)
{
	va_list rest;
	int pid;
	void *addr, *data;

	va_start(rest, request);
	pid = va_arg(rest, int);
	addr = va_arg(rest, void *);
	data = va_arg(rest, void *);
	va_end(rest);
	if (request == PTRACE_SETREGSET && (uintptr_t)addr == NT_X86_XSTATE)
		return set_xstate(pid, addr, data);
	return next_ptrace()(request, pid, addr, data);
}
