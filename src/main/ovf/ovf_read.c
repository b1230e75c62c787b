/*
 * ovf_read.c - the descriptor of an appliance, checked; see ovf.h.
 *
 * The text is hostile: main/settings/xml.h bounds its size and refuses document types and entities; here counts,
 * numbers, depth, names of files and references are checked. Nothing recurses.
 */
#include <string.h>

#include "main/ovf/ovf.h"
#include "main/settings/xml.h"

enum { DEPTH_MAX = 64, DISKS_MAX = 256, SYSTEMS_MAX = 32, ITEMS_MAX = 512, CPUS_MAX = 1024, MEMORY_MAX_MIB = 2097152 };
#define CAPACITY_MAX (INT64_C(1) << 60)

struct reader {
    const char *path;
    struct ovf *ovf;
    const struct xml_node *envelope;
};

static bool fail(const struct reader *r, const struct xml_node *n, GError **error, const char *fmt, ...)
    G_GNUC_PRINTF(4, 5);
static bool fail(const struct reader *r, const struct xml_node *n, GError **error, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    g_autofree char *text = g_strdup_vprintf(fmt, args);
    va_end(args);
    g_set_error(error, OVF_ERROR, 0, "Error reading \"%s\": %s, line %u", r->path, text, n != NULL ? n->line : 0);
    return false;
}

/* ---- names without prefix ---- */

static const char *local(const char *name)
{
    const char *colon = strrchr(name, ':');

    return colon != NULL ? colon + 1 : name;
}

static bool is(const struct xml_node *n, const char *name)
{
    return strcmp(local(n->name), name) == 0;
}

static const struct xml_node *next_named(const struct xml_node *n, const char *name)
{
    while (n != NULL && !is(n, name))
        n = n->next;
    return n;
}

static const struct xml_node *child(const struct xml_node *n, const char *name)
{
    return n != NULL ? next_named(n->first, name) : NULL;
}

static const char *attr(const struct xml_node *n, const char *name)
{
    for (unsigned k = 0; n != NULL && k < n->n_attrs; k++)
        if (strcmp(local(n->attrs[k].name), name) == 0)
            return n->attrs[k].value;
    return NULL;
}

static const char *text_of(const struct xml_node *n)
{
    return n != NULL && n->text != NULL ? n->text : "";
}

/* Text of a child element; NULL when there is none or it is empty. g_free */
static char *child_text(const struct xml_node *n, const char *name)
{
    g_autofree char *text = g_strdup(text_of(child(n, name)));

    g_strstrip(text);
    return *text != '\0' ? g_steal_pointer(&text) : NULL;
}

static bool number(const char *text, uint64_t max, uint64_t *ret)
{
    char *end;

    if (text == NULL)
        return false;
    while (g_ascii_isspace(*text))
        text++;
    if (!g_ascii_isdigit(*text))
        return false;
    *ret = g_ascii_strtoull(text, &end, 10);
    while (g_ascii_isspace(*end))
        end++;
    return *end == '\0' && *ret <= max;
}

static uint32_t child_u32(const struct xml_node *n, const char *name, uint32_t usual)
{
    uint64_t val;

    return number(text_of(child(n, name)), UINT32_MAX, &val) ? (uint32_t)val : usual;
}

/* ---- disks ---- */

/* "byte * 2^30", "MegaBytes": how many bytes a unit has; 0: unknown */
static uint64_t unit_bytes(const char *text)
{
    static const struct {
        const char *name;
        unsigned shift;
    } names[] = {{"byte", 0}, {"bytes", 0}, {"kilobytes", 10}, {"megabytes", 20}, {"mb", 20}, {"gigabytes", 30}};
    g_autofree char *low = g_ascii_strdown(text, -1);
    const char *power = strstr(low, "2^");
    uint64_t shift;

    g_strstrip(low);
    if (power != NULL)
        return number(power + 2, 50, &shift) ? UINT64_C(1) << shift : 0;
    for (unsigned k = 0; k < G_N_ELEMENTS(names); k++)
        if (strcmp(names[k].name, low) == 0)
            return UINT64_C(1) << names[k].shift;
    return 0;
}

static const char *file_named(const struct reader *r, const char *id)
{
    const struct xml_node *files = child(r->envelope, "References");

    for (const struct xml_node *f = child(files, "File"); f != NULL; f = next_named(f->next, "File"))
        if (g_strcmp0(attr(f, "id"), id) == 0)
            return attr(f, "href");
    return NULL;
}

static struct ovf_disk *disk_named(const struct reader *r, const char *id)
{
    for (unsigned k = 0; k < r->ovf->disks->len; k++) {
        struct ovf_disk *d = r->ovf->disks->pdata[k];
        if (strcmp(d->id, id) == 0)
            return d;
    }
    return NULL;
}

static bool read_disk(struct reader *r, const struct xml_node *n, GError **error)
{
    const char *id = attr(n, "diskId"), *file = attr(n, "fileRef"), *units = attr(n, "capacityAllocationUnits");
    uint64_t unit = units != NULL ? unit_bytes(units) : 1, capacity, populated;

    if (id == NULL || disk_named(r, id) != NULL)
        return fail(r, n, error, "a disk without identifier, or with one that is taken");
    if (r->ovf->disks->len >= DISKS_MAX)
        return fail(r, n, error, "more than %d disks", DISKS_MAX);
    const char *href = file != NULL ? file_named(r, file) : NULL;
    if (href == NULL)
        return fail(r, n, error, "disk '%s' has no file", id);
    if (!ovf_plain_name(href))
        return fail(r, n, error, "'%s' is not a plain file name", href);
    if (!number(attr(n, "capacity"), (uint64_t)CAPACITY_MAX, &capacity) || unit == 0 ||
        capacity > (uint64_t)CAPACITY_MAX / unit)
        return fail(r, n, error, "disk '%s' has no valid capacity", id);
    struct ovf_disk *d = ovf_disk_new(r->ovf, id, href);
    d->capacity_bytes = (int64_t)(capacity * unit);
    if (number(attr(n, "populatedSize"), (uint64_t)CAPACITY_MAX, &populated))
        d->populated_bytes = (int64_t)populated;
    d->format = g_strdup(attr(n, "format") != NULL ? attr(n, "format") : "");
    d->uuid = g_strdup(attr(n, "uuid"));
    return true;
}

static bool read_disks(struct reader *r, GError **error)
{
    const struct xml_node *section = child(r->envelope, "DiskSection");

    for (const struct xml_node *s = section != NULL ? section : child(r->envelope, "Section"); s != NULL;
         s = section != NULL ? NULL : next_named(s->next, "Section")) /* 0.9: any section with disks */
        for (const struct xml_node *n = child(s, "Disk"); n != NULL; n = next_named(n->next, "Disk"))
            if (!read_disk(r, n, error))
                return false;
    return true;
}

/* ---- hardware ---- */

static bool known_kind(uint32_t kind)
{
    static const uint32_t kinds[] = {OVF_IDE, OVF_SCSI,      OVF_ETHERNET, OVF_FLOPPY, OVF_CD,
                                     OVF_DVD, OVF_HARD_DISK, OVF_SATA,     OVF_USB,    OVF_SOUND};

    for (unsigned k = 0; k < G_N_ELEMENTS(kinds); k++)
        if (kinds[k] == kind)
            return true;
    return false;
}

/* "ovf:/disk/vmdisk1", "/disk/vmdisk1", 0.9: "disk/vmdisk1" */
static struct ovf_disk *disk_of(const struct reader *r, const struct xml_node *n)
{
    const char *resource = text_of(child(n, "HostResource"));
    const char *at = strstr(resource, "disk/");

    return at != NULL ? disk_named(r, at + strlen("disk/")) : NULL;
}

static bool read_memory(const struct reader *r, const struct xml_node *n, struct ovf_system *s, GError **error)
{
    g_autofree char *units = child_text(n, "AllocationUnits");
    uint64_t count, unit = units != NULL ? unit_bytes(units) : 1 << 20;

    if (!number(text_of(child(n, "VirtualQuantity")), (uint64_t)CAPACITY_MAX, &count) || unit == 0 ||
        count > (uint64_t)CAPACITY_MAX / unit || count * unit >> 20 > MEMORY_MAX_MIB)
        return fail(r, n, error, "invalid memory size");
    s->memory_mib = (uint32_t)(count * unit >> 20);
    return true;
}

static bool read_item(struct reader *r, const struct xml_node *n, struct ovf_system *s, GError **error)
{
    uint32_t kind = child_u32(n, "ResourceType", 0);
    g_autofree char *subtype = child_text(n, "ResourceSubType");

    if (kind == OVF_MEMORY)
        return read_memory(r, n, s, error);
    if (kind == OVF_CPU) {
        s->cpus = child_u32(n, "VirtualQuantity", 1);
        return (s->cpus > 0 && s->cpus <= CPUS_MAX) || fail(r, n, error, "invalid number of CPUs");
    }
    if (!known_kind(kind))
        return true; /* what we have not is left out */
    if (s->items->len >= ITEMS_MAX)
        return fail(r, n, error, "more than %d items", ITEMS_MAX);
    struct ovf_item *i = ovf_item_new(s, (enum ovf_kind)kind);
    i->instance = child_u32(n, "InstanceID", child_u32(n, "InstanceId", 0));
    i->parent = child_u32(n, "Parent", 0);
    i->address = child_u32(n, "AddressOnParent", child_u32(n, "Address", 0));
    g_free(i->subtype);
    i->subtype = g_ascii_strdown(subtype != NULL ? subtype : "", -1);
    i->network = child_text(n, "Connection");
    i->disk = kind == OVF_HARD_DISK ? disk_of(r, n) : NULL;
    if (kind == OVF_HARD_DISK && i->disk == NULL)
        return fail(r, n, error, "item %u is a hard disk that is not in the appliance", i->instance);
    return true;
}

static struct ovf_item *item_numbered(const struct ovf_system *s, uint32_t instance)
{
    for (unsigned k = 0; k < s->items->len; k++) {
        struct ovf_item *i = s->items->pdata[k];
        if (i->instance == instance)
            return i;
    }
    return NULL;
}

static bool check_parents(const struct reader *r, const struct xml_node *n, const struct ovf_system *s, GError **error)
{
    for (unsigned k = 0; k < s->items->len; k++) {
        const struct ovf_item *i = s->items->pdata[k];
        if (i->kind != OVF_HARD_DISK)
            continue;
        const struct ovf_item *parent = item_numbered(s, i->parent);
        if (parent == NULL || (parent->kind != OVF_IDE && parent->kind != OVF_SCSI && parent->kind != OVF_SATA))
            return fail(r, n, error, "hard disk %u is on a controller that is not there", i->instance);
    }
    return true;
}

static bool read_hardware(struct reader *r, const struct xml_node *section, struct ovf_system *s, GError **error)
{
    for (const struct xml_node *n = section->first; n != NULL; n = n->next) {
        bool item = is(n, "Item") || is(n, "StorageItem") || is(n, "EthernetPortItem");
        if (item && !read_item(r, n, s, error))
            return false;
    }
    return check_parents(r, section, s, error);
}

/* ---- virtual systems ---- */

static void read_product(const struct xml_node *n, struct ovf_system *s)
{
    s->product = child_text(n, "Product");
    s->product_url = child_text(n, "ProductUrl");
    s->vendor = child_text(n, "Vendor");
    s->vendor_url = child_text(n, "VendorUrl");
    s->version = child_text(n, "Version");
}

static void read_os(const struct xml_node *n, struct ovf_system *s)
{
    g_autofree char *own = child_text(n, "OSType"), *description = child_text(n, "Description");
    uint64_t cim = 1;

    number(attr(n, "id"), 65535, &cim);
    bool wide = description != NULL && strstr(description, "64") != NULL;
    g_free(s->os_type);
    s->os_type = own != NULL ? g_steal_pointer(&own) : g_strdup(ovf_os_type((unsigned)cim, wide));
}

/* What VirtualBox put in: the settings as a file of their own. */
static char *machine_text(const struct xml_node *n)
{
    static const char *const drop[] = {"required", "version", NULL};
    struct xml_doc *doc = xml_new("VirtualBox");
    struct xml_node *root = xml_root(doc), *machine = xml_add(doc, root, "Machine");
    const char *version = attr(n, "version");

    xml_set(doc, root, "version", version != NULL ? version : "1.15-linux");
    for (unsigned k = 0; k < n->n_attrs; k++)
        if (!g_strv_contains(drop, local(n->attrs[k].name)) && !g_str_has_prefix(n->attrs[k].name, "xmlns"))
            xml_set(doc, machine, local(n->attrs[k].name), n->attrs[k].value);
    for (const struct xml_node *c = n->first; c != NULL; c = c->next)
        if (!is(c, "Info"))
            xml_append(machine, xml_alias(doc, c));
    char *text = xml_text(doc, NULL);
    xml_unref(doc);
    return text;
}

static bool read_system(struct reader *r, const struct xml_node *n, GError **error)
{
    const char *id = attr(n, "id");

    if (r->ovf->systems->len >= SYSTEMS_MAX)
        return fail(r, n, error, "more than %d virtual systems", SYSTEMS_MAX);
    if (id == NULL || *id == '\0')
        return fail(r, n, error, "a virtual system without name");
    struct ovf_system *s = ovf_system_new(r->ovf, id);
    s->os_type = g_strdup("Other");
    for (const struct xml_node *c = n->first; c != NULL; c = c->next) {
        const char *type = attr(c, "type"); /* 0.9: <Section xsi:type="ovf:VirtualHardwareSection_Type"> */
        g_autofree char *name = g_strdup(is(c, "Section") && type != NULL ? local(type) : local(c->name));
        if (g_str_has_suffix(name, "_Type"))
            name[strlen(name) - 5] = '\0';
        if (strcmp(name, "VirtualHardwareSection") == 0 && !read_hardware(r, c, s, error))
            return false;
        if (strcmp(name, "OperatingSystemSection") == 0)
            read_os(c, s);
        else if (strcmp(name, "ProductSection") == 0 && s->product == NULL)
            read_product(c, s);
        else if (strcmp(name, "EulaSection") == 0 && s->license == NULL)
            s->license = child_text(c, "License");
        else if (strcmp(name, "AnnotationSection") == 0 && s->description == NULL)
            s->description = child_text(c, "Annotation");
        else if (strcmp(name, "Machine") == 0 && s->machine_text == NULL)
            s->machine_text = machine_text(c);
    }
    return true;
}

/* The system, or the systems of a collection; collections in collections are left out. */
static bool read_systems(struct reader *r, const struct xml_node *parent, GError **error)
{
    for (const struct xml_node *n = parent->first; n != NULL; n = n->next) {
        bool system = is(n, "VirtualSystem") || (is(n, "Content") && attr(n, "type") != NULL &&
                                                 strcmp(local(attr(n, "type")), "VirtualSystem_Type") == 0);
        if (system && !read_system(r, n, error))
            return false;
        if (is(n, "VirtualSystemCollection") && parent == r->envelope && !read_systems(r, n, error))
            return false;
    }
    return true;
}

static bool check_depth(const struct reader *r, GError **error)
{
    const struct xml_node *n = r->envelope;
    unsigned depth = 1;

    while (n != NULL) {
        if (depth > DEPTH_MAX)
            return fail(r, n, error, "more than %d levels", DEPTH_MAX);
        if (n->first != NULL) {
            n = n->first;
            depth++;
            continue;
        }
        while (n != NULL && n->next == NULL) {
            n = n != r->envelope ? n->parent : NULL;
            depth--;
        }
        n = n != NULL ? n->next : NULL;
    }
    return true;
}

static enum ovf_version version_of(const struct xml_node *envelope)
{
    const char *version = attr(envelope, "version");

    if (version == NULL)
        return OVF_1_0;
    return *version == '2' ? OVF_2_0 : *version == '0' ? OVF_0_9 : OVF_1_0;
}

struct ovf *ovf_parse(const char *path, const void *bytes, size_t size, GError **error)
{
    struct xml_doc *doc = xml_parse(path, bytes, size, error);
    struct reader r = {.path = path};

    if (doc == NULL)
        return NULL;
    r.envelope = xml_root(doc);
    r.ovf = ovf_new(version_of(r.envelope));
    bool ok = is(r.envelope, "Envelope") || fail(&r, r.envelope, error, "it is no OVF envelope");
    ok = ok && check_depth(&r, error) && read_disks(&r, error) && read_systems(&r, r.envelope, error);
    ok = ok && (r.ovf->systems->len > 0 || fail(&r, r.envelope, error, "there is no virtual system in it"));
    xml_unref(doc);
    if (ok)
        return r.ovf;
    ovf_free(r.ovf);
    return NULL;
}
