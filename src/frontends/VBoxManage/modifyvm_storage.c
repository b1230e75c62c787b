/*
 * modifyvm_storage.c - options of modifyvm from before storagectl and storageattach, which old scripts still use.
 *
 * They mean the first controller on their bus; --sata on, --scsi on and the like make one if there is none.
 */
#include <string.h>

#include "frontends/VBoxManage/modifyvm.h"

static int done(bool ok)
{
    return ok ? RC_OK : RC_FAILURE;
}

/* Name of the first controller on @bus, or NULL; g_free */
static char *controller_on(struct cmd *c, const char *bus)
{
    g_autoptr(GVariant) d = cmd_describe(c, c->session_machine, "IMachine");
    g_autoptr(GVariant) list = d != NULL ? dict_list(d, "StorageControllers") : NULL;

    for (gsize k = 0; list != NULL && k < g_variant_n_children(list); k++) {
        g_autoptr(GVariant) one = g_variant_get_child_value(list, k);
        if (strcmp(dict_str(one, "Bus"), bus) == 0)
            return g_strdup(dict_str(one, "Name"));
    }
    return NULL;
}

struct place {
    const char *bus, *device_type;
    gint32 port, device;
};

static int attach(struct cmd *c, const struct place *p, const char *what)
{
    static const char *const none[] = {"none", "disabled", NULL};
    g_autofree char *controller = controller_on(c, p->bus);
    g_autofree char *low = g_ascii_strdown(what, -1);
    GError *ignored = NULL;

    if (controller == NULL)
        return cmd_error("Could not find a controller on the %s bus", p->bus);
    if (g_str_has_prefix(what, "host:") && strcmp(p->device_type, "DVD") != 0)
        return cmd_error("Host drive '%s' cannot be used: only CD and DVD drives can", what + strlen("host:"));
    imachine_detach_device(c->client, c->session_machine, controller, p->port, p->device, &ignored);
    g_clear_error(&ignored); /* nothing was there */
    if (g_strv_contains(none, low))
        return RC_OK;
    bool empty = strcmp(low, "empty") == 0 || strcmp(low, "emptydrive") == 0;
    if (g_str_has_prefix(what, "host:"))
        return done(TRY(c, imachine_attach_host_drive(c->client, c->session_machine, controller, p->port, p->device,
                                                      what + strlen("host:"), &error)));
    g_autofree char *medium = empty ? g_strdup("/") : cmd_open_medium(c, what, p->device_type, false);
    return done(medium != NULL && TRY(c, imachine_attach_device(c->client, c->session_machine, controller, p->port,
                                                                p->device, p->device_type, medium, &error)));
}

int set_hda(struct cmd *c, const struct value *v)
{
    return attach(c, &(const struct place){"IDE", "HardDisk", 0, 0}, v->text);
}

int set_hdb(struct cmd *c, const struct value *v)
{
    return attach(c, &(const struct place){"IDE", "HardDisk", 0, 1}, v->text);
}

int set_hdd(struct cmd *c, const struct value *v)
{
    return attach(c, &(const struct place){"IDE", "HardDisk", 1, 1}, v->text);
}

int set_dvd(struct cmd *c, const struct value *v)
{
    return attach(c, &(const struct place){"IDE", "DVD", 1, 0},
                  g_ascii_strcasecmp(v->text, "none") == 0 ? "empty" : v->text);
}

int set_floppy(struct cmd *c, const struct value *v)
{
    return attach(c, &(const struct place){"Floppy", "Floppy", 0, 0}, v->text);
}

int set_sata_disk(struct cmd *c, const struct value *v)
{
    if (v->index == 0)
        return cmd_syntax(c, "Numbers start at 1");
    return attach(c, &(const struct place){"SATA", "HardDisk", (gint32)v->index - 1, 0}, v->text);
}

int set_scsi_disk(struct cmd *c, const struct value *v)
{
    if (v->index == 0)
        return cmd_syntax(c, "Numbers start at 1");
    return attach(c, &(const struct place){"SCSI", "HardDisk", (gint32)v->index - 1, 0}, v->text);
}

int set_dvd_passthrough(struct cmd *c, const struct value *v)
{
    g_autofree char *controller = controller_on(c, "IDE");
    GVariantDict flags;

    if (controller == NULL)
        return cmd_error("Could not find a controller on the IDE bus");
    g_variant_dict_init(&flags, NULL);
    g_variant_dict_insert(&flags, "Passthrough", "b", (gboolean)v->on);
    return done(TRY(c, imachine_set_device_flags(c->client, c->session_machine, controller, 1, 0,
                                                 g_variant_dict_end(&flags), &error)));
}

/* ---- controllers ---- */

static int set_controller(struct cmd *c, const char *bus, const char *property, GVariant *val)
{
    g_autoptr(GVariant) kept = g_variant_ref_sink(val);
    g_autofree char *name = controller_on(c, bus);

    if (name == NULL)
        return cmd_error("Could not find a controller on the %s bus", bus);
    g_autofree char *object = cmd_controller(c, name);
    return done(cmd_set(c, object, "IStorageController", property, kept));
}

static int switch_controller(struct cmd *c, const char *bus, const char *name, const char *text)
{
    g_autofree char *there = controller_on(c, bus);
    char *object = NULL;
    bool on;

    if (!parse_on_off(text, &on))
        return cmd_syntax(c, "Invalid argument '%s': on or off", text);
    if (on == (there != NULL))
        return RC_OK;
    if (!on)
        return done(TRY(c, imachine_remove_storage_controller(c->client, c->session_machine, there, &error)));
    bool ok = TRY(c, imachine_add_storage_controller(c->client, c->session_machine, name, bus, &object, &error));
    g_free(object);
    return done(ok);
}

int set_ide_type(struct cmd *c, const struct value *v)
{
    return set_controller(c, "IDE", "ControllerType", g_variant_new_string(v->text));
}

int set_sata_ports(struct cmd *c, const struct value *v)
{
    return set_controller(c, "SATA", "PortCount", g_variant_new_uint32((guint32)v->number));
}

int set_scsi_type(struct cmd *c, const struct value *v)
{
    return set_controller(c, "SCSI", "ControllerType", g_variant_new_string(v->text));
}

int set_sata(struct cmd *c, const struct value *v)
{
    return switch_controller(c, "SATA", "SATA", v->text);
}

int set_scsi(struct cmd *c, const struct value *v)
{
    return switch_controller(c, "SCSI", "SCSI", v->text);
}
