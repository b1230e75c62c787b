/*
 * host_run.h - runs one instruction on the host CPU with all general registers and flags given.
 */
#ifndef TEST_ISA_HOST_RUN_H
#define TEST_ISA_HOST_RUN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct host_regs {
    uint64_t gpr[16]; /* enum x86_gpr */
    uint64_t flags;
    uint64_t rip; /* in: where the code is; out, after a fault: where it happened */
};

struct host_fault {
    int vector; /* -1: none */
    uint64_t error;
    uint64_t address; /* CR2 */
};

/**
 * host_run_init() - maps one page at @code (executable) and @bytes at @window, both below 4 GiB and free so far; the
 * @guard bytes on each side of the window fault. False: the addresses are not to be had.
 */
bool host_run_init(uint64_t code, uint64_t window, size_t bytes, size_t guard);
/** Makes @bytes the instruction to run; it leaves to us by itself. */
void host_run_load(const uint8_t *insn, size_t bytes);
/** Runs it: *r in and out. */
void host_run(struct host_regs *r, struct host_fault *ret_fault);

#endif
