/*
 * core.c - see core.h.
 *
 * Source: ELF-64 object file format; the layout of VirtualBox's notes as its manual ("VM core format") and the public
 * declarations of DBGFCOREDESCRIPTOR and DBGFCORECPU have it; Linux's elf_prstatus for x86-64.
 * Left out: the VGA window at A0000h, whose reads have effects, and the memory of devices.
 */
#include "vmm/dbgf/core.h"

#include <assert.h>
#include <elf.h>
#include <errno.h>
#include <string.h>
#include <sys/procfs.h>
#include <sys/user.h>
#include <unistd.h>

#include "vmm/pgm/pgm.h"

#define CORE_ERROR  (g_quark_from_static_string("core"))
#define CHUNK_BYTES (1u << 20)
#define VGA_GPA     0xa0000u
#define ROM_GPA     0xc0000u
#define HIGH_GPA    (UINT64_C(4) << 30)
#define MSR_APIC    0x1bu

#define NOTE_CORE   0xb00u
#define NOTE_CPU    0xb01u
#define CORE_MAGIC  0xc01ac0deu
#define CORE_FORMAT 0x00010006u
#define VBOX_7_0    0x07000000u
#define EXT_BYTES   8192u

struct core_descriptor {
    uint32_t magic, format, size, vbox_version, vbox_revision, cpus;
};
struct core_sel {
    uint64_t base;
    uint32_t limit, attr;
    uint16_t sel, reserved0;
    uint32_t reserved1;
};
struct core_table {
    uint64_t base;
    uint32_t limit, reserved;
};
struct core_cpu {
    uint64_t rax, rbx, rcx, rdx, rsi, rdi, r8, r9, r10, r11, r12, r13, r14, r15, rip, rsp, rbp, rflags;
    struct core_sel cs, ds, es, fs, gs, ss;
    uint64_t cr0, cr2, cr3, cr4, dr[8];
    struct core_table gdtr, idtr;
    struct core_sel ldtr, tr;
    uint64_t sysenter_cs, sysenter_eip, sysenter_esp;
    uint64_t efer, star, pat, lstar, cstar, sfmask, kernel_gs_base, apic_base, xcr[2];
    uint8_t ext[EXT_BYTES];
};
static_assert(sizeof(struct core_cpu) % 8 == 0, "it needs no padding in a note");

/* ---- a vCPU ---- */

static struct core_sel selector(const struct cpum_seg *s)
{
    return (struct core_sel){.base = s->base, .limit = s->limit, .attr = s->attr, .sel = s->sel};
}

static void fill_cpu(struct vcpu *c, struct core_cpu *to)
{
    const struct cpum_ctx *x = &c->ctx;
    const uint64_t *g = x->gpr;
    uint64_t apic_base = 0;

    if (!cpum_msr_read(c, MSR_APIC, &apic_base))
        apic_base = 0;
    *to = (struct core_cpu){.rax = g[X86_RAX],
                            .rbx = g[X86_RBX],
                            .rcx = g[X86_RCX],
                            .rdx = g[X86_RDX],
                            .rsi = g[X86_RSI],
                            .rdi = g[X86_RDI],
                            .r8 = g[X86_R8],
                            .r9 = g[X86_R9],
                            .r10 = g[X86_R10],
                            .r11 = g[X86_R11],
                            .r12 = g[X86_R12],
                            .r13 = g[X86_R13],
                            .r14 = g[X86_R14],
                            .r15 = g[X86_R15],
                            .rip = x->rip,
                            .rsp = g[X86_RSP],
                            .rbp = g[X86_RBP],
                            .rflags = x->rflags,
                            .cs = selector(&x->seg[X86_CS]),
                            .ds = selector(&x->seg[X86_DS]),
                            .es = selector(&x->seg[X86_ES]),
                            .fs = selector(&x->seg[X86_FS]),
                            .gs = selector(&x->seg[X86_GS]),
                            .ss = selector(&x->seg[X86_SS]),
                            .cr0 = x->cr0,
                            .cr2 = x->cr2,
                            .cr3 = x->cr3,
                            .cr4 = x->cr4,
                            .gdtr = {x->gdtr.base, x->gdtr.limit, 0},
                            .idtr = {x->idtr.base, x->idtr.limit, 0},
                            .ldtr = selector(&x->ldtr),
                            .tr = selector(&x->tr),
                            .sysenter_cs = x->sysenter_cs,
                            .sysenter_eip = x->sysenter_eip,
                            .sysenter_esp = x->sysenter_esp,
                            .efer = x->efer,
                            .star = x->star,
                            .pat = x->pat,
                            .lstar = x->lstar,
                            .cstar = x->cstar,
                            .sfmask = x->sfmask,
                            .kernel_gs_base = x->kernel_gs_base,
                            .apic_base = apic_base,
                            .xcr = {x->xcr0, 0}};
    memcpy(to->dr, x->dr, sizeof to->dr);
    memcpy(to->ext, x->fpu.area, sizeof x->fpu.area);
}

/* As gdb's stub has it: outside of 64-bit code rip is the linear address. */
static void fill_status(const struct vcpu *c, prstatus_t *to)
{
    const struct cpum_ctx *x = &c->ctx;
    const uint64_t *g = x->gpr;
    const struct user_regs_struct regs = {.r15 = g[X86_R15],
                                          .r14 = g[X86_R14],
                                          .r13 = g[X86_R13],
                                          .r12 = g[X86_R12],
                                          .rbp = g[X86_RBP],
                                          .rbx = g[X86_RBX],
                                          .r11 = g[X86_R11],
                                          .r10 = g[X86_R10],
                                          .r9 = g[X86_R9],
                                          .r8 = g[X86_R8],
                                          .rax = g[X86_RAX],
                                          .rcx = g[X86_RCX],
                                          .rdx = g[X86_RDX],
                                          .rsi = g[X86_RSI],
                                          .rdi = g[X86_RDI],
                                          .rip = x->rip + (c->mode.code64 ? 0 : x->seg[X86_CS].base),
                                          .cs = x->seg[X86_CS].sel,
                                          .eflags = x->rflags,
                                          .rsp = g[X86_RSP],
                                          .ss = x->seg[X86_SS].sel,
                                          .fs_base = x->seg[X86_FS].base,
                                          .gs_base = x->seg[X86_GS].base,
                                          .ds = x->seg[X86_DS].sel,
                                          .es = x->seg[X86_ES].sel,
                                          .fs = x->seg[X86_FS].sel,
                                          .gs = x->seg[X86_GS].sel};

    *to = (prstatus_t){.pr_pid = (pid_t)c->id + 1};
    memcpy(to->pr_reg, &regs, MIN(sizeof regs, sizeof to->pr_reg));
}

/* ---- notes ---- */

static void put_note(GByteArray *out, const char *name, uint32_t type, const void *bytes, size_t size)
{
    static const uint8_t zeros[4];
    const Elf64_Nhdr head = {.n_namesz = (uint32_t)strlen(name) + 1, .n_descsz = (uint32_t)size, .n_type = type};

    g_byte_array_append(out, (const uint8_t *)&head, sizeof head);
    g_byte_array_append(out, (const uint8_t *)name, head.n_namesz);
    g_byte_array_append(out, zeros, -head.n_namesz & 3);
    g_byte_array_append(out, bytes, (guint)size);
    g_byte_array_append(out, zeros, (guint)(-size & 3));
}

static GByteArray *notes(const struct dbgf_machine *m)
{
    const struct core_descriptor core = {
        .magic = CORE_MAGIC, .format = CORE_FORMAT, .size = sizeof core, .vbox_version = VBOX_7_0, .cpus = m->cpus};
    g_autofree struct core_cpu *cpu = g_new(struct core_cpu, 1);
    GByteArray *out = g_byte_array_new();
    prstatus_t status;

    put_note(out, "VBCORE", NOTE_CORE, &core, sizeof core);
    for (unsigned k = 0; k < m->cpus; k++) {
        fill_cpu(m->cpu(m->user, k), cpu);
        put_note(out, "VBCPU", NOTE_CPU, cpu, sizeof *cpu);
        fill_status(m->cpu(m->user, k), &status);
        put_note(out, "CORE", NT_PRSTATUS, &status, sizeof status);
    }
    return out;
}

/* ---- the file ---- */

static bool put(int fd, const void *bytes, size_t size, GError **error)
{
    for (const uint8_t *p = bytes; size > 0;) {
        ssize_t n = write(fd, p, size);
        if (n < 0 && errno != EINTR) {
            g_set_error(error, CORE_ERROR, 0, "Could not write the core file: %s", g_strerror(errno));
            return false;
        }
        p += n > 0 ? n : 0;
        size -= n > 0 ? (size_t)n : 0;
    }
    return true;
}

static bool put_memory(struct pgm *pgm, const Elf64_Phdr *range, int fd, GError **error)
{
    g_autofree uint8_t *buf = g_malloc(CHUNK_BYTES);

    for (uint64_t done = 0; done < range->p_filesz; done += CHUNK_BYTES) {
        const size_t n = (size_t)MIN(CHUNK_BYTES, range->p_filesz - done);
        pgm_phys_read(pgm, range->p_paddr + done, buf, n);
        if (!put(fd, buf, n, error))
            return false;
    }
    return true;
}

bool dbgf_core_write(const struct dbgf_machine *m, struct pgm *pgm, int fd, GError **error)
{
    const struct {
        uint64_t gpa, end;
    } ranges[] = {{0, MIN(VGA_GPA, pgm_ram_low_bytes(pgm))},
                  {ROM_GPA, pgm_ram_low_bytes(pgm)},
                  {HIGH_GPA, HIGH_GPA + pgm_ram_high_bytes(pgm)}};
    g_autoptr(GByteArray) text = notes(m);
    Elf64_Phdr rows[1 + G_N_ELEMENTS(ranges)] = {{.p_type = PT_NOTE, .p_filesz = text->len}};
    Elf64_Ehdr head = {.e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
                       .e_type = ET_CORE,
                       .e_machine = EM_X86_64,
                       .e_version = EV_CURRENT,
                       .e_phoff = sizeof head,
                       .e_ehsize = sizeof head,
                       .e_phentsize = sizeof rows[0],
                       .e_phnum = 1};

    for (size_t k = 0; k < G_N_ELEMENTS(ranges); k++)
        if (ranges[k].end > ranges[k].gpa)
            rows[head.e_phnum++] = (Elf64_Phdr){.p_type = PT_LOAD,
                                                .p_flags = PF_R | PF_W | PF_X,
                                                .p_paddr = ranges[k].gpa,
                                                .p_vaddr = ranges[k].gpa,
                                                .p_filesz = ranges[k].end - ranges[k].gpa,
                                                .p_memsz = ranges[k].end - ranges[k].gpa};
    uint64_t at = sizeof head + (uint64_t)head.e_phnum * sizeof rows[0];
    for (unsigned k = 0; k < head.e_phnum; k++) {
        rows[k].p_offset = at;
        at += rows[k].p_filesz;
    }
    bool ok = put(fd, &head, sizeof head, error) && put(fd, rows, head.e_phnum * sizeof rows[0], error) &&
              put(fd, text->data, text->len, error);
    for (unsigned k = 1; ok && k < head.e_phnum; k++)
        ok = put_memory(pgm, &rows[k], fd, error);
    return ok;
}
