/*
 * trpm.c - see trpm.h.
 */
#include "vmm/trpm/trpm.h"

#include "vmm/ssm/ssm.h"

#define INJECTED (1ull << 63)

void trpm_init(struct vcpu *c)
{
    c->trpm = g_new0(struct trpm, 1);
}

void trpm_fini(struct vcpu *c)
{
    g_clear_pointer(&c->trpm, g_free);
}

static uint64_t pack(const struct trpm_event *e)
{
    return INJECTED | (uint64_t)e->error << 24 | (uint64_t)e->has_error << 16 | (uint64_t)e->kind << 8 | e->vector;
}

static struct trpm_event unpack(uint64_t v)
{
    return (struct trpm_event){
        .vector = (uint8_t)v, .kind = (uint8_t)(v >> 8), .has_error = v >> 16 & 1, .error = (uint32_t)(v >> 24)};
}

bool trpm_inject(struct vcpu *c, const struct trpm_event *e)
{
    uint64_t none = 0;

    if (!atomic_compare_exchange_strong(&c->trpm->injected, &none, pack(e)))
        return false;
    ff_set(&c->ff, FF_EVENT);
    return true;
}

bool trpm_take(struct vcpu *c, bool irqs, struct trpm_event *ret)
{
    uint64_t v = atomic_load(&c->trpm->injected);

    if (!v) {
        ff_clear(&c->ff, FF_EVENT);
        return false;
    }
    *ret = unpack(v);
    if (ret->kind == TRPM_IRQ ? !irqs : ret->kind == TRPM_NMI && c->ctx.nmi_blocked)
        return false;
    ff_clear(&c->ff, FF_EVENT);
    atomic_store(&c->trpm->injected, 0);
    return true;
}

void trpm_save(struct vcpu *c, struct ssm_writer *w)
{
    ssm_put_u64(w, atomic_load(&c->trpm->injected));
}

void trpm_load(struct vcpu *c, struct ssm_reader *r)
{
    uint64_t v = ssm_get_u64(r);
    struct trpm_event e = unpack(v);

    atomic_store(&c->trpm->injected, 0);
    ff_clear(&c->ff, FF_EVENT);
    if (v == 0)
        return;
    if (pack(&e) != v || e.kind > TRPM_ICEBP || (e.kind == TRPM_FAULT && e.vector > 31))
        ssm_get_fail(r, "injected event");
    else
        (void)trpm_inject(c, &e);
}

static void put_event(const char *what, const struct trpm_event *e, GString *out)
{
    static const char *const kinds[] = {"exception", "trap", "software interrupt", "interrupt", "NMI", "INT1"};

    g_string_append_printf(out, "%s: vector %02x, %s", what, e->vector,
                           e->kind < G_N_ELEMENTS(kinds) ? kinds[e->kind] : "?");
    if (e->has_error)
        g_string_append_printf(out, ", error code %08x", e->error);
    g_string_append_c(out, '\n');
}

void trpm_info(struct vcpu *c, GString *out)
{
    uint64_t injected = atomic_load(&c->trpm->injected);
    struct trpm_event e = unpack(injected);
    uint32_t flags = ff_get(&c->ff);

    if (c->trpm->delivering)
        put_event("being delivered", &c->trpm->current, out);
    if (injected)
        put_event("injected", &e, out);
    if (c->ctx.pending_db)
        g_string_append_printf(out, "debug trap: %02x\n", c->ctx.pending_db);
    g_string_append_printf(out, "interrupt %s, NMI %s%s%s\n", flags & FF_INTR ? "pending" : "none",
                           flags & FF_NMI ? "pending" : "none", c->ctx.nmi_blocked ? ", NMI blocked" : "",
                           (flags & FF_SHADOW) && c->ctx.rip == c->ctx.shadow_rip ? ", interrupt shadow" : "");
}
