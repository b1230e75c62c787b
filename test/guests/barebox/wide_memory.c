/*
 * wide_memory.c - SMEP, SMAP, PCID and INVPCID, on a page of their own at 4 MiB.
 *
 * SDM vol. 3 4.6 (access rights), 4.10.1 (PCIDs), 4.10.4.1 (what invalidates); vol. 2 STAC, CLAC, INVPCID, MOV CR.
 */
#include "wide.h"

enum { PAGE = 0x400000, PD = 0x4a000, PT = 0x4c000, FRAME_A = 0x50000, FRAME_B = 0x51000 };
enum { P = 1, W = 2, U = 4, CR4_PCIDE = 1 << 17, CR4_SMEP = 1 << 20, CR4_SMAP = 1 << 21 };
enum { EBX = 1, ECX = 2, ERR_P = 1, ERR_W = 2, ERR_U = 4, ERR_I = 16 };

static volatile u64 *const pt = (volatile u64 *)PT;
struct {
    u64 pcid, address;
} descriptor;

static void map(u64 entry)
{
    pt[0] = entry;
    __asm__ volatile("invlpg %0" : : "m"(*(char *)PAGE) : "memory");
}

static void set_up(void)
{
    for (unsigned n = 0; n < 512; n++)
        pt[n] = 0;
    ((volatile u64 *)PD)[2] = PT | P | W | U;
    *(volatile u64 *)FRAME_A = 0xc3; /* RET */
    *(volatile u64 *)FRAME_B = 0xb0b;
    map(FRAME_A | P | W | U);
    set_cr3(cr3());
}

/* ---- SMEP, SMAP ---- */

SNIP(m_read, "m_read_f: mov 0x400000, %eax");
SNIP(m_write, "m_write_f: movl $0xc3, 0x400000");
SNIP(m_call, "mov $0x400000, %eax; call *%rax; m_call_f: nop");
SNIP(m_stac, "stac; mov 0x400000, %eax; clac");
SNIP(m_clac, "stac; clac; m_clac_f: mov 0x400000, %eax");
SNIP(m_stac_user, "m_stac_user_f: stac");
SNIP(m_clac_user, "m_clac_user_f: clac");

/* The 2 MiB everything lies in are a user page, for the code tried at CPL 3; SMEP and SMAP would keep us from it too.
 */
static void own_pages(u64 rights)
{
    ((volatile u64 *)PD)[0] = 0x80 | rights;
    set_cr3(cr3());
}

static void check_smep(void)
{
    own_pages(P | W);
    expect("user page fetched at CPL 0 without SMEP", 0, m_call, NONE, 0, 0);
    set_cr4(cr4() | CR4_SMEP);
    expect("SMEP: user page fetched at CPL 0", 0, m_call, PF, ERR_P | ERR_I, PAGE);
    expect("SMEP: user page read at CPL 0", 0, m_read, NONE, 0, 0);
    map(FRAME_A | P | W);
    expect("SMEP: supervisor page fetched", 0, m_call, NONE, 0, 0);
    map(FRAME_A | P | W | U);
    set_cr4(cr4() & ~(u64)CR4_SMEP);
    own_pages(P | W | U);
}

static void check_smap(void)
{
    own_pages(P | W);
    set_cr4(cr4() | CR4_SMAP);
    expect("SMAP: user page read at CPL 0", 0, m_read, PF, ERR_P, AT(m_read));
    is("  CR2", trap.cr2, PAGE);
    expect("SMAP: user page written at CPL 0", 0, m_write, PF, ERR_P | ERR_W, AT(m_write));
    expect("SMAP: STAC allows it", 0, m_stac, NONE, 0, 0);
    expect("SMAP: CLAC forbids it again", 0, m_clac, PF, ERR_P, AT(m_clac));
    map(FRAME_A | P | W);
    expect("SMAP: supervisor page", 0, m_read, NONE, 0, 0);
    map(FRAME_A | P | W | U);
    set_cr4(cr4() & ~(u64)CR4_SMAP);
    own_pages(P | W | U);
    expect("STAC at CPL 3", 1, m_stac_user, UD, 0, AT(m_stac_user));
    expect("CLAC at CPL 3", 1, m_clac_user, UD, 0, AT(m_clac_user));
}

/* ---- PCID ---- */

SNIP(p_noflush, "mov %cr3, %rax; bts $63, %rax; p_noflush_f: mov %rax, %cr3");
SNIP(p_pcide, "mov %cr4, %rax; bts $17, %rax; p_pcide_f: mov %rax, %cr4");
SNIP(p_pg, "mov %cr0, %rax; btr $31, %rax; p_pg_f: mov %rax, %cr0");

static u64 value(void)
{
    return *(volatile u64 *)PAGE;
}

static void check_pcid(void)
{
    u64 plain = cr3();

    expect("CR3 bit 63 without PCIDE", 0, p_noflush, GP, 0, AT(p_noflush));
    set_cr3(plain | 0x18); /* PCD, PWT: bits of a PCID */
    expect("PCIDE with CR3[11:0] not 0", 0, p_pcide, GP, 0, AT(p_pcide));
    set_cr3(plain);
    expect("PCIDE", 0, p_pcide, NONE, 0, 0);
    map(FRAME_A | P | W);
    is("PCID 0 sees its page", value(), 0xc3);
    set_cr3(plain | 1);
    map(FRAME_B | P | W);
    is("PCID 1 sees its own", value(), 0xb0b);
    set_cr3(plain); /* flushes what belongs to 0 */
    is("MOV CR3 without bit 63 flushes its PCID", value(), 0xb0b);
    expect("CR3 bit 63 with PCIDE", 0, p_noflush, NONE, 0, 0);
    is("  it is not stored", cr3(), plain);
    if (!tables->tcg)
        expect("CR0.PG cleared with PCIDE", 0, p_pg, GP, 0, AT(p_pg));
}

SNIP(i_invpcid, "mov invpcid_type, %rax; i_invpcid_f: invpcid descriptor, %rax");
SNIP(i_invpcid_user, "mov invpcid_type, %rax; i_invpcid_user_f: invpcid descriptor, %rax");
u64 invpcid_type;

static void invpcid(const char *name, u64 type, u64 pcid, u64 address, int vector)
{
    invpcid_type = type;
    descriptor.pcid = pcid;
    descriptor.address = address;
    expect(name, 0, i_invpcid, vector, 0, vector == NONE ? 0 : AT(i_invpcid));
}

static void check_invpcid(void)
{
    set_cr3(cr3());
    (void)value();
    pt[0] = FRAME_A | P | W;
    invpcid("INVPCID of one address", 0, 0, PAGE, NONE);
    is("  the new translation is seen", value(), 0xc3);
    pt[0] = FRAME_B | P | W;
    invpcid("INVPCID of one PCID", 1, 0, 0, NONE);
    is("  the new translation is seen", value(), 0xb0b);
    pt[0] = FRAME_A | P | W;
    invpcid("INVPCID of everything", 2, 0, 0, NONE);
    is("  the new translation is seen", value(), 0xc3);
    invpcid("INVPCID of everything but global pages", 3, 0, 0, NONE);
    invpcid("INVPCID type 4", 4, 0, 0, GP);
    invpcid("INVPCID with a PCID of 13 bits", 1, 0x1000, 0, GP);
    invpcid("INVPCID with a non-canonical address", 0, 0, 1ull << 47, GP);
    expect("INVPCID at CPL 3", 1, i_invpcid_user, GP, 0, AT(i_invpcid_user));
    set_cr4(cr4() & ~(u64)CR4_PCIDE);
    invpcid("INVPCID of PCID 1 without PCIDE", 1, 1, 0, GP);
}

void check_wide_memory(void)
{
    set_up();
    if (cpu_has(7, EBX, 7))
        check_smep();
    if (cpu_has(7, EBX, 20))
        check_smap();
    if (cpu_has(1, ECX, 17))
        check_pcid();
    if (cpu_has(7, EBX, 10) && cpu_has(1, ECX, 17))
        check_invpcid();
    ((volatile u64 *)PD)[2] = PAGE | 0x87;
    set_cr3(cr3());
}
