/*
 * gain.c - gain PID: makes a process ask for memory that is writable and executable, or that becomes executable after
 * it was written, as somebody would who has taken it over; says what it got. Exit status: 0 nothing, 1 something.
 *
 * Source: ptrace(2) PTRACE_SEIZE, PTRACE_SINGLESTEP: the stopped thread steps over a SYSCALL instruction of its own.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE      4096u
#define NUMBER(n) ((void *)(uintptr_t)(n))
#define FAILED    UINT64_C(0xfffffffffffff000) /* results from here on are errors */

static pid_t pid;
static uint64_t call_at; /* of a SYSCALL instruction in there */
static uint64_t code;    /* the mapping it is in */
static bool got;

static _Noreturn void give_up(const char *what)
{
    fprintf(stderr, "gain: process %d: %s: %s\n", pid, what, strerror(errno));
    exit(2);
}

/* In the first page of code that has one. */
static void find_call(void)
{
    char path[64], line[512];
    uint64_t from, to;
    FILE *maps;
    int mem;

    snprintf(path, sizeof path, "/proc/%d/maps", pid);
    maps = fopen(path, "r");
    snprintf(path, sizeof path, "/proc/%d/mem", pid);
    mem = open(path, O_RDONLY | O_CLOEXEC);
    if (maps == NULL || mem < 0)
        give_up("its memory");
    while (call_at == 0 && fgets(line, sizeof line, maps) != NULL) {
        if (strstr(line, "r-xp") == NULL || sscanf(line, "%" SCNx64 "-%" SCNx64, &from, &to) != 2)
            continue;
        for (uint64_t at = from; at < to && call_at == 0; at += PAGE) {
            uint8_t bytes[PAGE];
            const uint8_t *found;

            if (pread(mem, bytes, sizeof bytes, (off_t)at) != (ssize_t)sizeof bytes)
                break;
            found = memmem(bytes, sizeof bytes, "\x0f\x05", 2);
            if (found != NULL)
                call_at = at + (uint64_t)(found - bytes), code = at;
        }
    }
    fclose(maps);
    close(mem);
    if (call_at == 0)
        give_up("no system call in its code");
}

static uint64_t ask(long number, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
    struct user_regs_struct own, regs;
    int status;

    if (ptrace(PTRACE_GETREGS, pid, NULL, &own) != 0)
        give_up("registers");
    regs = own;
    regs.orig_rax = UINT64_MAX;
    regs.rip = call_at;
    regs.rax = (uint64_t)number;
    regs.rdi = a, regs.rsi = b, regs.rdx = c, regs.r10 = d, regs.r8 = UINT64_MAX, regs.r9 = 0;
    if (ptrace(PTRACE_SETREGS, pid, NULL, &regs) != 0 || ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL) != 0 ||
        waitpid(pid, &status, __WALL) != pid || !WIFSTOPPED(status) || ptrace(PTRACE_GETREGS, pid, NULL, &regs) != 0 ||
        regs.rip != call_at + 2 || ptrace(PTRACE_SETREGS, pid, NULL, &own) != 0)
        give_up("a system call in there");
    return regs.rax;
}

static void refused(const char *what, uint64_t result)
{
    printf("%s: %s\n", what, result >= FAILED ? strerror((int)-result) : "granted");
    got = got || result < FAILED;
}

int main(int argc, char **argv)
{
    int status;
    uint64_t page;

    if (argc != 2 || (pid = (pid_t)strtol(argv[1], NULL, 10)) <= 0) {
        fprintf(stderr, "usage: gain PID\n");
        return 2;
    }
    find_call();
    if (ptrace(PTRACE_SEIZE, pid, NULL, NUMBER(PTRACE_O_TRACESYSGOOD)) != 0 ||
        ptrace(PTRACE_INTERRUPT, pid, NULL, NULL) != 0 || waitpid(pid, &status, __WALL) != pid)
        give_up("cannot be traced");
    refused("map writable code",
            ask(SYS_mmap, 0, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS));
    refused("make code writable", ask(SYS_mprotect, code, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC, 0));
    page = ask(SYS_mmap, 0, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS);
    if (page >= FAILED)
        give_up("no memory at all");
    refused("make data executable", ask(SYS_mprotect, page, PAGE, PROT_READ | PROT_EXEC, 0));
    ask(SYS_munmap, page, PAGE, 0, 0);
    ptrace(PTRACE_DETACH, pid, NULL, NULL);
    return got ? 1 : 0;
}
