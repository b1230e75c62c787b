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

static uint32_t imm_of(const struct rem_link *link)
{
    return link->rel - link->imm;
}

static uint32_t stub_of(const struct rem_link *link)
{
    return rem_beside(link->rel, link->stub);
}

/* Takes the link out of the list of the block it leads to. */
static void forget_link(struct rem *r, uint32_t number)
{
    uint32_t *at = &r->block[r->link[number].to - 1].links;

    while (*at != REM_NO_LINK && *at != number)
        at = &r->link[*at].next;
    if (*at == number)
        *at = r->link[number].next;
    r->link[number].to = 0;
}

static void expect(struct rem *r, struct rem_link *link, const struct rem_block *to)
{
    const uint32_t imm = imm_of(link);

    if (link->aimed < REM_LINK_TRIES)
        link->aimed++;
    put32(r, imm, rem_x_place(to->page, to->off));
    put32(r, imm + REM_LINK_OFFSET, -(int32_t)to->off);
    aim(r, imm + REM_LINK_OTHER, link->aimed < REM_LINK_TRIES ? stub_of(link) : link->rel);
}

void rem_link_to(struct rem *r, uint32_t number, struct rem_block *to)
{
    struct rem_link *link = &r->link[number];

    if (link->rel == 0 || link->to == rem_number(r, to) + 1)
        return;
    if (link->to != 0)
        forget_link(r, number);
    if (link->indirect)
        expect(r, link, to);
    else if (link->imm != 0)
        put32(r, imm_of(link), rem_x_place(to->page, 0));
    aim(r, link->rel, to->vec && !link->vec ? to->host : link->poll ? to->polled : to->body);
    link->next = to->links;
    to->links = number;
    link->to = (rem_number(r, to) + 1) & 0x1fffff;
    r->stats.links++;
    rem_serialize();
}

void rem_unlink(struct rem *r, uint32_t number)
{
    struct rem_link *link = &r->link[number];

    if (link->imm != 0)
        put32(r, imm_of(link), REM_X_NOWHERE);
    if (link->indirect) {
        link->aimed = 0;
        aim(r, imm_of(link) + REM_LINK_OTHER, stub_of(link));
    } else if (link->stub != 0) {
        aim(r, link->rel, stub_of(link));
    }
    link->to = 0;
}
