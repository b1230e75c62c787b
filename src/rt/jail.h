/*
 * jail.h - a process that runs somebody else's machine code and can do nothing else.
 *
 * Its address space holds pages of one file (guest memory), put there by the owner, and the two pages of the stub. It
 * has two threads. The guest thread runs the foreign code; its seccomp filter is one instruction long and says no to
 * every system call of every kind. The mapper thread runs only when the owner wants a mapping changed; it uses no
 * memory but the stub's, which nobody in there can write, and may do nothing but map the file and unmap. Whatever the
 * guest thread does beside computing - a fault, a system call, a trap - stops it and gives its registers to the owner
 * (doc/raw.md).
 *
 * Threads: a jail belongs to the thread that made it; only jail_kick() may be called from others.
 * Invariant 1: no page of the jail is writable and executable; none is writable in one place and executable in another
 *   unless the owner asks for it.
 * Invariant 2: the jail is killed by the kernel when the owning thread ends, however it ends.
 */
#ifndef RT_JAIL_H
#define RT_JAIL_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/user.h>

#define JAIL_PAGE_BYTES 4096u
#define JAIL_STUB_BYTES (2 * JAIL_PAGE_BYTES)
#define JAIL_TOP        UINT64_C(0x7ffffffff000) /* nothing can be mapped from here on */
#define JAIL_MAPS_MAX   56u

/* Linux's selectors for user code and for data of base 0 and 4 GiB. */
#define JAIL_CS64 0x33u
#define JAIL_CS32 0x23u
#define JAIL_DATA 0x2bu

struct jail;

enum jail_right { JAIL_READ = 1, JAIL_WRITE = 2, JAIL_EXEC = 4 };
/** A change of the address space; page aligned. @rights: enum jail_right, never write and execute; 0 takes away. */
struct jail_map {
    uint64_t address, bytes, file_offset;
    unsigned rights;
};

/** Why the guest thread stopped. */
enum jail_end {
    JAIL_TRAP,   /* a host exception, or a system call: struct jail_trap */
    JAIL_KICKED, /* somebody outside wants it */
    JAIL_LOST,   /* the process is gone: somebody killed it */
};
struct jail_trap {
    int signal;       /* SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP; SIGSYS: a system call, RIP is behind it */
    int code;         /* si_code */
    uint64_t address; /* SIGSEGV, SIGBUS: what was touched, if it was a page fault; SIGSYS: behind the instruction */
};

/**
 * jail_new() - @fd: the file whose pages will be mapped; the jail keeps a descriptor of it and of nothing else.
 * NULL with @error if the host does not allow all of it: tracing a child, seccomp. Namespaces are taken where allowed.
 */
struct jail *jail_new(int fd, GError **error);
/** jail_free() - accepts NULL. */
void jail_free(struct jail *j);

/** Where the stub lies: JAIL_STUB_BYTES. */
uint64_t jail_stub(const struct jail *j);
/** The process, and its guest thread (for filters of who may be waited for, signalled, traced). */
pid_t jail_pid(const struct jail *j);
pid_t jail_thread(const struct jail *j);
/** What the kernel refused and is not needed ("namespaces (Operation not permitted)"); "" if nothing. */
const char *jail_missing(const struct jail *j);
/**
 * A selector for FS and GS in 32-bit code: data, writable, 4 GiB, from the base that stands in the registers (fs_base,
 * gs_base). 0: this host has none.
 */
uint16_t jail_based_selector(const struct jail *j);
/** Processor time its threads have used. */
uint64_t jail_used_ns(const struct jail *j);
/** CPUID in there is a trap; else it answers for the host. */
bool jail_cpuid_traps(const struct jail *j);

/**
 * jail_map() - carries out @count changes in order, at most JAIL_MAPS_MAX. Stops at the first the kernel refuses.
 * Return: how many were done; -1: the jail is lost.
 */
int jail_map(struct jail *j, const struct jail_map *maps, unsigned count);

/** The guest thread's registers: written before, read after jail_run(). Selectors are the host's: JAIL_CS64 ... */
struct user_regs_struct *jail_regs(struct jail *j);
/** Its XSAVE area in standard format, jail_xstate_bytes() long: valid after jail_xstate_get(). */
uint8_t *jail_xstate(struct jail *j);
size_t jail_xstate_bytes(const struct jail *j);
bool jail_xstate_get(struct jail *j);
/**
 * jail_run() - the guest thread runs until it stops; the caller's thread sleeps meanwhile.
 * @new_xstate: the XSAVE area was written, too.
 */
enum jail_end jail_run(struct jail *j, bool new_xstate, struct jail_trap *ret);
/** Makes a jail_run() that is going on, or the next one, return; any thread, async-signal-safe. */
void jail_kick(const struct jail *j);

#endif
