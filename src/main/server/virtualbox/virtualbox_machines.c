/*
 * virtualbox_machines.c - IVirtualBox's methods that bring a machine into the registry: created, opened, registered.
 */
#include <glib/gstdio.h>
#include <string.h>

#include "main/server/machine/machine.h"
#include "main/server/virtualbox/virtualbox.h"

static GVariant *machine_reply(const struct machine *m)
{
    g_autofree char *path = machine_object_path(m);

    return g_variant_new("(o)", path);
}

char *service_machine_folder(const struct service *s)
{
    return s->global->system.machine_folder != NULL ? g_strdup(s->global->system.machine_folder)
                                                    : g_build_filename(g_get_home_dir(), "VirtualBox VMs", NULL);
}

/* What VirtualBox leaves in a file name. */
static bool may_stay(gunichar c, bool first, bool last)
{
    if (c == ' ' || c == '.')
        return !first && !last;
    if (c == '-')
        return !first;
    return (c < 0x80 && g_ascii_isalnum((char)c)) || c == '(' || c == ')' || c == '_' || (c >= 0xa0 && c <= 0xd7af);
}

/* Other characters become underscores. */
static char *file_name_of(const char *name)
{
    GString *file = g_string_new(NULL);

    for (const char *p = name; *p != '\0'; p = g_utf8_next_char(p)) {
        const gunichar c = g_utf8_get_char(p);
        const bool stays = may_stay(c, p == name, *g_utf8_next_char(p) == '\0');
        g_string_append_unichar(file, stays ? c : '_');
    }
    return g_string_free(file, FALSE);
}

char *service_settings_path(const struct service *s, const char *base, const char *group, const char *name)
{
    g_autofree char *usual = service_machine_folder(s);
    g_autofree char *file = file_name_of(name);
    g_autofree char *dotted = g_strconcat(file, ".vbox", NULL);

    return g_build_filename(*base != '\0' ? base : usual, group != NULL ? group : "", file, dotted, NULL);
}

void virtualbox_apply_type(struct settings_machine *s, const struct guest_type *t)
{
    struct settings_hardware *h = &s->hardware;
    int graphics = settings_enum_find(settings_graphics_names, t->graphics);
    int audio = settings_enum_find(settings_audio_controller_names, t->audio);
    int chipset = settings_enum_find(settings_chipset_names, t->chipset);
    int adapter = field_api_to_word("NetworkAdapterType", settings_nic_type_names, t->adapter);

    h->cpu.count = t->cpus;
    h->ram_mib = t->ram_mib;
    h->vram_mib = t->vram_mib;
    h->graphics = graphics >= 0 ? (enum settings_graphics)graphics : h->graphics;
    h->audio.controller = audio >= 0 ? (enum settings_audio_controller)audio : h->audio.controller;
    h->chipset = chipset >= 0 ? (enum settings_chipset)chipset : h->chipset;
    h->firmware.ioapic = guest_type_hint(t, "X86_IOAPIC");
    h->firmware.type = guest_type_hint(t, "EFI") ? FIRMWARE_EFI : FIRMWARE_BIOS;
    h->cpu.pae = guest_type_hint(t, "X86_PAE");
    h->cpu.long_mode = t->is_64_bit ? LONG_MODE_ON : LONG_MODE_OFF;
    h->cpu.x2apic = guest_type_hint(t, "X86_X2APIC");
    h->cpu.hpet = guest_type_hint(t, "X86_HPET");
    h->cpu.triple_fault_reset = guest_type_hint(t, "TFRESET");
    h->clock = guest_type_hint(t, "RTCUTC") ? CLOCK_UTC : CLOCK_LOCAL;
    h->pointing = guest_type_hint(t, "USBTABLET") ? POINTING_USB_TABLET : POINTING_PS2;
    for (unsigned k = 0; k < SETTINGS_ADAPTERS; k++)
        h->adapter[k].type = adapter >= 0 ? (enum settings_nic_type)adapter : h->adapter[k].type;
    h->audio.use_default = true;
    h->adapter[0].enabled = true;
    h->adapter[0].attachment = ATTACH_NAT;
    h->adapter[0].cable = true;
    h->adapter[0].mac = g_strdup_printf("080027%06X", g_random_int() & 0xffffff);
}

static bool new_id(const char *wanted, char ret[API_UUID_SIZE], GError **error)
{
    if (*wanted == '\0') {
        g_autofree char *made = g_uuid_string_random();
        g_strlcpy(ret, made, API_UUID_SIZE);
        return true;
    }
    return api_uuid_parse(wanted, ret) || api_fail(error, E_INVALIDARG, "Invalid UUID '%s'", wanted);
}

bool virtualbox_create_machine(struct bus_call *call, GVariant **ret, GError **error)
{
    struct service *s = call->object;
    g_autofree const char **groups = NULL;
    const char *file, *name, *os, *base, *wanted, *cipher, *key, *password;
    char id[API_UUID_SIZE];

    g_variant_get(call->args, "(&s&s^a&s&s&s&s&s&s&s)", &file, &name, &groups, &os, &base, &wanted, &cipher, &key,
                  &password);
    if (*cipher != '\0' || *key != '\0' || *password != '\0')
        return api_fail(error, VBOX_E_NOT_SUPPORTED,
                        "The settings of '%s' cannot be encrypted: no extension pack with a cryptographic module is "
                        "usable; encrypt its disks with encryptmedium",
                        name);
    const struct guest_type *type = guest_type_find(*os != '\0' ? os : "Other");
    if (*name == '\0')
        return api_fail(error, E_INVALIDARG, "A machine needs a name");
    if (type == NULL)
        return api_fail(error, E_INVALIDARG, "Guest OS type '%s' is invalid", os);
    if (!new_id(wanted, id, error))
        return false;
    if (machine_find(s, id) != NULL)
        return api_fail(error, VBOX_E_OBJECT_IN_USE, "A machine with UUID {%s} already exists", id);
    const char *group = groups[0] != NULL && strcmp(groups[0], "/") != 0 ? groups[0] : NULL;
    g_autofree char *path = *file != '\0' ? g_strdup(file) : service_settings_path(s, base, group, name);
    if (!g_path_is_absolute(path))
        return api_fail(error, VBOX_E_FILE_ERROR, "The settings file's path '%s' is not absolute", path);
    if (g_file_test(path, G_FILE_TEST_EXISTS))
        return api_fail(error, VBOX_E_FILE_ERROR, "Machine settings file '%s' already exists", path);
    g_autofree char *braced = g_strdup_printf("{%s}", id);
    struct settings_machine *settings = settings_machine_new(fio_system(), path, braced, name, type->id);
    virtualbox_apply_type(settings, type);
    if (!machine_set_groups(settings, groups, error)) {
        settings_machine_free(settings);
        return false;
    }
    struct machine *m = machine_new(s, path, settings, id);
    m->owner = call->peer;
    *ret = machine_reply(m);
    return true;
}

bool virtualbox_open_machine(struct bus_call *call, GVariant **ret, GError **error)
{
    struct service *s = call->object;
    const char *path;
    char id[API_UUID_SIZE];

    g_variant_get(call->args, "(&s&s)", &path, NULL); /* nothing is encrypted that could be read */
    if (!g_path_is_absolute(path))
        return api_fail(error, VBOX_E_FILE_ERROR, "The settings file's path '%s' is not absolute", path);
    struct settings_machine *settings = settings_machine_load(fio_system(), path, error);
    if (settings == NULL)
        return api_wrap(error, VBOX_E_FILE_ERROR);
    bool known = !api_uuid_parse(settings->uuid, id) || machine_find(s, id) != NULL;
    if (known) {
        api_fail(error, E_FAIL,
                 "Trying to open a VM config '%s' which has the same UUID as an existing virtual machine", path);
        settings_machine_free(settings);
        return false;
    }
    struct machine *m = machine_new(s, path, settings, id);
    m->owner = call->peer;
    *ret = machine_reply(m);
    return true;
}

struct machine *machine_from_path(struct service *s, const char *object_path, struct bus_peer *peer)
{
    const char *rest = NULL;
    const struct part *p = g_str_has_prefix(object_path, API_ROOT "/machine/")
                               ? part_find(s, peer, strrchr(object_path, '/') + 1, &rest)
                               : NULL;

    return p != NULL && rest == NULL ? p->machine : NULL;
}

bool virtualbox_add_machine(struct machine *m, GError **error)
{
    struct service *s = m->service;

    if (machine_find_name(s, machine_name(m)) != NULL)
        return api_fail(error, VBOX_E_OBJECT_IN_USE, "A machine named '%s' already exists", machine_name(m));
    g_autofree char *folder = g_path_get_dirname(m->path);
    if (m->settings->file.checksum == NULL) { /* never saved */
        if (g_mkdir_with_parents(folder, 0700) != 0)
            return api_fail(error, VBOX_E_FILE_ERROR, "Could not create the folder '%s'", folder);
        if (!machine_save(m, error))
            return false;
    }
    struct settings_machine_entry *entry = settings_machine_entry_new();
    g_free(entry->uuid);
    g_free(entry->path);
    entry->uuid = g_strdup(m->settings->uuid);
    entry->path = g_strdup(m->path);
    g_ptr_array_add(s->global->machines, entry);
    if (!service_save(s, error))
        return false;
    m->registered = true;
    m->owner = NULL;
    medium_load(s, &m->settings->media, m->settings->file.folder);
    service_emit(s, "MachineRegistered", g_variant_new("(sb)", m->id, TRUE));
    return true;
}

bool virtualbox_register_machine(struct bus_call *call, GVariant **ret, GError **error)
{
    const char *path;

    (void)ret;
    g_variant_get(call->args, "(&o)", &path);
    struct machine *m = machine_from_path(call->object, path, call->peer);
    if (m == NULL || m->registered)
        return api_fail(error, VBOX_E_INVALID_OBJECT_STATE, "There is no unregistered machine '%s'", path);
    return virtualbox_add_machine(m, error);
}
