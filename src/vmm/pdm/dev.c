/*
 * dev.c - what every device gets without asking: its state, its configuration, words and counters.
 */
#include "vmm/pdm/pdm_int.h"

#include <inttypes.h>
#include <string.h>

/* Of one device's guest errors this many are logged, then only every power of two. */
#define GUEST_ERRORS_SHOWN 8u

void *pdm_state(struct pdm_dev *dev)
{
    return dev->state;
}

unsigned pdm_instance(const struct pdm_dev *dev)
{
    return dev->instance;
}

const char *pdm_name(const struct pdm_dev *dev)
{
    return dev->reg->name;
}

bool pdm_has_state(const struct pdm_dev *dev)
{
    return dev->reg->state || dev->pci;
}

/* ---- configuration ---- */

static const struct cfgm_key *schema_new(const struct pdm_cfg_key *keys)
{
    static const enum cfgm_type types[] = {[PDM_CFG_U64] = CFGM_INTEGER,
                                           [PDM_CFG_BOOL] = CFGM_INTEGER,
                                           [PDM_CFG_STR] = CFGM_STRING,
                                           [PDM_CFG_BYTES] = CFGM_BYTES};
    unsigned n = 0;
    struct cfgm_key *schema;

    while (keys && keys[n].name)
        n++;
    schema = g_new0(struct cfgm_key, n + 1);
    for (unsigned i = 0; i < n; i++) {
        schema[i] = (struct cfgm_key){.name = keys[i].name, .type = types[keys[i].type], .required = keys[i].required};
        if (keys[i].type == PDM_CFG_U64) {
            schema[i].min = keys[i].min;
            schema[i].max = keys[i].max;
        } else if (keys[i].type == PDM_CFG_BOOL) {
            schema[i].max = 1;
        }
    }
    return schema;
}

bool pdm_cfg_check(const struct pdm_devreg *reg, struct cfgm_node *config, GError **error)
{
    static const char *const no_children[] = {NULL};
    g_autofree const struct cfgm_key *schema = schema_new(reg->config);

    return cfgm_validate(config, schema, no_children, error);
}

static const struct pdm_cfg_key *cfg_row(struct pdm_dev *dev, const char *key, enum pdm_cfg_type type)
{
    const struct pdm_cfg_key *k = dev->reg->config;

    while (k && k->name && strcmp(k->name, key))
        k++;
    if (!k || !k->name || k->type != type)
        g_error("PDM: %s reads configuration key \"%s\", which its schema has not with this type", dev->tag, key);
    return k;
}

uint64_t pdm_cfg_u64(struct pdm_dev *dev, const char *key)
{
    return cfgm_integer(dev->config, key, cfg_row(dev, key, PDM_CFG_U64)->def);
}

bool pdm_cfg_bool(struct pdm_dev *dev, const char *key)
{
    return cfgm_integer(dev->config, key, cfg_row(dev, key, PDM_CFG_BOOL)->def) != 0;
}

const char *pdm_cfg_str(struct pdm_dev *dev, const char *key)
{
    const char *def = cfg_row(dev, key, PDM_CFG_STR)->def_str;

    return cfgm_string(dev->config, key, def ? def : "");
}

const uint8_t *pdm_cfg_bytes(struct pdm_dev *dev, const char *key, size_t *ret_bytes)
{
    (void)cfg_row(dev, key, PDM_CFG_BYTES);
    return cfgm_bytes(dev->config, key, ret_bytes);
}

/* ---- words ---- */

static void G_GNUC_PRINTF(3, 0) say(struct pdm_dev *dev, const char *mark, const char *fmt, va_list args)
{
    char text[400];
    char line[480];

    g_vsnprintf(text, sizeof(text), fmt, args);
    g_snprintf(line, sizeof(line), "%s: %s%s", dev->tag, mark, text);
    dev->pdm->host.log(dev->pdm->host.user, line);
}

void pdm_log(struct pdm_dev *dev, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    say(dev, "", fmt, args);
    va_end(args);
}

void pdm_guest_error(struct pdm_dev *dev, const char *fmt, ...)
{
    const uint64_t n = __atomic_add_fetch(&dev->guest_errors, 1, __ATOMIC_RELAXED);
    char mark[64];
    va_list args;

    if (n > GUEST_ERRORS_SHOWN && (n & (n - 1)))
        return;
    if (n > GUEST_ERRORS_SHOWN)
        g_snprintf(mark, sizeof(mark), "guest error (%" PRIu64 " so far): ", n);
    else
        g_strlcpy(mark, "guest error: ", sizeof(mark));
    va_start(args, fmt);
    say(dev, mark, fmt, args);
    va_end(args);
}

void pdm_stat(struct pdm_dev *dev, const uint64_t *counter, const char *stat, const char *unit)
{
    struct pdm_counter *c = g_new0(struct pdm_counter, 1);

    *c = (struct pdm_counter){.dev = dev, .counter = counter, .stat = g_strdup(stat), .unit = unit};
    g_ptr_array_add(dev->pdm->counters, c);
}

/* ---- the machine ---- */

void pdm_power_request(struct pdm_dev *dev, enum pdm_power what, const char *why)
{
    dev->pdm->host.power_request(dev->pdm->host.user, what, why);
}

unsigned pdm_cpu_count(struct pdm_dev *dev)
{
    return dev->pdm->host.cpu_count(dev->pdm->host.user);
}

int pdm_cpu_current(struct pdm_dev *dev)
{
    return dev->pdm->host.cpu_current(dev->pdm->host.user);
}

uint64_t pdm_cpu_tsc(struct pdm_dev *dev, unsigned cpu)
{
    return dev->pdm->host.tsc(dev->pdm->host.user, cpu);
}

uint64_t pdm_tsc_hz(struct pdm_dev *dev)
{
    return dev->pdm->host.tsc_hz(dev->pdm->host.user);
}

/* ---- time ---- */

uint64_t pdm_now_ns(struct pdm_dev *dev)
{
    return dev->pdm->host.now_ns(dev->pdm->host.user);
}

int64_t pdm_utc_ns(struct pdm_dev *dev)
{
    return dev->pdm->host.utc_ns(dev->pdm->host.user);
}

static void clock_expired(void *arg)
{
    struct pdm_clock *c = arg;

    pdm_lock(c->dev);
    c->expired(c->dev);
    pdm_unlock(c->dev);
}

bool pdm_timer_new(struct pdm_dev *dev, const char *name, void (*expired)(struct pdm_dev *dev), pdm_timer *ret,
                   GError **error)
{
    struct pdm *pdm = dev->pdm;
    struct pdm_clock *c = g_new0(struct pdm_clock, 1);

    c->dev = dev;
    c->expired = expired;
    c->timer = pdm->host.timer_new(pdm->host.user, name, clock_expired, c);
    if (!c->timer) {
        g_free(c);
        g_set_error(error, PDM_ERROR, 0, "%s: no timer \"%s\" to be had", dev->tag, name);
        return false;
    }
    ret->id = pdm->clocks->len;
    g_ptr_array_add(pdm->clocks, c);
    return true;
}

static struct pdm_clock *clock_of(struct pdm_dev *dev, pdm_timer timer)
{
    struct pdm *pdm = dev->pdm;
    struct pdm_clock *c = timer.id < pdm->clocks->len ? g_ptr_array_index(pdm->clocks, timer.id) : NULL;

    return c && c->dev == dev ? c : NULL;
}

void pdm_timer_at(struct pdm_dev *dev, pdm_timer timer, uint64_t when_ns)
{
    const struct pdm_clock *c = clock_of(dev, timer);

    if (c && c->timer)
        dev->pdm->host.timer_at(dev->pdm->host.user, c->timer, when_ns);
}

/* A task is a timer that is always due. */
bool pdm_task_new(struct pdm_dev *dev, const char *name, void (*run)(struct pdm_dev *dev), pdm_timer *ret,
                  GError **error)
{
    return pdm_timer_new(dev, name, run, ret, error);
}

void pdm_task_post(struct pdm_dev *dev, pdm_timer task)
{
    pdm_timer_at(dev, task, 0);
}
