/*
 * virtualbox.c - IVirtualBox: the root object.
 */
#include <glib/gstdio.h>
#include <stdio.h>
#include <string.h>

#include "main/server/machine_int.h"
#include "storage/vd.h"

static void *find(void *user, struct bus_peer *peer, const char *node)
{
    (void)peer;
    return strcmp(node, "VirtualBox") == 0 ? user : NULL;
}

static void list(void *user, GPtrArray *nodes)
{
    (void)user;
    g_ptr_array_add(nodes, g_strdup("VirtualBox"));
}

/* ---- properties ---- */

static GVariant *get_version(const struct bus_call *call, const struct bus_property *row)
{
    g_auto(GStrv) parts = g_strsplit(RB_VERSION, "r", 2);

    (void)call, (void)row;
    return g_variant_new_string(parts[0]);
}

static GVariant *get_revision(const struct bus_call *call, const struct bus_property *row)
{
    const char *r = strchr(RB_VERSION, 'r');

    (void)call, (void)row;
    return g_variant_new_uint32(r != NULL ? (guint32)g_ascii_strtoull(r + 1, NULL, 10) : 0);
}

static GVariant *get_home(const struct bus_call *call, const struct bus_property *row)
{
    const struct service *s = call->object;

    (void)row;
    return g_variant_new_string(s->config.home);
}

static GVariant *get_file(const struct bus_call *call, const struct bus_property *row)
{
    const struct service *s = call->object;

    (void)row;
    return g_variant_new_string(s->global_path);
}

/* ---- machines ---- */

static GVariant *machine_list(struct service *s, bool running)
{
    GVariantBuilder b;

    g_variant_builder_init(&b, G_VARIANT_TYPE("a(oss)"));
    for (unsigned k = 0; k < s->machines->len; k++) {
        const struct machine *m = s->machines->pdata[k];
        if (!m->registered || (running && !machine_running(m)))
            continue;
        g_autofree char *path = machine_object_path(m);
        g_variant_builder_add(&b, "(oss)", path, m->id, machine_name(m));
    }
    return g_variant_new("(a(oss))", &b);
}

static bool get_machines(struct bus_call *call, GVariant **ret, GError **error)
{
    (void)error;
    *ret = machine_list(call->object, false);
    return true;
}

static bool get_running(struct bus_call *call, GVariant **ret, GError **error)
{
    (void)error;
    *ret = machine_list(call->object, true);
    return true;
}

static GVariant *machine_reply(const struct machine *m)
{
    g_autofree char *path = machine_object_path(m);

    return g_variant_new("(o)", path);
}

static bool find_machine(struct bus_call *call, GVariant **ret, GError **error)
{
    const char *name;
    char id[API_UUID_SIZE];

    g_variant_get(call->args, "(&s)", &name);
    const struct machine *m = machine_find_name(call->object, name);
    if (m == NULL && api_uuid_parse(name, id))
        return api_fail(error, VBOX_E_OBJECT_NOT_FOUND, "Could not find a registered machine with UUID {%s}", id);
    if (m == NULL)
        return api_fail(error, VBOX_E_OBJECT_NOT_FOUND, "Could not find a registered machine named '%s'", name);
    *ret = machine_reply(m);
    return true;
}

char *service_machine_folder(const struct service *s)
{
    return s->global->system.machine_folder != NULL ? g_strdup(s->global->system.machine_folder)
                                                    : g_build_filename(g_get_home_dir(), "VirtualBox VMs", NULL);
}

/* Characters that cannot be in a file name become underscores. */
static char *file_name_of(const char *name)
{
    char *file = g_strdup(name);

    for (char *p = file; *p != '\0'; p++)
        if (*p == '/' || (unsigned char)*p < ' ' || *p == '\\' || *p == ':' || *p == '*' || *p == '?')
            *p = '_';
    if (file[0] == '.')
        file[0] = '_';
    return file;
}

char *service_settings_path(const struct service *s, const char *base, const char *group, const char *name)
{
    g_autofree char *usual = service_machine_folder(s);
    g_autofree char *file = file_name_of(name);
    g_autofree char *dotted = g_strconcat(file, ".vbox", NULL);

    return g_build_filename(*base != '\0' ? base : usual, group != NULL ? group : "", file, dotted, NULL);
}

/* What the guest OS type recommends. */
static void apply_type(struct settings_machine *s, const struct guest_type *t)
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

static bool create_machine(struct bus_call *call, GVariant **ret, GError **error)
{
    struct service *s = call->object;
    g_autofree const char **groups = NULL;
    const char *file, *name, *os, *base, *wanted;
    char id[API_UUID_SIZE];

    g_variant_get(call->args, "(&s&s^a&s&s&s&s)", &file, &name, &groups, &os, &base, &wanted);
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
    apply_type(settings, type);
    if (!machine_set_groups(settings, groups, error)) {
        settings_machine_free(settings);
        return false;
    }
    struct machine *m = machine_new(s, path, settings, id);
    m->owner = call->peer;
    *ret = machine_reply(m);
    return true;
}

static bool open_machine(struct bus_call *call, GVariant **ret, GError **error)
{
    struct service *s = call->object;
    const char *path;
    char id[API_UUID_SIZE];

    g_variant_get(call->args, "(&s)", &path);
    if (!g_path_is_absolute(path))
        return api_fail(error, VBOX_E_FILE_ERROR, "The settings file's path '%s' is not absolute", path);
    struct settings_machine *settings = settings_machine_load(fio_system(), path, error);
    if (settings == NULL)
        return api_wrap(error, VBOX_E_FILE_ERROR);
    bool known = !api_uuid_parse(settings->uuid, id) || machine_find(s, id) != NULL;
    if (known) {
        api_fail(error, VBOX_E_OBJECT_IN_USE,
                 "Cannot register the machine '%s' because a machine '%s' with UUID {%s} "
                 "already exists",
                 path, machine_find(s, id) != NULL ? machine_find(s, id)->path : "", id);
        settings_machine_free(settings);
        return false;
    }
    struct machine *m = machine_new(s, path, settings, id);
    m->owner = call->peer;
    *ret = machine_reply(m);
    return true;
}

static struct machine *machine_from_path(struct service *s, const char *object_path, struct bus_peer *peer)
{
    const char *rest = NULL;
    const struct part *p = g_str_has_prefix(object_path, API_ROOT "/machine/")
                               ? part_find(s, peer, strrchr(object_path, '/') + 1, &rest)
                               : NULL;

    return p != NULL && rest == NULL ? p->machine : NULL;
}

static bool register_machine(struct bus_call *call, GVariant **ret, GError **error)
{
    struct service *s = call->object;
    const char *path;

    (void)ret;
    g_variant_get(call->args, "(&o)", &path);
    struct machine *m = machine_from_path(s, path, call->peer);
    if (m == NULL || m->registered)
        return api_fail(error, VBOX_E_INVALID_OBJECT_STATE, "There is no unregistered machine '%s'", path);
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

/* ---- media ---- */

static void add_medium(GVariantBuilder *b, const struct medium *m)
{
    g_autofree char *path = medium_object_path(m);

    g_variant_builder_add(b, "(os)", path, m->id);
    for (unsigned k = 0; k < m->children->len; k++)
        add_medium(b, m->children->pdata[k]);
}

static bool device_kind(const char *type, enum settings_device *ret, GError **error)
{
    int kind = settings_enum_find(settings_device_names, type);

    if (kind != DEVICE_HARD_DISK && kind != DEVICE_DVD && kind != DEVICE_FLOPPY)
        return api_fail(error, E_INVALIDARG, "Invalid device type '%s'", type);
    *ret = (enum settings_device)kind;
    return true;
}

static bool get_media(struct bus_call *call, GVariant **ret, GError **error)
{
    struct service *s = call->object;
    enum settings_device kind;
    const char *type;
    GVariantBuilder b;

    g_variant_get(call->args, "(&s)", &type);
    if (!device_kind(type, &kind, error))
        return false;
    g_variant_builder_init(&b, G_VARIANT_TYPE("a(os)"));
    for (unsigned k = 0; k < s->media->len; k++) {
        const struct medium *m = s->media->pdata[k];
        if (m->kind == kind && m->parent == NULL)
            add_medium(&b, m);
    }
    *ret = g_variant_new("(a(os))", &b);
    return true;
}

static GVariant *medium_reply(const struct medium *m)
{
    g_autofree char *path = medium_object_path(m);

    return g_variant_new("(o)", path);
}

static const char *kind_words(enum settings_device kind)
{
    return kind == DEVICE_HARD_DISK ? "hard disk" : kind == DEVICE_DVD ? "CD/DVD image" : "floppy image";
}

static void tell_medium(struct service *s, const struct medium *m)
{
    service_emit(s, "MediumRegistered", g_variant_new("(ssb)", m->id, settings_device_names[m->kind], TRUE));
}

/* The id a file gets: its own if the format has one. */
static bool identify(const char *path, enum settings_device kind, bool fresh, char **ret_format,
                     char ret_id[API_UUID_SIZE], GError **error)
{
    g_autofree char *made = g_uuid_string_random();
    uint8_t uuid[VD_UUID_BYTES];

    g_strlcpy(ret_id, made, API_UUID_SIZE);
    if (!g_file_test(path, G_FILE_TEST_EXISTS))
        return api_fail(error, VBOX_E_FILE_ERROR, "Could not find file for the medium '%s' (VERR_FILE_NOT_FOUND)",
                        path);
    if (kind != DEVICE_HARD_DISK) {
        *ret_format = g_strdup("RAW");
        return true;
    }
    const char *format = vd_probe(fio_system(), path, error);
    struct vd *vd = format != NULL ? vd_open(fio_system(), format, path, VD_READ_ONLY, error) : NULL;
    if (vd == NULL) {
        g_prefix_error(error, "Could not open the medium '%s'.\n", path);
        return api_wrap(error, VBOX_E_IPRT_ERROR);
    }
    if (!fresh && vd_uuid(vd, uuid))
        api_uuid_from_bytes(uuid, ret_id);
    *ret_format = g_strdup(vd_format(vd));
    vd_close(vd);
    return true;
}

static bool open_medium(struct bus_call *call, GVariant **ret, GError **error)
{
    struct service *s = call->object;
    const char *location, *type, *access;
    g_autofree char *format = NULL;
    enum settings_device kind;
    gboolean fresh;
    char id[API_UUID_SIZE];

    g_variant_get(call->args, "(&s&s&sb)", &location, &type, &access, &fresh);
    if (!device_kind(type, &kind, error))
        return false;
    if (api_uuid_parse(location, id)) {
        const struct medium *m = medium_find(s, id, kind);
        if (m == NULL)
            return api_fail(error, VBOX_E_OBJECT_NOT_FOUND, "Could not find an open %s with UUID {%s}",
                            kind_words(kind), id);
        *ret = medium_reply(m);
        return true;
    }
    if (!g_path_is_absolute(location))
        return api_fail(error, VBOX_E_FILE_ERROR, "Medium location '%s' is not absolute", location);
    g_autofree char *path = g_canonicalize_filename(location, "/");
    struct medium *m = medium_at(s, path);
    if (m == NULL || m->kind != kind) {
        if (!identify(path, kind, fresh, &format, id, error))
            return false;
        const struct medium *other = medium_find(s, id, DEVICE_NONE);
        if (other != NULL)
            return api_fail(error, E_INVALIDARG,
                            "Cannot register the %s '%s' {%s} because a %s '%s' with UUID {%s} already exists",
                            kind_words(kind), path, id, kind_words(other->kind), other->location, id);
        m = medium_new(s, id, kind, path, format);
        tell_medium(s, m);
    }
    *ret = medium_reply(m);
    return true;
}

static bool create_medium(struct bus_call *call, GVariant **ret, GError **error)
{
    struct service *s = call->object;
    const char *format, *location, *access, *type;
    enum settings_device kind;

    g_variant_get(call->args, "(&s&s&s&s)", &format, &location, &access, &type);
    if (!device_kind(type, &kind, error))
        return false;
    if (!g_path_is_absolute(location))
        return api_fail(error, VBOX_E_FILE_ERROR, "Medium location '%s' is not absolute", location);
    g_autofree char *path = g_canonicalize_filename(location, "/");
    const struct medium *other = medium_at(s, path);
    if (other != NULL)
        return api_fail(error, E_INVALIDARG,
                        "Cannot register the %s '%s' because a %s '%s' with UUID {%s} already "
                        "exists",
                        kind_words(kind), path, kind_words(other->kind), other->location, other->id);
    g_autofree char *id = g_uuid_string_random();
    struct medium *m = medium_new(s, id, kind, path, *format != '\0' ? format : "VDI");
    m->state = MediumState_NotCreated;
    tell_medium(s, m);
    *ret = medium_reply(m);
    return true;
}

/* ---- the rest ---- */

static bool get_guest_types(struct bus_call *call, GVariant **ret, GError **error)
{
    (void)call, (void)error;
    *ret = g_variant_new("(@aa{sv})", guest_types());
    return true;
}

static bool get_extra(struct bus_call *call, GVariant **ret, GError **error)
{
    const struct service *s = call->object;
    const char *key;

    (void)error;
    g_variant_get(call->args, "(&s)", &key);
    const char *val = settings_property_get(s->global->extra_data, key);
    *ret = g_variant_new("(s)", val != NULL ? val : "");
    return true;
}

static bool set_extra(struct bus_call *call, GVariant **ret, GError **error)
{
    struct service *s = call->object;
    const char *key, *val;

    (void)ret;
    g_variant_get(call->args, "(&s&s)", &key, &val);
    if (*key == '\0')
        return api_fail(error, E_INVALIDARG, "The key cannot be empty");
    settings_property_set(s->global->extra_data, key, val);
    if (!service_save(s, error))
        return false;
    service_emit(s, "ExtraDataChanged", g_variant_new("(sss)", "", key, val));
    return true;
}

static bool get_extra_keys(struct bus_call *call, GVariant **ret, GError **error)
{
    const struct service *s = call->object;
    GVariantBuilder b;

    (void)error;
    g_variant_builder_init(&b, G_VARIANT_TYPE("as"));
    for (unsigned k = 0; k < s->global->extra_data->len; k++)
        g_variant_builder_add(&b, "s", ((const struct settings_property *)s->global->extra_data->pdata[k])->name);
    *ret = g_variant_new("(as)", &b);
    return true;
}

static const struct bus_interface interface;

static bool describe(struct bus_call *call, GVariant **ret, GError **error)
{
    GVariantDict dict;

    (void)error;
    g_variant_dict_init(&dict, NULL);
    bus_describe(call->bus, &interface, call->object, call->node, &dict);
    *ret = g_variant_new("(@a{sv})", g_variant_dict_end(&dict));
    return true;
}

static const struct bus_method methods[] = {
    {"Describe", describe},
    {"GetMachines", get_machines},
    {"FindMachine", find_machine},
    {"CreateMachine", create_machine},
    {"OpenMachine", open_machine},
    {"RegisterMachine", register_machine},
    {"GetMedia", get_media},
    {"OpenMedium", open_medium},
    {"CreateMedium", create_medium},
    {"GetGuestOSTypes", get_guest_types},
    {"GetExtraData", get_extra},
    {"SetExtraData", set_extra},
    {"GetExtraDataKeys", get_extra_keys},
    {"GetRunningVMs", get_running},
    {NULL, NULL},
};
static const struct bus_property properties[] = {
    {"Version", get_version, NULL, NULL},
    {"Revision", get_revision, NULL, NULL},
    {"HomeFolder", get_home, NULL, NULL},
    {"SettingsFilePath", get_file, NULL, NULL},
    {NULL, NULL, NULL, NULL},
};
static const struct bus_interface interface = {
    .info = (GDBusInterfaceInfo *)&api_ivirtual_box_interface, .methods = methods, .properties = properties};
const struct bus_class virtualbox_class = {.folder = API_ROOT, .interfaces = {&interface}, .find = find, .list = list};
