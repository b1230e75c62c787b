/*
 * appliance_export.c - IAppliance: machines are put into an appliance, which is written: every disk as a stream-
 * optimised VMDK, the descriptor, and on demand a manifest; one archive if the name says so.
 */
#include <errno.h>
#include <glib/gstdio.h>
#include <string.h>

#include "main/ovf/manifest.h"
#include "main/ovf/ova.h"
#include "main/server/appliance/appliance.h"
#include "storage/chain.h"
#include "storage/copy.h"

#define TICK_MS 200u
#define STREAM  "http://www.vmware.com/interfaces/specifications/vmdk.html#streamOptimized"

bool appliance_add_machine(struct bus_call *call, GVariant **ret, GError **error)
{
    struct appliance *a = call->object;
    const char *path;
    char id[API_UUID_SIZE];

    (void)ret;
    g_variant_get(call->args, "(&o)", &path);
    struct machine *m = api_node_to_uuid(strrchr(path, '/') + 1, id) ? machine_find(a->service, id) : NULL;
    if (m == NULL || !m->registered || m->settings == NULL)
        return api_fail(error, VBOX_E_OBJECT_NOT_FOUND, "There is no machine '%s' that can be exported", path);
    if (m->vm != NULL || m->launching || m->settings->state_file != NULL)
        return api_fail(error, VBOX_E_INVALID_VM_STATE, "Machine '%s' is not powered off and cannot be exported",
                        machine_name(m));
    GPtrArray *list = description_list_new();
    description_new(list, "Name", "", machine_name(m), machine_name(m), "");
    description_new(list, "OS", "", m->settings->os_type, m->settings->os_type, "");
    if (m->settings->description != NULL)
        description_new(list, "Description", "", m->settings->description, m->settings->description, "");
    g_ptr_array_add(a->systems, list);
    g_ptr_array_add(a->machines, g_strdup(m->id));
    return true;
}

/* ---- the descriptor ---- */

struct exporting {
    struct appliance *appliance;
    struct progress *progress;
    struct ovf *ovf;
    GPtrArray *chains;   /* GArray of struct vd_link, one a disk of ovf */
    char *folder, *path; /* where files are put together; the descriptor or the archive */
    char *descriptor;    /* plain name */
    bool archive, manifest;
    GPtrArray *made; /* paths */
    gint percent;
    guint timer;
    int64_t total_bytes, done_bytes, now_bytes;
};

static void add_adapters(struct ovf_system *system, const struct settings_machine *s, uint32_t *instance)
{
    for (unsigned k = 0; k < SETTINGS_ADAPTERS; k++) {
        const struct settings_adapter *a = &s->hardware.adapter[k];
        if (!a->enabled)
            continue;
        struct ovf_item *i = ovf_item_new(system, OVF_ETHERNET);
        i->instance = ++*instance;
        g_free(i->subtype);
        i->subtype = g_strdup(a->type == NIC_AM79C970A || a->type == NIC_AM79C973 ? "pcnet32"
                              : a->type == NIC_VIRTIO                             ? "virtio"
                                                                                  : "e1000");
        i->network = g_strdup(settings_attach_names[a->attachment]);
    }
}

static enum ovf_kind kind_of(const char *bus)
{
    return strcmp(bus, "IDE") == 0 ? OVF_IDE : strcmp(bus, "SATA") == 0 ? OVF_SATA : OVF_SCSI;
}

static const char *subtype_of(enum settings_controller_type type)
{
    static const char *const names[] = {[CONTROLLER_PIIX3] = "piix3",
                                        [CONTROLLER_PIIX4] = "piix4",
                                        [CONTROLLER_ICH6] = "ich6",
                                        [CONTROLLER_AHCI] = "ahci",
                                        [CONTROLLER_LSILOGIC] = "lsilogic",
                                        [CONTROLLER_BUSLOGIC] = "buslogic",
                                        [CONTROLLER_LSILOGIC_SAS] = "lsilogicsas",
                                        [CONTROLLER_VIRTIO_SCSI] = "virtioscsi"};

    return (unsigned)type < G_N_ELEMENTS(names) && names[type] != NULL ? names[type] : "";
}

static bool add_disk(struct exporting *x, struct ovf_system *system, const struct settings_attachment *at,
                     uint32_t parent, uint32_t address, uint32_t *instance, GError **error)
{
    char id[API_UUID_SIZE] = "";
    struct medium *m = at->image_uuid != NULL && api_uuid_parse(at->image_uuid, id)
                           ? medium_find(x->appliance->service, id, at->kind)
                           : NULL;
    unsigned number = x->ovf->disks->len + 1;
    g_autofree char *name = g_strdup_printf("vmdisk%u", number);
    g_autofree char *stem = g_strndup(x->descriptor, strlen(x->descriptor) - strlen(".ovf"));
    g_autofree char *file = g_strdup_printf("%s-disk%03u.vmdk", stem, number);

    if (m == NULL)
        return api_fail(error, VBOX_E_OBJECT_NOT_FOUND, "Could not find the hard disk {%s} of '%s'", id, system->name);
    if (medium_encrypted(m))
        return api_fail(error, VBOX_E_NOT_SUPPORTED,
                        "The hard disk '%s' is encrypted; decrypt it, or a clone of it, before it is exported",
                        m->location);
    struct vd *vd = medium_open(m, VD_READ_ONLY, error);
    if (vd == NULL)
        return api_wrap(error, VBOX_E_FILE_ERROR);
    struct ovf_disk *d = ovf_disk_new(x->ovf, name, file);
    d->capacity_bytes = (int64_t)vd_size_bytes(vd);
    d->format = g_strdup(STREAM);
    d->uuid = g_strdup(id);
    vd_close(vd);
    x->total_bytes += d->capacity_bytes;
    g_ptr_array_add(x->chains, medium_links(m));
    struct ovf_item *i = ovf_item_new(system, OVF_HARD_DISK);
    i->instance = ++*instance;
    i->parent = parent;
    i->address = address;
    i->disk = d;
    return true;
}

static bool add_controller(struct exporting *x, struct ovf_system *system, const struct settings_controller *c,
                           uint32_t *instance, GError **error)
{
    const struct controller_rule *rule = controller_rule_of(c->type);
    enum ovf_kind kind = kind_of(rule->bus);
    uint32_t parent[2] = {0, 0};

    for (unsigned k = 0; k < (kind == OVF_IDE ? 2u : 1u) && strcmp(rule->bus, "Floppy") != 0; k++) {
        struct ovf_item *i = ovf_item_new(system, kind);
        i->instance = parent[k] = ++*instance;
        i->address = k;
        g_free(i->subtype);
        i->subtype = g_strdup(subtype_of(c->type));
    }
    for (unsigned k = 0; k < c->attachments->len; k++) {
        const struct settings_attachment *at = c->attachments->pdata[k];
        uint32_t on = kind == OVF_IDE ? parent[at->port % 2] : parent[0];
        uint32_t address = kind == OVF_IDE ? at->device : at->port;
        if (at->kind == DEVICE_HARD_DISK && !add_disk(x, system, at, on, address, instance, error))
            return false;
        if (at->kind == DEVICE_HARD_DISK)
            continue;
        struct ovf_item *i = ovf_item_new(system, at->kind == DEVICE_DVD ? OVF_CD : OVF_FLOPPY);
        i->instance = ++*instance;
        i->parent = at->kind == DEVICE_DVD ? on : 0;
        i->address = address;
    }
    return true;
}

static void take_texts(struct ovf_system *system, const GPtrArray *list)
{
    const struct {
        const char *type;
        char **at;
    } texts[] = {{"Description", &system->description}, {"Product", &system->product},
                 {"Version", &system->version},         {"ProductUrl", &system->product_url},
                 {"Vendor", &system->vendor},           {"VendorUrl", &system->vendor_url},
                 {"License", &system->license}};

    for (unsigned k = 0; k < G_N_ELEMENTS(texts); k++) {
        const char *text = description_value(list, texts[k].type);
        if (*text != '\0')
            *texts[k].at = g_strdup(text);
    }
}

/* The settings without what only this host has: snapshots, media, states; MAC addresses on demand. */
static char *settings_text(const struct settings_machine *s, const char *const *options)
{
    struct settings_machine *copy = settings_machine_copy(s);
    bool none = g_strv_contains(options, "StripAllMACs"), not_nat = g_strv_contains(options, "StripAllNonNATMACs");

    for (unsigned k = 0; k < SETTINGS_ADAPTERS; k++) {
        struct settings_adapter *a = &copy->hardware.adapter[k];
        if (none || (not_nat && a->attachment != ATTACH_NAT))
            g_clear_pointer(&a->mac, g_free);
    }
    for (unsigned k = 0; k < copy->hardware.controllers->len; k++) {
        const struct settings_controller *c = copy->hardware.controllers->pdata[k];
        for (unsigned n = c->attachments->len; n-- > 0;) {
            struct settings_attachment *at = c->attachments->pdata[n];
            if (at->kind == DEVICE_HARD_DISK)
                g_ptr_array_remove_index(c->attachments, n);
            else
                g_clear_pointer(&at->image_uuid, g_free);
        }
    }
    g_ptr_array_set_size(copy->media.disks, 0);
    g_ptr_array_set_size(copy->media.dvds, 0);
    g_ptr_array_set_size(copy->media.floppies, 0);
    g_ptr_array_set_size(copy->snapshots, 0);
    g_clear_pointer(&copy->current_snapshot, g_free);
    char *text = settings_machine_text(copy);
    settings_machine_free(copy);
    return text;
}

static bool add_system(struct exporting *x, const struct machine *m, const GPtrArray *list, const char *const *options,
                       GError **error)
{
    const struct settings_machine *s = m->settings;
    struct ovf_system *system = ovf_system_new(x->ovf, description_value(list, "Name"));
    uint32_t instance = 0;

    system->os_type = g_strdup(s->os_type != NULL ? s->os_type : "Other");
    system->cpus = s->hardware.cpu.count;
    system->memory_mib = s->hardware.ram_mib;
    take_texts(system, list);
    for (unsigned k = 0; k < s->hardware.controllers->len; k++)
        if (!add_controller(x, system, s->hardware.controllers->pdata[k], &instance, error))
            return false;
    add_adapters(system, s, &instance);
    if (s->hardware.usb_controllers->len > 0)
        ovf_item_new(system, OVF_USB)->instance = ++instance;
    if (s->hardware.audio.enabled)
        ovf_item_new(system, OVF_SOUND)->instance = ++instance;
    system->machine_text = settings_text(s, options);
    return true;
}

/* ---- on the thread ---- */

static bool report(void *user, unsigned permille)
{
    struct exporting *x = user;
    int64_t done = x->done_bytes + x->now_bytes / 1000 * permille;

    g_atomic_int_set(&x->percent, (gint)(done * 95 / MAX(x->total_bytes, 1)));
    return true;
}

static bool copy_disk(struct exporting *x, unsigned n, GError **error)
{
    const struct ovf_disk *d = x->ovf->disks->pdata[n];
    const GArray *links = x->chains->pdata[n];
    g_autofree char *target = g_build_filename(x->folder, d->file, NULL);
    const struct vd_create to = {.format = "VMDK", .path = target, .layout = VD_STREAM};
    const struct vd_progress progress = {.report = report, .ctx = x};
    struct vd *vd =
        vd_open_chain(fio_system(), (const struct vd_link *)(const void *)links->data, links->len, VD_READ_ONLY, error);

    x->now_bytes = d->capacity_bytes;
    bool ok = vd != NULL && vd_copy(vd, fio_system(), &to, &progress, error);
    vd_close(vd);
    if (ok)
        g_ptr_array_add(x->made, g_strdup(target));
    x->done_bytes += x->now_bytes;
    return ok;
}

static bool write_text(struct exporting *x, const char *name, const char *text, GError **error)
{
    g_autofree char *path = g_build_filename(x->folder, name, NULL);

    if (!g_file_set_contents(path, text, -1, error))
        return false;
    g_ptr_array_add(x->made, g_strdup(path));
    return true;
}

static bool finish(struct exporting *x, GError **error)
{
    g_autofree char *descriptor = ovf_text(x->ovf), *manifest = NULL;
    g_autofree char *stem = g_strndup(x->descriptor, strlen(x->descriptor) - strlen(".ovf"));
    g_autofree char *manifest_name = g_strconcat(stem, ".mf", NULL);
    g_autoptr(GPtrArray) files = g_ptr_array_new();

    g_ptr_array_add(files, x->descriptor);
    for (unsigned k = 0; k < x->ovf->disks->len; k++)
        g_ptr_array_add(files, ((struct ovf_disk *)x->ovf->disks->pdata[k])->file);
    g_ptr_array_add(files, NULL);
    if (!write_text(x, x->descriptor, descriptor, error))
        return false;
    if (x->manifest) {
        manifest = manifest_text(x->folder, (char *const *)files->pdata,
                                 x->ovf->version == OVF_2_0 ? G_CHECKSUM_SHA256 : G_CHECKSUM_SHA1, error);
        if (manifest == NULL || !write_text(x, manifest_name, manifest, error))
            return false;
        files->pdata[files->len - 1] = manifest_name;
        g_ptr_array_add(files, NULL);
    }
    return !x->archive || ova_pack(x->path, x->folder, (char *const *)files->pdata, error);
}

static bool work(void *data, GError **error)
{
    struct exporting *x = data;
    bool ok = true;

    for (unsigned k = 0; ok && k < x->ovf->disks->len; k++)
        ok = copy_disk(x, k, error);
    return (ok && finish(x, error)) || api_wrap(error, VBOX_E_FILE_ERROR);
}

/* ---- in the main thread ---- */

static gboolean tick(void *user)
{
    struct exporting *x = user;

    progress_percent(x->progress, (unsigned)g_atomic_int_get(&x->percent));
    return G_SOURCE_CONTINUE;
}

static void exporting_free(struct exporting *x, bool remove_files)
{
    for (unsigned k = 0; remove_files && k < x->made->len; k++)
        g_unlink(x->made->pdata[k]);
    if (x->archive)
        g_rmdir(x->folder);
    if (x->timer != 0)
        g_source_remove(x->timer);
    ovf_free(x->ovf);
    g_ptr_array_unref(x->chains);
    g_ptr_array_unref(x->made);
    g_free(x->folder);
    g_free(x->path);
    g_free(x->descriptor);
    g_free(x);
}

static bool done(void *data, bool ok, GError **error)
{
    struct exporting *x = data;
    struct appliance *a = x->appliance;

    (void)error;
    a->busy = false;
    if (a->peer == NULL)
        appliances_peer_gone(a->service, NULL);
    exporting_free(x, !ok || x->archive);
    return ok;
}

static bool prepare(struct exporting *x, const char *path, GError **error)
{
    g_autofree char *low = g_ascii_strdown(path, -1), *base = g_path_get_basename(path);

    x->archive = g_str_has_suffix(low, ".ova");
    if (!g_path_is_absolute(path) || (!x->archive && !g_str_has_suffix(low, ".ovf")))
        return api_fail(error, VBOX_E_FILE_ERROR, "Appliance file must have .ovf or .ova extension: '%s'", path);
    if (g_file_test(path, G_FILE_TEST_EXISTS))
        return api_fail(error, VBOX_E_FILE_ERROR, "Appliance file '%s' already exists (VERR_ALREADY_EXISTS)", path);
    g_autofree char *stem = g_strndup(base, strlen(base) - strlen(".ovf"));
    x->path = g_strdup(path);
    x->descriptor = g_strconcat(stem, ".ovf", NULL);
    x->folder = g_path_get_dirname(path);
    if (x->archive) {
        g_autofree char *random = g_uuid_string_random();
        char *folder = g_strdup_printf("%s/.export-%.8s", x->folder, random);
        g_free(x->folder);
        x->folder = folder;
        if (g_mkdir(folder, 0700) != 0)
            return api_fail(error, VBOX_E_FILE_ERROR, "Could not create the folder '%s': %s", folder,
                            g_strerror(errno));
    }
    return true;
}

bool appliance_write(struct bus_call *call, GVariant **ret, GError **error)
{
    struct appliance *a = call->object;
    g_autofree const char **options = NULL;
    const char *format, *path;

    g_variant_get(call->args, "(&s^a&s&s)", &format, &options, &path);
    int version = strcmp(format, "ovf-0.9") == 0   ? OVF_0_9
                  : strcmp(format, "ovf-1.0") == 0 ? OVF_1_0
                  : strcmp(format, "ovf-2.0") == 0 ? OVF_2_0
                                                   : -1;
    if (version < 0)
        return api_fail(error, VBOX_E_FILE_ERROR, "Invalid format \"%s\" specified", format);
    struct exporting *x = g_new0(struct exporting, 1);
    x->appliance = a;
    x->ovf = ovf_new((enum ovf_version)version);
    x->chains = g_ptr_array_new_with_free_func((GDestroyNotify)g_array_unref);
    x->made = g_ptr_array_new_with_free_func(g_free);
    x->manifest = g_strv_contains(options, "CreateManifest");
    bool ok = prepare(x, path, error);
    for (unsigned k = 0; ok && k < a->machines->len; k++) {
        const struct machine *m = machine_find(a->service, a->machines->pdata[k]);
        ok = m != NULL && m->settings != NULL && m->vm == NULL
                 ? add_system(x, m, a->systems->pdata[k], options, error)
                 : api_fail(error, VBOX_E_INVALID_VM_STATE, "A machine is gone or running");
    }
    if (ok && x->ovf->systems->len == 0)
        ok = api_fail(error, E_INVALIDARG, "There is no machine in the appliance");
    if (!ok) {
        exporting_free(x, true);
        return false;
    }
    a->busy = true;
    x->progress = progress_new(a->service, call->peer, "Exporting appliance");
    x->timer = g_timeout_add(TICK_MS, tick, x);
    *ret = progress_reply(x->progress);
    progress_thread(x->progress, work, done, x);
    return true;
}
