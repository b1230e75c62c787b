/*
 * appliance_read.c - IAppliance: an appliance is read, and what it would become is put into words.
 */
#include <string.h>

#include "main/ovf/ova.h"
#include "main/server/appliance/appliance.h"

#define DESCRIPTOR_BYTES (16u << 20)

static bool read_descriptor(struct appliance *a, const char *path, GError **error)
{
    g_autofree char *text = NULL, *name = NULL;
    gsize size = 0;

    bool ok =
        a->archive ? ova_descriptor(path, &name, &text, &size, error) : g_file_get_contents(path, &text, &size, error);
    if (ok && size > DESCRIPTOR_BYTES)
        ok = api_fail(error, VBOX_E_FILE_ERROR, "The descriptor '%s' is larger than 16 MiB", path);
    a->ovf = ok ? ovf_parse(path, text, size, error) : NULL;
    return a->ovf != NULL || api_wrap(error, VBOX_E_FILE_ERROR);
}

/* The manifest beside a descriptor; an archive's is in it. */
static void read_manifest(struct appliance *a, const char *path)
{
    g_autofree char *stem = g_strndup(path, strlen(path) - strlen(".ovf"));
    g_autofree char *manifest = g_strconcat(stem, ".mf", NULL);

    if (!a->archive)
        g_file_get_contents(manifest, &a->manifest, NULL, NULL);
}

bool appliance_read(struct bus_call *call, GVariant **ret, GError **error)
{
    struct appliance *a = call->object;
    const char *path;

    g_variant_get(call->args, "(&s)", &path);
    g_autofree char *low = g_ascii_strdown(path, -1);
    bool ova = g_str_has_suffix(low, ".ova");
    if (!g_path_is_absolute(path) || (!ova && !g_str_has_suffix(low, ".ovf")))
        return api_fail(error, VBOX_E_FILE_ERROR, "Appliance file must have .ovf or .ova extension: '%s'", path);
    if (!g_file_test(path, G_FILE_TEST_IS_REGULAR))
        return api_fail(error, VBOX_E_FILE_ERROR, "Could not open the appliance '%s' (VERR_FILE_NOT_FOUND)", path);
    g_clear_pointer(&a->ovf, ovf_free);
    g_clear_pointer(&a->manifest, g_free);
    g_ptr_array_set_size(a->systems, 0);
    a->archive = ova;
    if (!read_descriptor(a, path, error))
        return false;
    read_manifest(a, path);
    g_free(a->path);
    a->path = g_strdup(path);
    struct progress *p = progress_new(a->service, call->peer, "Reading appliance");
    progress_end(p, NULL);
    *ret = progress_reply(p);
    return true;
}

/* ---- in words ---- */

static char *unique_name(struct service *s, const char *wanted)
{
    char *name = g_strdup(wanted);

    for (unsigned k = 1; machine_find_name(s, name) != NULL; k++) {
        g_free(name);
        name = g_strdup_printf("%s_%u", wanted, k);
    }
    return name;
}

static void describe_identity(struct appliance *a, GPtrArray *list, const struct ovf_system *s)
{
    g_autofree char *name = unique_name(a->service, s->name);
    g_autofree char *folder = service_machine_folder(a->service);
    g_autofree char *file = service_settings_path(a->service, "", NULL, name);
    const struct guest_type *type = guest_type_find(s->os_type);
    g_autofree char *cim = g_strdup_printf("%u", ovf_os_number(s->os_type));

    description_new(list, "OS", "", cim, type != NULL ? type->id : "Other", "");
    description_new(list, "Name", "", s->name, name, "");
    description_new(list, "PrimaryGroup", "", "", "/", "");
    description_new(list, "SettingsFile", "", "", file, "");
    description_new(list, "BaseFolder", "", "", folder, "");
}

static void describe_texts(GPtrArray *list, const struct ovf_system *s)
{
    const struct {
        const char *type, *text;
    } texts[] = {{"Product", s->product},        {"Vendor", s->vendor},        {"Version", s->version},
                 {"ProductUrl", s->product_url}, {"VendorUrl", s->vendor_url}, {"License", s->license},
                 {"Description", s->description}};

    for (unsigned k = 0; k < G_N_ELEMENTS(texts); k++)
        if (texts[k].text != NULL)
            description_new(list, texts[k].type, "", texts[k].text, texts[k].text, "");
}

static void describe_numbers(struct appliance *a, GPtrArray *list, const struct ovf_system *s)
{
    const struct guest_type *type = guest_type_find(description_value(list, "OS"));
    uint32_t cpus = MIN(s->cpus, 64), mib = s->memory_mib != 0 ? s->memory_mib : type != NULL ? type->ram_mib : 128;
    g_autofree char *original_cpus = g_strdup_printf("%u", s->cpus), *cpu_text = g_strdup_printf("%u", cpus);
    g_autofree char *memory = g_strdup_printf("%u", MAX(mib, 4));

    if (cpus != s->cpus)
        g_ptr_array_add(a->warnings, g_strdup_printf("The virtual system \"%s\" claims support for %u CPU's, but "
                                                     "VirtualBox has support for max 64 CPU's only.",
                                                     s->name, s->cpus));
    description_new(list, "CPU", "", original_cpus, cpu_text, "");
    description_new(list, "Memory", "", memory, memory, "");
}

static const char *const attachments[] = {"NAT", "Bridged", "Internal", "HostOnly", "Generic", "NATNetwork", "Null"};

static void describe_adapter(GPtrArray *list, const struct ovf_item *i, unsigned slot)
{
    const struct guest_type *type = guest_type_find(description_value(list, "OS"));
    const char *adapter = strcmp(i->subtype, "e1000") == 0     ? "I82545EM"
                          : strcmp(i->subtype, "pcnet32") == 0 ? "Am79C973"
                          : strcmp(i->subtype, "virtio") == 0  ? "Virtio"
                          : type != NULL                       ? type->adapter
                                                               : "I82540EM";
    const char *network = i->network != NULL ? i->network : "NAT", *kind = NULL;

    for (unsigned k = 0; k < G_N_ELEMENTS(attachments); k++)
        if (g_ascii_strcasecmp(attachments[k], network) == 0)
            kind = attachments[k];
    g_autofree char *number = g_strdup_printf("%d", api_enum_value("NetworkAdapterType", adapter));
    g_autofree char *extra = g_strdup_printf("slot=%u;type=%s", slot, kind != NULL ? kind : "Bridged");
    description_new(list, "NetworkAdapter", "", network, number, extra)->item = i;
}

static void describe_devices(GPtrArray *list, const struct ovf_system *s)
{
    static const struct {
        enum ovf_kind kind;
        const char *type;
    } singles[] = {{OVF_SOUND, "SoundCard"}, {OVF_USB, "USBController"}};
    unsigned slot = 0;

    for (unsigned k = 0; k < G_N_ELEMENTS(singles); k++)
        for (unsigned n = 0; n < s->items->len; n++) {
            const struct ovf_item *i = s->items->pdata[n];
            if (i->kind != singles[k].kind || description_find(list, singles[k].type) != NULL)
                continue;
            description_new(list, singles[k].type, "", i->subtype, "", "")->item = i;
        }
    for (unsigned n = 0; n < s->items->len; n++)
        if (((const struct ovf_item *)s->items->pdata[n])->kind == OVF_ETHERNET)
            describe_adapter(list, s->items->pdata[n], slot++);
}

static const char *controller_type(enum ovf_kind kind, const char *subtype)
{
    static const char *const types[][2] = {
        {"piix3", "PIIX3"},          {"ich6", "ICH6"},         {"ahci", "AHCI"},
        {"lsilogic", "LsiLogic"},    {"buslogic", "BusLogic"}, {"lsilogicsas", "LsiLogicSas"},
        {"virtioscsi", "VirtioSCSI"}};

    for (unsigned k = 0; k < G_N_ELEMENTS(types); k++)
        if (strcmp(types[k][0], subtype) == 0)
            return types[k][1];
    return kind == OVF_IDE ? "PIIX4" : kind == OVF_SATA ? "AHCI" : "LsiLogic";
}

static void describe_controllers(GPtrArray *list, const struct ovf_system *s)
{
    for (unsigned n = 0; n < s->items->len; n++) {
        const struct ovf_item *i = s->items->pdata[n];
        const char *chip = controller_type(i->kind, i->subtype);
        const char *type = i->kind == OVF_IDE    ? "HardDiskControllerIDE"
                           : i->kind == OVF_SATA ? "HardDiskControllerSATA"
                           : i->kind == OVF_SCSI ? "HardDiskControllerSCSI"
                                                 : NULL;
        if (type != NULL && strcmp(chip, "LsiLogicSas") == 0)
            type = "HardDiskControllerSAS";
        else if (type != NULL && strcmp(chip, "VirtioSCSI") == 0)
            type = "HardDiskControllerVirtioSCSI";
        bool second_ide = i->kind == OVF_IDE && description_find(list, type) != NULL; /* the other channel of one */
        if (type == NULL || second_ide)
            continue;
        g_autofree char *instance = g_strdup_printf("%u", i->instance);
        description_new(list, type, instance, i->subtype, chip, "")->item = i;
    }
}

/* Which description is the controller of a disk, and the disk's port there. */
static unsigned controller_of(const GPtrArray *list, const struct ovf_system *s, const struct ovf_item *disk,
                              unsigned *ret_port)
{
    const struct ovf_item *parent = NULL;

    for (unsigned n = 0; n < s->items->len && parent == NULL; n++)
        if (((const struct ovf_item *)s->items->pdata[n])->instance == disk->parent)
            parent = s->items->pdata[n];
    bool ide = parent != NULL && parent->kind == OVF_IDE;
    *ret_port = ide ? parent->address % 2 * 2 + disk->address % 2 : disk->address;
    for (unsigned k = 0; k < list->len; k++) {
        const struct description *d = list->pdata[k];
        bool same = d->item == parent || (ide && strcmp(d->type, "HardDiskControllerIDE") == 0);
        if (parent != NULL && d->item != NULL && same)
            return k;
    }
    return 0;
}

static void describe_disks(GPtrArray *list, const struct ovf_system *s)
{
    g_autofree char *folder = g_path_get_dirname(description_value(list, "SettingsFile"));

    for (unsigned n = 0; n < s->items->len; n++) {
        const struct ovf_item *i = s->items->pdata[n];
        if (i->kind != OVF_HARD_DISK)
            continue;
        unsigned port, controller = controller_of(list, s, i, &port);
        g_autofree char *target = g_build_filename(folder, i->disk->file, NULL);
        g_autofree char *extra = g_strdup_printf("controller=%u;port=%u", controller, port);
        description_new(list, "HardDiskImage", i->disk->id, i->disk->file, target, extra)->item = i;
    }
}

static void describe_drives(GPtrArray *list, const struct ovf_system *s)
{
    for (unsigned n = 0; n < s->items->len; n++) {
        const struct ovf_item *i = s->items->pdata[n];
        const char *type = i->kind == OVF_FLOPPY ? "Floppy" : i->kind == OVF_CD || i->kind == OVF_DVD ? "CDROM" : NULL;
        if (type != NULL && description_find(list, type) == NULL)
            description_new(list, type, "", "", "", "")->item = i;
    }
}

bool appliance_interpret(struct bus_call *call, GVariant **ret, GError **error)
{
    struct appliance *a = call->object;

    (void)ret;
    if (a->ovf == NULL)
        return api_fail(error, E_FAIL,
                        "Cannot interpret appliance without reading it first (call read() before "
                        "interpret())");
    g_ptr_array_set_size(a->systems, 0);
    g_ptr_array_set_size(a->warnings, 0);
    for (unsigned k = 0; k < a->ovf->systems->len; k++) {
        const struct ovf_system *s = a->ovf->systems->pdata[k];
        GPtrArray *list = description_list_new();
        g_ptr_array_add(a->systems, list);
        describe_identity(a, list, s);
        describe_texts(list, s);
        describe_numbers(a, list, s);
        describe_devices(list, s);
        describe_drives(list, s);
        describe_controllers(list, s);
        describe_disks(list, s);
    }
    return true;
}
