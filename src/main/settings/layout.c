/*
 * layout.c - see layout.h. One row of `changes` is one change of the format, with the first version that has the new
 * form.
 *
 * Sources: doc/settings.md. Old forms are recognized by their elements, whatever the version says, so that files made
 * by hand work too.
 */
#include "main/settings/layout.h"

#include <stdlib.h>
#include <string.h>

const char *const layout_ide[] = {"PIIX4", "PIIX3", "ICH6", NULL};
const char *const layout_floppy[] = {"I82078", NULL};
const char *const layout_sata[] = {"AHCI", NULL};

struct xml_node *layout_next(struct xml_node *machine, struct xml_node *at)
{
    struct xml_node *inner = at == machine ? at : xml_child(at, "Snapshots"), *next = xml_child(inner, "Snapshot");

    while (next == NULL && at != machine) {
        next = xml_again(at);
        at = at->parent->parent != NULL && at->parent != machine ? at->parent->parent : machine;
    }
    return next;
}

static bool is_true(const char *value)
{
    return value != NULL &&
           (g_ascii_strcasecmp(value, "true") == 0 || g_ascii_strcasecmp(value, "yes") == 0 || strcmp(value, "1") == 0);
}

static void move(struct xml_node *n, struct xml_node *to)
{
    xml_unlink(n);
    xml_append(to, n);
}

static void move_all(struct xml_node *from, const char *name, struct xml_node *to)
{
    for (struct xml_node *n = xml_child(from, name), *next; n != NULL; n = next) {
        next = xml_again(n);
        move(n, to);
    }
}

/* What an old element holds that nobody knows becomes the new one's; there it stays when the old one is made again. */
static void merge(struct xml_doc *doc, struct xml_node *old, struct xml_node *new)
{
    for (unsigned k = 0; k < old->n_attrs; k++)
        if (xml_get(new, old->attrs[k].name) == NULL)
            xml_set(doc, new, old->attrs[k].name, old->attrs[k].value);
    while (old->first != NULL)
        move(old->first, new);
    xml_unlink(old);
}

static void unlink_if_empty(struct xml_node *n)
{
    if (n != NULL && n->n_attrs == 0 && n->first == NULL)
        xml_unlink(n);
}

/* ---- 1.9: DVD and floppy drives are attached devices ---- */

static bool of_type(const struct xml_node *controller, const char *const *types)
{
    const char *type = xml_get(controller, "type");

    for (; type != NULL && *types != NULL; types++)
        if (g_ascii_strcasecmp(type, *types) == 0)
            return true;
    return false;
}

struct xml_node *layout_controller(struct xml_doc *doc, struct xml_node *state, const char *name,
                                   const char *const *types, const char *ports)
{
    struct xml_node *inside = xml_child(xml_child(state, "Hardware"), "StorageControllers");
    struct xml_node *list = inside != NULL ? inside : xml_need(doc, state, "StorageControllers");
    struct xml_node *c = xml_child(list, "StorageController");

    while (c != NULL && !of_type(c, types))
        c = xml_again(c);
    if (c != NULL)
        return c;
    c = xml_add(doc, list, "StorageController");
    xml_set(doc, c, "name", name);
    xml_set(doc, c, "type", types[0]);
    xml_set(doc, c, "PortCount", ports);
    return c;
}

static void attach(struct xml_doc *doc, struct xml_node *drive, struct xml_node *controller, const char *type,
                   const char *port)
{
    struct xml_node *a = xml_add(doc, controller, "AttachedDevice");

    xml_set(doc, a, "type", type);
    xml_set(doc, a, "port", port);
    xml_set(doc, a, "device", "0");
    for (unsigned k = 0; k < drive->n_attrs; k++)
        if (strcmp(drive->attrs[k].name, "enabled") != 0)
            xml_set(doc, a, drive->attrs[k].name, drive->attrs[k].value);
    while (drive->first != NULL)
        move(drive->first, a);
    xml_unlink(drive);
}

static void expand_names(struct xml_doc *doc, struct xml_node *state)
{
    static const char *const old[] = {"IDE", "SATA", "SCSI"};
    struct xml_node *list = xml_child(state, "StorageControllers");

    for (struct xml_node *c = xml_child(list, "StorageController"); c != NULL; c = xml_again(c)) {
        const char *name = xml_get(c, "name");
        for (unsigned k = 0; name != NULL && k < G_N_ELEMENTS(old); k++) {
            g_autofree char *full = g_strdup_printf("%s Controller", old[k]);
            if (strcmp(name, old[k]) == 0)
                xml_set(doc, c, "name", full);
        }
    }
}

static void drives_up(struct xml_doc *doc, struct xml_node *state)
{
    struct xml_node *hw = xml_child(state, "Hardware");
    struct xml_node *dvd = xml_child(hw, "DVDDrive"), *floppy = xml_child(hw, "FloppyDrive");
    const char *enabled = xml_get(floppy, "enabled");

    if (dvd != NULL || floppy != NULL)
        expand_names(doc, state);
    if (dvd != NULL)
        attach(doc, dvd, layout_controller(doc, state, "IDE Controller", layout_ide, "2"), "DVD", "1");
    if (floppy != NULL && (enabled == NULL || is_true(enabled)))
        attach(doc, floppy, layout_controller(doc, state, "Floppy Controller", layout_floppy, "1"), "Floppy", "0");
    else if (floppy != NULL)
        xml_unlink(floppy);
}

/* Takes the first attached device of @type out of its controller and makes it the drive. */
static bool detach(struct xml_doc *doc, struct xml_node *list, const char *type, struct xml_node *drive)
{
    static const char *const placing[] = {"type", "port", "device", "hotpluggable"};

    for (struct xml_node *c = xml_child(list, "StorageController"); c != NULL; c = xml_again(c)) {
        struct xml_node *a = xml_child(c, "AttachedDevice");
        while (a != NULL && g_strcmp0(xml_get(a, "type"), type) != 0)
            a = xml_again(a);
        if (a == NULL)
            continue;
        xml_unlink(a);
        for (unsigned k = 0; k < G_N_ELEMENTS(placing); k++)
            xml_drop(a, placing[k]);
        for (unsigned k = 0; k < a->n_attrs; k++)
            xml_set(doc, drive, a->attrs[k].name, a->attrs[k].value);
        while (a->first != NULL)
            move(a->first, drive);
        return true;
    }
    return false;
}

static void drives_down(struct xml_doc *doc, struct xml_node *state)
{
    struct xml_node *hw = xml_child(state, "Hardware"), *list = xml_child(state, "StorageControllers");
    struct xml_node *dvd = xml_add(doc, hw, "DVDDrive"), *floppy = xml_add(doc, hw, "FloppyDrive");

    if (!detach(doc, list, "DVD", dvd))
        xml_unlink(dvd);
    xml_set(doc, floppy, "enabled", detach(doc, list, "Floppy", floppy) ? "true" : "false");
    for (struct xml_node *c = xml_child(list, "StorageController"), *next; c != NULL; c = next) {
        next = xml_again(c);
        if (of_type(c, layout_floppy))
            xml_unlink(c);
    }
}

/* ---- 1.10, 1.11: the remote display's port, address and video channel are properties ---- */

static const struct {
    const char *element, *attr; /* NULL = RemoteDisplay itself */
    const char *property;
} remote[] = {{NULL, "port", "TCP/Ports"},
              {NULL, "netAddress", "TCP/Address"},
              {"VideoChannel", "enabled", "VideoChannel/Enabled"},
              {"VideoChannel", "quality", "VideoChannel/Quality"}};

static void remote_up(struct xml_doc *doc, struct xml_node *state)
{
    struct xml_node *rd = xml_child(xml_child(state, "Hardware"), "RemoteDisplay");
    struct xml_node *channel = xml_child(rd, "VideoChannel");

    for (unsigned k = 0; rd != NULL && k < G_N_ELEMENTS(remote); k++) {
        struct xml_node *from = remote[k].element != NULL ? channel : rd;
        const char *value = xml_get(from, remote[k].attr);
        if (value == NULL)
            continue;
        struct xml_node *p = xml_add(doc, xml_need(doc, rd, "VRDEProperties"), "Property");
        xml_set(doc, p, "name", remote[k].property);
        xml_set(doc, p, "value", value);
        xml_drop(from, remote[k].attr);
    }
    if (channel != NULL)
        merge(doc, channel, xml_need(doc, rd, "VRDEProperties"));
}

static void remote_down(struct xml_doc *doc, struct xml_node *state)
{
    struct xml_node *rd = xml_child(xml_child(state, "Hardware"), "RemoteDisplay");
    struct xml_node *list = xml_child(rd, "VRDEProperties");

    for (struct xml_node *p = xml_child(list, "Property"), *next; p != NULL; p = next) {
        unsigned k = 0;
        next = xml_again(p);
        while (k < G_N_ELEMENTS(remote) && g_strcmp0(xml_get(p, "name"), remote[k].property) != 0)
            k++;
        if (k == G_N_ELEMENTS(remote))
            continue;
        struct xml_node *to = remote[k].element != NULL ? xml_need(doc, rd, remote[k].element) : rd;
        xml_set(doc, to, remote[k].attr, xml_get(p, "value"));
        xml_unlink(p);
    }
    unlink_if_empty(list);
}

/* ---- 1.14: USB controllers are a list ---- */

static void usb_controller(struct xml_doc *doc, struct xml_node *usb, const char *type)
{
    struct xml_node *c = xml_add(doc, xml_need(doc, usb, "Controllers"), "Controller");

    xml_set(doc, c, "name", type);
    xml_set(doc, c, "type", type);
}

static void usb_up(struct xml_doc *doc, struct xml_node *state)
{
    struct xml_node *hw = xml_child(state, "Hardware"), *old = xml_child(hw, "USBController");

    if (old == NULL)
        return;
    struct xml_node *usb = xml_need(doc, hw, "USB");
    if (is_true(xml_get(old, "enabled")))
        usb_controller(doc, usb, "OHCI");
    if (is_true(xml_get(old, "enabledEhci")))
        usb_controller(doc, usb, "EHCI");
    if (xml_child(old, "DeviceFilter") != NULL)
        move_all(old, "DeviceFilter", xml_need(doc, usb, "DeviceFilters"));
    xml_drop(old, "enabled");
    xml_drop(old, "enabledEhci");
    merge(doc, old, usb);
}

/* Takes the controller out, if it is there. */
static const char *take_usb(struct xml_node *list, const char *type)
{
    struct xml_node *c = xml_child(list, "Controller");

    while (c != NULL && g_strcmp0(xml_get(c, "type"), type) != 0)
        c = xml_again(c);
    if (c != NULL)
        xml_unlink(c);
    return c != NULL ? "true" : "false";
}

static void usb_down(struct xml_doc *doc, struct xml_node *state)
{
    struct xml_node *hw = xml_child(state, "Hardware"), *usb = xml_child(hw, "USB");
    struct xml_node *list = xml_child(usb, "Controllers"), *filters = xml_child(usb, "DeviceFilters");
    struct xml_node *old = xml_add(doc, hw, "USBController");

    xml_set(doc, old, "enabled", take_usb(list, "OHCI"));
    xml_set(doc, old, "enabledEhci", take_usb(list, "EHCI"));
    move_all(filters, "DeviceFilter", old);
    if (usb == NULL)
        return;
    xml_unlink(old);
    xml_insert(hw, usb, old);
    unlink_if_empty(list);
    unlink_if_empty(filters);
    unlink_if_empty(usb);
}

/* ---- 1.19: what is recorded is said by screen ---- */

static const struct {
    const char *from, *to;
} capture[] = {{"maxTime", "maxTimeS"}, {"options", "options"}, {"file", "file"},     {"maxSize", "maxSizeMB"},
               {"horzRes", "horzRes"},  {"vertRes", "vertRes"}, {"rate", "rateKbps"}, {"fps", "fps"}};

static unsigned monitors(const struct xml_node *state)
{
    const char *count = xml_get(xml_child(xml_child(state, "Hardware"), "Display"), "monitorCount");

    return count != NULL ? (unsigned)CLAMP(atoi(count), 1, 64) : 1;
}

static void recording_up(struct xml_doc *doc, struct xml_node *state)
{
    struct xml_node *hw = xml_child(state, "Hardware"), *old = xml_child(hw, "VideoCapture");

    if (old == NULL)
        return;
    /* nothing is said of screens where nothing is recorded */
    guint64 all = is_true(xml_get(old, "enabled")) ? G_MAXUINT64 : 0;
    guint64 mask = xml_get(old, "screens") != NULL ? g_ascii_strtoull(xml_get(old, "screens"), NULL, 10) : all;
    struct xml_node *new = xml_need(doc, state, "Recording");
    if (xml_get(old, "enabled") != NULL)
        xml_set(doc, new, "enabled", xml_get(old, "enabled"));
    xml_drop(old, "enabled");
    xml_drop(old, "screens");
    for (unsigned id = 0; id < monitors(state); id++) {
        struct xml_node *screen = xml_add(doc, new, "Screen");
        g_autofree char *number = g_strdup_printf("%u", id);
        xml_set(doc, screen, "id", number);
        xml_set(doc, screen, "enabled", mask >> id & 1 ? "true" : "false");
        for (unsigned k = 0; k < G_N_ELEMENTS(capture); k++)
            if (xml_get(old, capture[k].from) != NULL)
                xml_set(doc, screen, capture[k].to, xml_get(old, capture[k].from));
    }
    for (unsigned k = 0; k < G_N_ELEMENTS(capture); k++)
        xml_drop(old, capture[k].from);
    merge(doc, old, new);
}

/* Behind the last of these that is there. */
static struct xml_node *before_capture(struct xml_node *hw)
{
    static const char *const names[] = {"Display", "Boot", "Paravirt", "Iommu", "Chipset", "HPET", "HID", "Memory"};

    for (unsigned k = 0; k < G_N_ELEMENTS(names); k++)
        if (xml_child(hw, names[k]) != NULL)
            return xml_child(hw, names[k]);
    return NULL;
}

static void recording_down(struct xml_doc *doc, struct xml_node *state)
{
    struct xml_node *hw = xml_child(state, "Hardware"), *new = xml_child(state, "Recording");
    struct xml_node *first = xml_child(new, "Screen");
    guint64 mask = 0;

    if (new == NULL)
        return;
    struct xml_node *old = xml_add(doc, hw, "VideoCapture");
    if (xml_get(new, "enabled") != NULL)
        xml_set(doc, old, "enabled", xml_get(new, "enabled"));
    xml_drop(new, "enabled");
    for (struct xml_node *s = first; s != NULL; s = xml_again(s))
        if (is_true(xml_get(s, "enabled")))
            mask |= (guint64)1 << (atoi(xml_get(s, "id")) & 63);
    if (mask != 0) {
        g_autofree char *screens = g_strdup_printf("%" G_GUINT64_FORMAT, mask);
        xml_set(doc, old, "screens", screens);
    }
    if (first != NULL)
        for (unsigned k = 0; k < G_N_ELEMENTS(capture); k++)
            if (xml_get(first, capture[k].to) != NULL)
                xml_set(doc, old, capture[k].from, xml_get(first, capture[k].to));
    xml_unlink(old);
    xml_insert(hw, before_capture(hw), old);
    while (xml_child(new, "Screen") != NULL)
        xml_unlink(xml_child(new, "Screen"));
    unlink_if_empty(new);
}

static void recording_gone(struct xml_doc *doc, struct xml_node *state)
{
    struct xml_node *hw = xml_child(state, "Hardware"), *old = xml_child(hw, "VideoCapture");

    (void)doc;
    if (old != NULL)
        xml_unlink(old);
}

/* ---- 1.9: bridged interfaces got their name ---- */

static void bridged_up(struct xml_doc *doc, struct xml_node *state)
{
    struct xml_node *network = xml_child(xml_child(state, "Hardware"), "Network");

    for (struct xml_node *a = xml_child(network, "Adapter"); a != NULL; a = xml_again(a)) {
        struct xml_node *old = xml_child(a, "HostInterface");
        if (old != NULL)
            xml_rename(doc, old, "BridgedInterface");
    }
}

/* ---- all of them, oldest first ---- */

static const struct {
    unsigned since; /* the first version with the new form */
    void (*up)(struct xml_doc *doc, struct xml_node *state);
    void (*down)(struct xml_doc *doc, struct xml_node *state);
} changes[] = {{0, bridged_up, NULL},  {9, drives_up, drives_down}, {11, remote_up, remote_down},
               {14, usb_up, usb_down}, {14, NULL, recording_gone},  {19, recording_up, recording_down}};

void layout_up(struct xml_doc *doc, struct xml_node *top, unsigned version)
{
    (void)version;
    if (strcmp(top->name, "Machine") != 0)
        return;
    for (struct xml_node *state = top; state != NULL; state = layout_next(top, state))
        for (unsigned k = 0; k < G_N_ELEMENTS(changes); k++)
            if (changes[k].up != NULL)
                changes[k].up(doc, state);
}

void layout_state_down(struct xml_doc *doc, struct xml_node *state, unsigned version)
{
    for (unsigned k = G_N_ELEMENTS(changes); k-- > 0;)
        if (changes[k].down != NULL && version < changes[k].since)
            changes[k].down(doc, state);
}

void layout_down(struct xml_doc *doc, struct xml_node *top, unsigned version)
{
    if (strcmp(top->name, "Machine") != 0)
        return;
    for (struct xml_node *state = top; state != NULL; state = layout_next(top, state))
        if (state->head == NULL)
            layout_state_down(doc, state, version);
}
