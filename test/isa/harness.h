/*
 * harness.h - one CPU with memory and nothing else, for tests and measurements of the interpreter.
 *
 * Layout (guest physical; linear is the same in every mode): GDT 1000h, IDT 2000h, page tables 4000h-8fffh, exception
 * handlers 10000h + 16 * vector (each is HLT), code 100000h, stack below 1f0000h, data 200000h-3fffffh in 4 KiB pages
 * (their table is at ISA_PT: clear an entry to unmap a page). In real mode code, data and stack are the segments
 * 2000h, 3000h and 4000h.
 */
#ifndef TEST_ISA_HARNESS_H
#define TEST_ISA_HARNESS_H

#include "vmm/iem/iem.h"

#define ISA_RAM_BYTES (16u << 20)
#define ISA_PD        0x6000u
#define ISA_PT        0x8000u
#define ISA_HANDLERS  0x10000u
#define ISA_CODE      0x100000u
#define ISA_STACK     0x1f0000u
#define ISA_DATA      0x200000u

struct isa {
    struct pgm *pgm;
    struct cpum_profile *profile;
    struct vcpu *c;
    uint8_t *ram;
    uint64_t code, data, stack; /* offsets in their segments, for the current mode */
    uint64_t code_gla, data_gla;
    int irq;          /* vector to deliver at the next chance, -1 none */
    bool ferr, ignne; /* pins of the x87 unit; FERR# rising asks for ISA_FERR_VECTOR */
};

#define ISA_FERR_VECTOR 0x75
#define ISA_IRQ_PORT    0xf1u /* written: asks for the interrupt with that vector */

enum { ISA_DONE = -1, ISA_LOST = -2 };

struct isa *isa_new(void);
struct isa *isa_new_sized(uint64_t ram_bytes);
void isa_free(struct isa *t);
/** Host faults of this thread reach the recompiler; for programs without handlers of their own. */
void isa_faults(void);
/** From now on the recompiler runs what the interpreter has executed @heat times. Host faults must reach rem_fault().
 */
void isa_recompile(struct isa *t, uint32_t heat);
/** The recompiler runs everything in lockstep with the interpreter (rem_set_lockstep()); isa_go() reports a difference.
 */
void isa_lockstep(struct isa *t, uint32_t trust);
/** User code runs natively whenever it may; belongs to the calling thread. False with @error: this host has no jails.
 */
bool isa_native(struct isa *t, GError **error);
/** A CPU fresh in this mode: 16 = real mode, 32 = flat protected mode without paging, 64 = long mode. CPL 0. */
void isa_mode(struct isa *t, enum x86_mode mode);
/** Long mode at CPL 3; every page is a user page. */
void isa_user(struct isa *t);
/** Copies code and a HLT behind it to the code address. */
void isa_load(struct isa *t, const void *code, size_t bytes);
/** Runs from the code address. Return: ISA_DONE at the HLT, the vector of an exception, ISA_LOST after 10 million. */
int isa_go(struct isa *t);
int isa_run(struct isa *t, const void *code, size_t bytes);
#define ISA_RUN(t, ...) isa_run(t, (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))
/** The nth 64-bit word of an exception frame in long mode: error code first if there is one, then RIP, CS, RFLAGS ...
 */
uint64_t isa_frame(const struct isa *t, unsigned n);

#endif
