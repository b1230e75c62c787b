/*
 * runtime_debug.c - the VM process's commands of IMachineDebugger.
 */
#include <unistd.h>

#include "main/api/api.h"
#include "main/vmproc/console.h"
#include "main/vmproc/runtime_int.h"
#include "rt/log.h"
#include "vmm/vm/vm.h"

static struct vm *vm_of(struct runtime *r)
{
    return console_vm(runtime_console(r));
}

/* ---- looking ---- */

static GVariant *line(struct runtime *r, const char *text)
{
    g_autofree char *answer = console_debug(runtime_console(r), text);
    g_autofree char *valid = g_utf8_make_valid(answer != NULL ? answer : "", -1);

    return g_variant_new("(s)", valid);
}

GVariant *debug_info(struct runtime *r, GVariant *args, GError **error)
{
    const char *name, *more;

    (void)error;
    g_variant_get(args, "(&s&s)", &name, &more);
    g_autofree char *text = g_strconcat("info ", name, *more != '\0' ? " " : "", more, NULL);
    return line(r, text);
}

GVariant *debug_stats(struct runtime *r, GVariant *args, GError **error)
{
    const char *pattern;
    gboolean descriptions;

    (void)error;
    g_variant_get(args, "(&sb)", &pattern, &descriptions);
    g_autofree char *text = g_strconcat("statistics ", descriptions ? "--descriptions " : "", "--pattern ",
                                        *pattern != '\0' ? pattern : "*", NULL);
    return line(r, text);
}

GVariant *debug_reset_stats(struct runtime *r, GVariant *args, GError **error)
{
    const char *pattern;

    (void)error;
    g_variant_get(args, "(&s)", &pattern);
    g_autofree char *text = g_strconcat("statistics --reset --pattern ", *pattern != '\0' ? pattern : "*", NULL);
    g_free(console_debug(runtime_console(r), text));
    return NULL;
}

GVariant *debug_command(struct runtime *r, GVariant *args, GError **error)
{
    const char *text;

    (void)error;
    g_variant_get(args, "(&s)", &text);
    return line(r, text);
}

/* ---- the guest's processors and memory ---- */

GVariant *debug_set_register(struct runtime *r, GVariant *args, GError **error)
{
    const char *name, *value;
    guint32 cpu;

    g_variant_get(args, "(u&s&s)", &cpu, &name, &value);
    if (runtime_must_live(r, error) && !vm_set_register(vm_of(r), cpu, name, value, error))
        api_wrap(error, E_INVALIDARG);
    return NULL;
}

GVariant *debug_inject_nmi(struct runtime *r, GVariant *args, GError **error)
{
    (void)args;
    if (runtime_must_live(r, error) && !vm_inject_nmi(vm_of(r)))
        api_fail(error, VBOX_E_VM_ERROR, "Injecting the NMI failed: another event is still waiting");
    return NULL;
}

/* The service made the file; we may not. */
GVariant *debug_dump_core(struct runtime *r, GVariant *args, GError **error)
{
    const char *compression;
    int fd = runtime_fd(r);

    g_variant_get(args, "(&s&s)", NULL, &compression);
    if (fd < 0)
        api_fail(error, E_INVALIDARG, "The core file's descriptor is missing");
    else if (*compression != '\0')
        api_fail(error, E_INVALIDARG, "The compression parameter must be empty");
    else if (runtime_must_live(r, error) && !vm_dump_core(vm_of(r), fd, error))
        api_wrap(error, VBOX_E_FILE_ERROR);
    if (fd >= 0)
        close(fd);
    return NULL;
}

/* ---- the guest's system ---- */

static const char *detected(struct runtime *r, char **ret_version, GError **error)
{
    if (!runtime_must_live(r, error))
        return NULL;
    const char *name = vm_detect_os(vm_of(r), ret_version, error);
    if (name == NULL && *error == NULL)
        api_fail(error, VBOX_E_VM_ERROR, "DBGFR3OSDetect failed with VINF_DBGF_OS_NOT_DETCTED");
    return name;
}

GVariant *debug_detect_os(struct runtime *r, GVariant *args, GError **error)
{
    g_autofree char *version = NULL;
    const char *name = detected(r, &version, error);

    (void)args;
    return name != NULL ? g_variant_new("(s)", name) : NULL;
}

GVariant *debug_os_info(struct runtime *r, GVariant *args, GError **error)
{
    g_autofree char *version = NULL;
    const char *name = detected(r, &version, error);

    (void)args;
    return name != NULL ? g_variant_new("(ss)", name, version) : NULL;
}

GVariant *debug_os_log(struct runtime *r, GVariant *args, GError **error)
{
    guint32 most;

    g_variant_get(args, "(u)", &most);
    g_autofree char *text = runtime_must_live(r, error) ? vm_os_log(vm_of(r), most, error) : NULL;
    if (text == NULL && *error == NULL)
        api_fail(error, E_FAIL,
                 "The dmesg interface isn't implemented by guest OS digger, or detectOS() has not been called");
    return text != NULL ? g_variant_new("(s)", text) : NULL;
}

/* ---- the log ---- */

static GVariant *change_log(GVariant *args, bool (*set)(const char *settings, GError **error), GError **error)
{
    const char *changes;

    g_variant_get(args, "(&s)", &changes);
    if (!set(changes, error))
        api_wrap(error, E_INVALIDARG);
    return NULL;
}

GVariant *debug_log_groups(struct runtime *r, GVariant *args, GError **error)
{
    (void)r;
    return change_log(args, log_groups_set, error);
}

GVariant *debug_log_flags(struct runtime *r, GVariant *args, GError **error)
{
    (void)r;
    return change_log(args, log_flags_set, error);
}

GVariant *debug_log_destinations(struct runtime *r, GVariant *args, GError **error)
{
    (void)r;
    return change_log(args, log_destinations_set, error);
}

GVariant *debug_log_settings(struct runtime *r, GVariant *args, GError **error)
{
    g_autofree char *groups = log_groups_text();

    (void)r, (void)args, (void)error;
    return g_variant_new("(sss)", groups, log_flags_text(), log_destinations_text());
}
