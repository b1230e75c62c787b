/* history.c - the ring of a vCPU's last events as text. */
#include <inttypes.h>

#include "vmm/dbgf/dbgf.h"

static const char *const xcpt_names[] = {"#DE", "#DB", "NMI", "#BP", "#OF", "#BR", "#UD", "#NM", "#DF", "",    "#TS",
                                         "#NP", "#SS", "#GP", "#PF", "",    "#MF", "#AC", "#MC", "#XM", "#VE", "#CP"};

static void put_event(const struct cpum_event *e, GString *out)
{
    static const char *const kinds[CPUM_EVENT_COUNT] = {
        [CPUM_EVENT_FAULT] = "fault",       [CPUM_EVENT_TRAP] = "trap",       [CPUM_EVENT_INT] = "int",
        [CPUM_EVENT_IRQ] = "irq",           [CPUM_EVENT_NMI] = "nmi",         [CPUM_EVENT_INIT] = "init",
        [CPUM_EVENT_SIPI] = "sipi",         [CPUM_EVENT_HALT] = "halt",       [CPUM_EVENT_REQUEST] = "request",
        [CPUM_EVENT_SHUTDOWN] = "shutdown", [CPUM_EVENT_FATAL] = "host fault"};
    bool xcpt = e->kind == CPUM_EVENT_FAULT || e->kind == CPUM_EVENT_TRAP;

    g_string_append_printf(out, "%15" PRIu64 "  %04x:%016" PRIx64 "  %s", e->insns, e->cs, e->rip,
                           e->kind < CPUM_EVENT_COUNT ? kinds[e->kind] : "?");
    if (xcpt && e->vector < G_N_ELEMENTS(xcpt_names))
        g_string_append_printf(out, " %s", xcpt_names[e->vector]);
    if (xcpt || e->kind == CPUM_EVENT_INT || e->kind == CPUM_EVENT_IRQ || e->kind == CPUM_EVENT_SIPI)
        g_string_append_printf(out, " %02x", e->vector);
    if (e->kind == CPUM_EVENT_FAULT)
        g_string_append_printf(out, " error=%x", e->error);
    if (e->kind == CPUM_EVENT_FAULT && e->data)
        g_string_append_printf(out, " address=%016" PRIx64, e->data);
    g_string_append_c(out, '\n');
}

void dbgf_history(struct vcpu *c, GString *out)
{
    const struct cpum_history *h = &c->history;
    uint64_t end = h->count;

    g_string_append_printf(
        out, "VCPU%u: %" PRIu64 " events, the last ones:\n   instructions  where                  what\n", c->id, end);
    for (uint64_t n = end > CPUM_HISTORY_EVENTS ? end - CPUM_HISTORY_EVENTS : 0; n < end; n++)
        put_event(&h->event[n % CPUM_HISTORY_EVENTS], out);
}
