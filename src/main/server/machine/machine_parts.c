/*
 * machine_parts.c - IMachine's methods about processors, devices of the host and recording, as they are kept.
 */
#include <string.h>

#include "main/server/machine/machine.h"

#define LEAVES_MAX  256u
#define PCI_MAX     32u
#define SCREENS_MAX 64u

/* ---- CPUID ---- */

static void drop_leaf(GPtrArray *list, guint32 leaf, guint32 subleaf)
{
    for (unsigned k = list->len; k-- > 0;) {
        const struct settings_cpuid_leaf *l = list->pdata[k];
        if (l->leaf == leaf && l->subleaf == subleaf)
            g_ptr_array_remove_index(list, k);
    }
}

bool machine_set_cpuid(struct bus_call *call, GVariant **ret, GError **error)
{
    struct part *p = call->object;
    guint32 leaf, subleaf, eax, ebx, ecx, edx;

    (void)ret;
    g_variant_get(call->args, "(uuuuuu)", &leaf, &subleaf, &eax, &ebx, &ecx, &edx);
    if (!part_change(p, 0, error))
        return false;
    GPtrArray *list = p->s->hardware.cpu.leaves;
    drop_leaf(list, leaf, subleaf);
    if (list->len >= LEAVES_MAX)
        return api_fail(error, VBOX_E_MAXIMUM_REACHED, "There are %u CPUID overrides already", list->len);
    struct settings_cpuid_leaf *l = settings_cpuid_leaf_new();
    *l = (struct settings_cpuid_leaf){
        .leaf = leaf, .subleaf = subleaf, .eax = eax, .ebx = ebx, .ecx = ecx, .edx = edx, .kept = l->kept};
    g_ptr_array_add(list, l);
    return true;
}

bool machine_remove_cpuid(struct bus_call *call, GVariant **ret, GError **error)
{
    struct part *p = call->object;
    guint32 leaf, subleaf;

    (void)ret;
    g_variant_get(call->args, "(uu)", &leaf, &subleaf);
    if (!part_change(p, 0, error))
        return false;
    drop_leaf(p->s->hardware.cpu.leaves, leaf, subleaf);
    return true;
}

bool machine_remove_cpuids(struct bus_call *call, GVariant **ret, GError **error)
{
    struct part *p = call->object;

    (void)ret;
    if (!part_change(p, 0, error))
        return false;
    g_ptr_array_set_size(p->s->hardware.cpu.leaves, 0);
    return true;
}

GVariant *machine_describe_cpuids(const GPtrArray *leaves)
{
    GVariantBuilder b;

    g_variant_builder_init(&b, G_VARIANT_TYPE("a(uuuuuu)"));
    for (unsigned k = 0; k < leaves->len; k++) {
        const struct settings_cpuid_leaf *l = leaves->pdata[k];
        g_variant_builder_add(&b, "(uuuuuu)", l->leaf, l->subleaf, l->eax, l->ebx, l->ecx, l->edx);
    }
    return g_variant_builder_end(&b);
}

/* ---- plugging CPUs ---- */

static guint plugged(const GPtrArray *list, guint32 id)
{
    for (guint k = 0; k < list->len; k++)
        if (((const struct settings_cpu_id *)list->pdata[k])->id == id)
            return k;
    return G_MAXUINT;
}

static bool may_plug(struct part *p, guint32 cpu, GError **error)
{
    if (p->machine->vm != NULL)
        return api_fail(error, VBOX_E_NOT_SUPPORTED, "CPUs of the running machine '%s' cannot come and go",
                        machine_name(p->machine));
    if (!part_change(p, 0, error))
        return false;
    if (!p->s->hardware.cpu.hotplug)
        return api_fail(error, VBOX_E_INVALID_VM_STATE, "CPU hotplug is not enabled for '%s'",
                        machine_name(p->machine));
    return cpu < p->s->hardware.cpu.count ||
           api_fail(error, E_INVALIDARG, "CPU id exceeds number of possible CPUs [0:%u]", p->s->hardware.cpu.count - 1);
}

bool machine_plug_cpu(struct bus_call *call, GVariant **ret, GError **error)
{
    struct part *p = call->object;
    guint32 cpu;

    (void)ret;
    g_variant_get(call->args, "(u)", &cpu);
    if (!may_plug(p, cpu, error))
        return false;
    GPtrArray *list = p->s->hardware.cpu.plugged;
    if (plugged(list, cpu) != G_MAXUINT)
        return api_fail(error, VBOX_E_OBJECT_IN_USE, "CPU %u is already attached", cpu);
    struct settings_cpu_id *one = settings_cpu_id_new();
    one->id = cpu;
    g_ptr_array_add(list, one);
    return true;
}

bool machine_unplug_cpu(struct bus_call *call, GVariant **ret, GError **error)
{
    struct part *p = call->object;
    guint32 cpu;

    (void)ret;
    g_variant_get(call->args, "(u)", &cpu);
    if (!may_plug(p, cpu, error))
        return false;
    guint n = plugged(p->s->hardware.cpu.plugged, cpu);
    if (cpu == 0)
        return api_fail(error, E_INVALIDARG, "It is not possible to detach CPU 0");
    if (n == G_MAXUINT)
        return api_fail(error, VBOX_E_OBJECT_NOT_FOUND, "CPU %u is not attached", cpu);
    g_ptr_array_remove_index(p->s->hardware.cpu.plugged, n);
    return true;
}

/* ---- PCI devices of the host ---- */

static guint pci_at(const GPtrArray *list, guint32 host)
{
    for (guint k = 0; k < list->len; k++)
        if (((const struct settings_pci_device *)list->pdata[k])->host == host)
            return k;
    return G_MAXUINT;
}

bool machine_attach_pci(struct bus_call *call, GVariant **ret, GError **error)
{
    struct part *p = call->object;
    guint32 host, guest;
    const char *name;

    (void)ret;
    g_variant_get(call->args, "(uu&s)", &host, &guest, &name);
    if (!part_change(p, 0, error))
        return false;
    GPtrArray *list = p->s->hardware.pci_devices;
    if (pci_at(list, host) != G_MAXUINT)
        return api_fail(error, VBOX_E_OBJECT_IN_USE, "Device with host PCI address already attached to this VM");
    if (list->len >= PCI_MAX || host > 0xffff || guest > 0xffff)
        return api_fail(error, E_INVALIDARG, "Invalid PCI address, or %u devices are attached already", list->len);
    struct settings_pci_device *d = settings_pci_device_new();
    g_free(d->name);
    d->host = host;
    d->guest = guest;
    d->name = g_strdup(name);
    g_ptr_array_add(list, d);
    return true;
}

bool machine_detach_pci(struct bus_call *call, GVariant **ret, GError **error)
{
    struct part *p = call->object;
    guint32 host;

    (void)ret;
    g_variant_get(call->args, "(u)", &host);
    if (!part_change(p, 0, error))
        return false;
    guint n = pci_at(p->s->hardware.pci_devices, host);
    if (n == G_MAXUINT)
        return api_fail(error, VBOX_E_OBJECT_NOT_FOUND, "No host PCI device %02x:%02x.%x attached", host >> 8,
                        host >> 3 & 0x1f, host & 7);
    g_ptr_array_remove_index(p->s->hardware.pci_devices, n);
    return true;
}

GVariant *machine_describe_pci(const GPtrArray *devices)
{
    GVariantBuilder b;

    g_variant_builder_init(&b, G_VARIANT_TYPE("a(uus)"));
    for (unsigned k = 0; k < devices->len; k++) {
        const struct settings_pci_device *d = devices->pdata[k];
        g_variant_builder_add(&b, "(uus)", d->host, d->guest, d->name != NULL ? d->name : "");
    }
    return g_variant_builder_end(&b);
}

/* ---- recording ---- */

static struct settings_screen *screen_of(GPtrArray *list, guint32 id)
{
    for (unsigned k = 0; k < list->len; k++)
        if (((struct settings_screen *)list->pdata[k])->id == id)
            return list->pdata[k];
    struct settings_screen *s = settings_screen_new();
    s->id = id;
    s->enabled = id == 0; /* recording without any screen would make no sense */
    g_ptr_array_add(list, s);
    return s;
}

static bool number(const char *text, guint32 *ret)
{
    char *end;
    guint64 n = g_ascii_strtoull(text, &end, 10);

    if (*text == '\0' || *text == '-' || *end != '\0' || n > G_MAXUINT32)
        return false;
    *ret = (guint32)n;
    return true;
}

static bool resolution(const char *text, struct settings_screen *s)
{
    g_auto(GStrv) pair = g_strsplit(text, "x", 2);
    guint32 width, height;

    if (pair[0] == NULL || pair[1] == NULL || !number(pair[0], &width) || !number(pair[1], &height) || width == 0 ||
        height == 0 || width > 16384 || height > 16384)
        return false;
    s->width = width;
    s->height = height;
    return true;
}

static bool set_screen(struct settings_screen *s, const char *option, const char *val)
{
    const struct {
        const char *name;
        guint32 *at;
    } numbers[] = {{"max_time", &s->max_time_s},
                   {"max_size", &s->max_size_mib},
                   {"video_rate", &s->rate_kbps},
                   {"video_fps", &s->fps}};
    char **text = strcmp(option, "filename") == 0 ? &s->file : strcmp(option, "options") == 0 ? &s->options : NULL;

    if (text != NULL) {
        g_free(*text);
        *text = *val != '\0' ? g_strdup(val) : NULL;
        return true;
    }
    if (strcmp(option, "enabled") == 0) {
        s->enabled = strcmp(val, "on") == 0;
        return true;
    }
    if (strcmp(option, "video_res") == 0)
        return resolution(val, s);
    for (unsigned k = 0; k < G_N_ELEMENTS(numbers); k++)
        if (strcmp(numbers[k].name, option) == 0)
            return number(val, numbers[k].at);
    return false;
}

bool machine_set_recording(struct bus_call *call, GVariant **ret, GError **error)
{
    struct part *p = call->object;
    const char *option, *val;
    guint32 id;

    (void)ret;
    g_variant_get(call->args, "(u&s&s)", &id, &option, &val);
    if (id >= SCREENS_MAX)
        return api_fail(error, E_INVALIDARG, "Invalid screen: %u (must be below %u)", id, SCREENS_MAX);
    if (!part_change(p, PART_ANY, error))
        return false;
    if (!set_screen(screen_of(p->s->recording.screens, id), option, val))
        return api_fail(error, E_INVALIDARG, "Invalid recording option '%s' or value '%s'", option, val);
    return part_changed(p, error);
}

/* MACHINE-screenN.webm beside the settings, unless another name was given. */
static char *recorded_to(const struct settings_screen *s, const char *settings_path)
{
    const char *dot = strrchr(settings_path, '.');

    if (s->file != NULL)
        return g_strdup(s->file);
    return g_strdup_printf("%.*s-screen%u.webm",
                           (int)(dot != NULL ? dot - settings_path : (ptrdiff_t)strlen(settings_path)), settings_path,
                           s->id);
}

static GVariant *describe_screen(const struct settings_screen *s, const char *settings_path)
{
    static const char usual_options[] = "vc_enabled=true,ac_enabled=false,ac_profile=med";
    g_autofree char *file = recorded_to(s, settings_path);
    GVariantDict d;

    g_variant_dict_init(&d, NULL);
    g_variant_dict_insert(&d, "Id", "u", s->id);
    g_variant_dict_insert(&d, "Enabled", "b", s->enabled);
    g_variant_dict_insert(&d, "Features", "s", s->features != NULL ? s->features : "");
    g_variant_dict_insert(&d, "Filename", "s", file);
    g_variant_dict_insert(&d, "Options", "s", s->options != NULL ? s->options : usual_options);
    g_variant_dict_insert(&d, "MaxTime", "u", s->max_time_s);
    g_variant_dict_insert(&d, "MaxFileSize", "u", s->max_size_mib);
    g_variant_dict_insert(&d, "VideoWidth", "u", s->width);
    g_variant_dict_insert(&d, "VideoHeight", "u", s->height);
    g_variant_dict_insert(&d, "VideoRate", "u", s->rate_kbps);
    g_variant_dict_insert(&d, "VideoFPS", "u", s->fps);
    return g_variant_dict_end(&d);
}

GVariant *machine_describe_screens(const GPtrArray *screens, const char *settings_path)
{
    GVariantBuilder b;

    g_variant_builder_init(&b, G_VARIANT_TYPE("aa{sv}"));
    if (screens->len == 0) { /* nothing was said: the first one */
        struct settings_screen *first = settings_screen_new();
        first->enabled = true;
        g_variant_builder_add_value(&b, describe_screen(first, settings_path));
        settings_screen_free(first);
    }
    for (unsigned k = 0; k < screens->len; k++)
        g_variant_builder_add_value(&b, describe_screen(screens->pdata[k], settings_path));
    return g_variant_builder_end(&b);
}
