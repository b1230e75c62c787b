/*
 * ovf_write.c - an appliance as text: OVF 1.0 and 2.0 (0.9 is written as 1.0 with its version); see ovf.h.
 */
#include <stdlib.h>
#include <string.h>

#include "main/ovf/ovf.h"
#include "main/settings/xml.h"

static void put(struct xml_doc *doc, struct xml_node *parent, const char *name, const char *text)
{
    if (text != NULL)
        xml_set_text(doc, xml_add(doc, parent, name), text);
}

static struct xml_node *section(struct xml_doc *doc, struct xml_node *parent, const char *name, const char *info)
{
    struct xml_node *n = xml_add(doc, parent, name);

    put(doc, n, "Info", info);
    return n;
}

/* ---- references, disks, networks ---- */

static void write_files(struct xml_doc *doc, struct xml_node *root, const struct ovf *o)
{
    struct xml_node *references = xml_add(doc, root, "References");

    for (unsigned k = 0; k < o->disks->len; k++) {
        const struct ovf_disk *d = o->disks->pdata[k];
        g_autofree char *id = g_strdup_printf("file%u", k + 1);
        struct xml_node *file = xml_add(doc, references, "File");
        xml_set(doc, file, "ovf:id", id);
        xml_set(doc, file, "ovf:href", d->file);
    }
}

static void write_disks(struct xml_doc *doc, struct xml_node *root, const struct ovf *o)
{
    struct xml_node *disks = section(doc, root, "DiskSection", "List of the virtual disks used in the package");

    for (unsigned k = 0; k < o->disks->len; k++) {
        const struct ovf_disk *d = o->disks->pdata[k];
        g_autofree char *file = g_strdup_printf("file%u", k + 1);
        g_autofree char *capacity = g_strdup_printf("%" G_GINT64_FORMAT, d->capacity_bytes);
        struct xml_node *n = xml_add(doc, disks, "Disk");
        xml_set(doc, n, "ovf:capacity", capacity);
        xml_set(doc, n, "ovf:diskId", d->id);
        xml_set(doc, n, "ovf:fileRef", file);
        xml_set(doc, n, "ovf:format", d->format);
        if (d->uuid != NULL)
            xml_set(doc, n, "vbox:uuid", d->uuid);
    }
}

static void write_networks(struct xml_doc *doc, struct xml_node *root, const struct ovf *o)
{
    struct xml_node *networks = section(doc, root, "NetworkSection", "Logical networks used in the package");
    g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);

    for (unsigned k = 0; k < o->systems->len; k++) {
        const struct ovf_system *s = o->systems->pdata[k];
        for (unsigned n = 0; n < s->items->len; n++) {
            const struct ovf_item *i = s->items->pdata[n];
            if (i->kind != OVF_ETHERNET || i->network == NULL || !g_hash_table_add(seen, i->network))
                continue;
            struct xml_node *one = xml_add(doc, networks, "Network");
            xml_set(doc, one, "ovf:name", i->network);
            put(doc, one, "Description", "Logical network used by this appliance.");
        }
    }
}

/* ---- hardware ---- */

/* OVF 2.0 has names of their own for adapters' and drives' items. */
struct item_names {
    const char *element, *prefix;
};

static struct item_names names_of(const struct ovf *o, enum ovf_kind kind)
{
    bool storage = kind == OVF_CD || kind == OVF_DVD || kind == OVF_HARD_DISK || kind == OVF_FLOPPY;

    if (o->version == OVF_2_0 && kind == OVF_ETHERNET)
        return (struct item_names){"EthernetPortItem", "epasd:"};
    if (o->version == OVF_2_0 && storage)
        return (struct item_names){"StorageItem", "sasd:"};
    return (struct item_names){"Item", "rasd:"};
}

struct row {
    const char *name, *text;
};

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct row *)a)->name, ((const struct row *)b)->name);
}

/* Children in the order of their names, as the schema wants them. */
static void write_rows(struct xml_doc *doc, struct xml_node *n, const char *prefix, struct row *rows, unsigned count)
{
    qsort(rows, count, sizeof rows[0], by_name);
    for (unsigned k = 0; k < count; k++) {
        g_autofree char *name = g_strconcat(prefix, rows[k].name, NULL);
        put(doc, n, name, rows[k].text);
    }
}

static const char *const caption_of[] = {[OVF_IDE] = "ideController", [OVF_SCSI] = "scsiController",
                                         [OVF_ETHERNET] = "Ethernet", [OVF_FLOPPY] = "floppy",
                                         [OVF_CD] = "cdrom",          [OVF_DVD] = "cdrom",
                                         [OVF_HARD_DISK] = "disk",    [OVF_SATA] = "sataController",
                                         [OVF_USB] = "usb",           [OVF_SOUND] = "sound"};
static const char *const subtype_of[][2] = {
    {"piix3", "PIIX3"},       {"piix4", "PIIX4"},           {"ich6", "ICH6"},
    {"ahci", "AHCI"},         {"lsilogic", "lsilogic"},     {"lsilogicsas", "lsilogicsas"},
    {"buslogic", "buslogic"}, {"virtioscsi", "VirtioSCSI"}, {"e1000", "E1000"},
    {"pcnet32", "PCNet32"},   {"virtio", "virtio"},         {"hda", "ensoniq1371"}};

static const char *spelled(const char *subtype)
{
    for (unsigned k = 0; k < G_N_ELEMENTS(subtype_of); k++)
        if (strcmp(subtype_of[k][0], subtype) == 0)
            return subtype_of[k][1];
    return subtype;
}

static void write_item(struct xml_doc *doc, struct xml_node *hardware, const struct ovf *o, const struct ovf_item *i)
{
    struct item_names names = names_of(o, i->kind);
    bool child = i->kind == OVF_HARD_DISK || i->kind == OVF_CD || i->kind == OVF_DVD || i->kind == OVF_FLOPPY;
    bool controller = i->kind == OVF_IDE || i->kind == OVF_SCSI || i->kind == OVF_SATA;
    g_autofree char *kind = g_strdup_printf("%u", i->kind), *instance = g_strdup_printf("%u", i->instance);
    g_autofree char *address = g_strdup_printf("%u", i->address), *parent = g_strdup_printf("%u", i->parent);
    g_autofree char *caption = g_strdup_printf("%s%u", caption_of[i->kind], i->instance);
    g_autofree char *resource = i->disk != NULL ? g_strconcat("/disk/", i->disk->id, NULL) : NULL;
    struct row rows[] = {{"InstanceID", instance},
                         {"ResourceType", kind},
                         {"ElementName", caption},
                         {"Caption", caption},
                         {"ResourceSubType", *i->subtype != '\0' ? spelled(i->subtype) : NULL},
                         {"Address", controller ? address : NULL},
                         {"AddressOnParent", child ? address : NULL},
                         {"Parent", child && i->parent != 0 ? parent : NULL},
                         {"HostResource", resource},
                         {"Connection", i->kind == OVF_ETHERNET ? i->network : NULL},
                         {"AutomaticAllocation", i->kind == OVF_ETHERNET || child ? "true" : NULL}};

    write_rows(doc, xml_add(doc, hardware, names.element), names.prefix, rows, G_N_ELEMENTS(rows));
}

static void write_quantity(struct xml_doc *doc, struct xml_node *hardware, enum ovf_kind kind, uint32_t instance,
                           uint32_t count)
{
    bool memory = kind == OVF_MEMORY;
    g_autofree char *caption = g_strdup_printf(memory ? "%u MB of memory" : "%u virtual CPU", count);
    g_autofree char *id = g_strdup_printf("%u", instance), *quantity = g_strdup_printf("%u", count);
    struct row rows[] = {{"AllocationUnits", memory ? "byte * 2^20" : NULL},
                         {"Caption", caption},
                         {"ElementName", caption},
                         {"Description", memory ? "Memory Size" : "Number of virtual CPUs"},
                         {"InstanceID", id},
                         {"ResourceType", memory ? "4" : "3"},
                         {"VirtualQuantity", quantity}};

    write_rows(doc, xml_add(doc, hardware, "Item"), "rasd:", rows, G_N_ELEMENTS(rows));
}

static void write_hardware(struct xml_doc *doc, struct xml_node *n, const struct ovf *o, const struct ovf_system *s)
{
    struct xml_node *hardware =
        section(doc, n, "VirtualHardwareSection", "Virtual hardware requirements for a virtual machine");
    struct xml_node *system = xml_add(doc, hardware, "System");
    uint32_t last = 0;

    put(doc, system, "vssd:ElementName", "Virtual Hardware Family");
    put(doc, system, "vssd:InstanceID", "0");
    put(doc, system, "vssd:VirtualSystemIdentifier", s->name);
    put(doc, system, "vssd:VirtualSystemType", "virtualbox-2.2");
    for (unsigned k = 0; k < s->items->len; k++)
        last = MAX(last, ((const struct ovf_item *)s->items->pdata[k])->instance);
    write_quantity(doc, hardware, OVF_CPU, last + 1, s->cpus);
    write_quantity(doc, hardware, OVF_MEMORY, last + 2, s->memory_mib);
    for (unsigned k = 0; k < s->items->len; k++)
        write_item(doc, hardware, o, s->items->pdata[k]);
}

/* ---- systems ---- */

static void write_os(struct xml_doc *doc, struct xml_node *n, const struct ovf_system *s)
{
    struct xml_node *os = section(doc, n, "OperatingSystemSection", "The kind of installed guest operating system");
    g_autofree char *id = g_strdup_printf("%u", ovf_os_number(s->os_type));

    xml_set(doc, os, "ovf:id", id);
    put(doc, os, "Description", s->os_type);
    put(doc, os, "vbox:OSType", s->os_type);
    xml_set(doc, xml_child(os, "vbox:OSType"), "ovf:required", "false");
}

static void write_product(struct xml_doc *doc, struct xml_node *n, const struct ovf_system *s)
{
    if (s->product == NULL && s->vendor == NULL && s->version == NULL && s->product_url == NULL &&
        s->vendor_url == NULL)
        return;
    struct xml_node *product = section(doc, n, "ProductSection", "Meta-information about the installed software");
    put(doc, product, "Product", s->product);
    put(doc, product, "Vendor", s->vendor);
    put(doc, product, "Version", s->version);
    put(doc, product, "ProductUrl", s->product_url);
    put(doc, product, "VendorUrl", s->vendor_url);
}

/* The settings file, as VirtualBox embeds it. @ret_settings must outlive @doc: the text refers to it. */
static void write_machine(struct xml_doc *doc, struct xml_node *n, const struct ovf_system *s,
                          struct xml_doc **ret_settings)
{
    struct xml_doc *settings = xml_parse("settings", s->machine_text, strlen(s->machine_text), NULL);
    const struct xml_node *machine = settings != NULL ? xml_child(xml_root(settings), "Machine") : NULL;

    *ret_settings = settings;
    if (machine == NULL)
        return;
    struct xml_node *copy = section(doc, n, "vbox:Machine", NULL);
    xml_set(doc, copy, "ovf:required", "false");
    xml_set(doc, copy, "version", xml_get(xml_root(settings), "version"));
    for (unsigned k = 0; k < machine->n_attrs; k++)
        xml_set(doc, copy, machine->attrs[k].name, machine->attrs[k].value);
    put(doc, copy, "ovf:Info", "Complete VirtualBox machine configuration in VirtualBox format");
    for (struct xml_node *c = machine->first; c != NULL; c = c->next)
        xml_append(copy, xml_alias(doc, c));
}

static void write_system(struct xml_doc *doc, struct xml_node *parent, const struct ovf *o, const struct ovf_system *s,
                         struct xml_doc **ret_settings)
{
    struct xml_node *n = xml_add(doc, parent, "VirtualSystem");

    xml_set(doc, n, "ovf:id", s->name);
    put(doc, n, "Info", "A virtual machine");
    write_product(doc, n, s);
    if (s->description != NULL)
        put(doc, section(doc, n, "AnnotationSection", "A human-readable annotation"), "Annotation", s->description);
    if (s->license != NULL)
        put(doc, section(doc, n, "EulaSection", "License agreement for the virtual system"), "License", s->license);
    write_os(doc, n, s);
    write_hardware(doc, n, o, s);
    if (s->machine_text != NULL)
        write_machine(doc, n, s, ret_settings);
}

char *ovf_text(const struct ovf *o)
{
    static const struct {
        const char *version, *ovf, *prefix;
    } versions[] = {[OVF_0_9] = {"0.9", "http://www.vmware.com/schema/ovf/1/envelope", "0.9"},
                    [OVF_1_0] = {"1.0", "http://schemas.dmtf.org/ovf/envelope/1", "1.0"},
                    [OVF_2_0] = {"2.0", "http://schemas.dmtf.org/ovf/envelope/2", "2.0"}};
    static const char cim[] = "http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_";
    const char *names[][2] = {{"vssd", "VirtualSystemSettingData"},
                              {"rasd", "ResourceAllocationSettingData"},
                              {"epasd", "EthernetPortAllocationSettingData.xsd"},
                              {"sasd", "StorageAllocationSettingData.xsd"}};
    struct xml_doc *doc = xml_new("Envelope");
    struct xml_node *root = xml_root(doc);
    g_autoptr(GPtrArray) settings = g_ptr_array_new_with_free_func((GDestroyNotify)xml_unref);

    xml_set(doc, root, "ovf:version", versions[o->version].version);
    xml_set(doc, root, "xml:lang", "en-US");
    xml_set(doc, root, "xmlns", versions[o->version].ovf);
    xml_set(doc, root, "xmlns:ovf", versions[o->version].ovf);
    for (unsigned k = 0; k < (o->version == OVF_2_0 ? 4u : 2u); k++) {
        g_autofree char *prefix = g_strconcat("xmlns:", names[k][0], NULL), *uri = g_strconcat(cim, names[k][1], NULL);
        xml_set(doc, root, prefix, uri);
    }
    xml_set(doc, root, "xmlns:xsi", "http://www.w3.org/2001/XMLSchema-instance");
    xml_set(doc, root, "xmlns:vbox", "http://www.virtualbox.org/ovf/machine");
    write_files(doc, root, o);
    write_disks(doc, root, o);
    write_networks(doc, root, o);
    struct xml_node *parent = root;
    if (o->systems->len > 1) {
        parent = xml_add(doc, root, "VirtualSystemCollection");
        xml_set(doc, parent, "ovf:id", "ExportedVirtualBoxMachines");
        put(doc, parent, "Info", "A collection of virtual machines");
    }
    for (unsigned k = 0; k < o->systems->len; k++) {
        struct xml_doc *one = NULL;
        write_system(doc, parent, o, o->systems->pdata[k], &one);
        if (one != NULL)
            g_ptr_array_add(settings, one);
    }
    char *text = xml_text(doc, NULL);
    xml_unref(doc);
    return text;
}
