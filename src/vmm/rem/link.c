/*
 * link.c - jumps that lead to other blocks: aimed at them, and at their stubs again.
 *
 * A direct jump inside the page is one host jump. One into another page first compares the place X leads to with the
 * one it expects. An indirect jump does the same with the place of the whole target, so that what it expects holds in
 * every address space; any other target goes by the page's entries (call.c). What it expects is where it came last,
 * the first REM_LINK_TRIES times it came elsewhere; after that it sticks to it.
 */
#include "vmm/rem/rem_int.h"

static void put32(struct rem *r, uint32_t end, int32_t v)
{
    memcpy(r->code.rw + end - 4, &v, 4);
}

static void aim(struct rem *r, uint32_t end, uint32_t host)
{
    e_aim(r->code.rw + end, r->code.rw + host);
}

static uint32_t rel_of(const struct rem *r, uint32_t number)
{
    return (number >> REM_LINK_BITS << REM_HOST_BITS) + (uint32_t)r->link[number].rel;
}

static uint32_t imm_of(const struct rem *r, uint32_t number)
{
    return rel_of(r, number) - (uint32_t)r->link[number].imm;
}

static uint32_t stub_of(const struct rem *r, uint32_t number)
{
    return rel_of(r, number) + (uint32_t)r->link[number].stub - 1;
}

/* Takes the link out of the list of the block it leads to. */
static void forget_link(struct rem *r, uint32_t number)
{
    struct rem_block *to = &r->block[r->link[number].to - 1];
    uint32_t at = to->links;

    if (at == number)
        to->links = r->link[number].next;
    for (; at != number && at != REM_NO_LINK; at = r->link[at].next)
        if (r->link[at].next == number)
            r->link[at].next = r->link[number].next;
    r->link[number].to = 0;
}

static void expect(struct rem *r, uint32_t number, const struct rem_block *to)
{
    const uint32_t imm = imm_of(r, number);
    struct rem_link *link = &r->link[number];

    if (link->kind < REM_LINK_INDIRECT + REM_LINK_TRIES)
        link->kind = (link->kind + 1u) & 7u;
    put32(r, imm, rem_x_place(rem_page_of(r, to), to->off));
    put32(r, imm + REM_LINK_OFFSET, -(int32_t)to->off);
    aim(r, imm + REM_LINK_OTHER,
        link->kind < REM_LINK_INDIRECT + REM_LINK_TRIES ? stub_of(r, number) : rel_of(r, number));
}

void rem_link_to(struct rem *r, uint32_t number, struct rem_block *to)
{
    struct rem_link *link = &r->link[number];

    if (link->rel == 0 || link->to == rem_number(r, to) + 1)
        return;
    if (link->to != 0)
        forget_link(r, number);
    if (link->kind != REM_LINK_DIRECT)
        expect(r, number, to);
    else if (link->imm != 0)
        put32(r, imm_of(r, number), rem_x_place(rem_page_of(r, to), 0));
    aim(r, rel_of(r, number),
        to->vec && !link->vec ? rem_host_of(r, to)
        : link->poll          ? rem_polled_of(r, to)
                              : rem_body_of(r, to));
    link->next = to->links & REM_LINK_MASK;
    to->links = number;
    link->to = (rem_number(r, to) + 1) & 0x1fffff;
    r->stats.links++;
    rem_serialize();
}

void rem_unlink(struct rem *r, uint32_t number)
{
    struct rem_link *link = &r->link[number];

    if (link->imm != 0)
        put32(r, imm_of(r, number), REM_X_NOWHERE);
    if (link->kind != REM_LINK_DIRECT) {
        link->kind = REM_LINK_INDIRECT;
        aim(r, imm_of(r, number) + REM_LINK_OTHER, stub_of(r, number));
    } else if (link->stub != 0) {
        aim(r, rel_of(r, number), stub_of(r, number));
    }
    link->to = 0;
}
