/*
 * ovf.h - appliances in the Open Virtualization Format as plain structures: read and written.
 *
 * Source: DMTF DSP0243 1.1.1 and 2.1.0 (envelope, disk, network and virtual system sections); CIM_ResourceAllocation-
 * SettingData for the hardware items. Namespaces' prefixes differ between programs; names are compared without them.
 * Left out: deployment options, properties, localisation, split files (chunks), compressed references.
 *
 * What is read is checked: sizes and counts are bounded, every disk has a file, files are plain names in the
 * appliance's own folder, items name only disks and controllers that are there.
 */
#ifndef MAIN_OVF_OVF_H
#define MAIN_OVF_OVF_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#define OVF_ERROR (g_quark_from_static_string("ovf"))

enum ovf_version { OVF_0_9, OVF_1_0, OVF_2_0 };

struct ovf_disk {
    char *id, *file;                         /* plain name */
    char *format;                            /* URI */
    int64_t capacity_bytes, populated_bytes; /* -1: not said */
    char *uuid;                              /* bare, NULL: not said */
};

/* CIM resource types */
enum ovf_kind {
    OVF_CPU = 3,
    OVF_MEMORY = 4,
    OVF_IDE = 5,
    OVF_SCSI = 6,
    OVF_ETHERNET = 10,
    OVF_FLOPPY = 14,
    OVF_CD = 15,
    OVF_DVD = 16,
    OVF_HARD_DISK = 17,
    OVF_SATA = 20,
    OVF_USB = 23,
    OVF_SOUND = 35
};
struct ovf_item {
    enum ovf_kind kind;
    uint32_t instance, parent; /* parent: an instance, 0: none */
    uint32_t address;          /* AddressOnParent, else Address; 0 */
    char *subtype;             /* of controllers, adapters, sound cards: lower case, "" */
    char *network;             /* of an adapter */
    struct ovf_disk *disk;     /* of a hard disk */
};

struct ovf_system {
    char *name, *os_type; /* VirtualBox's id */
    char *description, *product, *product_url, *vendor, *vendor_url, *version, *license;
    uint32_t cpus, memory_mib;
    GPtrArray *items;   /* struct ovf_item without CPUs and memory */
    char *machine_text; /* the settings file VirtualBox put in, whole; NULL: none */
};

struct ovf {
    enum ovf_version version;
    GPtrArray *disks;   /* struct ovf_disk */
    GPtrArray *systems; /* struct ovf_system */
};

/** ovf_parse() - @path is for messages. NULL: it is none, or asks for too much. */
struct ovf *ovf_parse(const char *path, const void *bytes, size_t size, GError **error);
/** ovf_text() - the descriptor; g_free. */
char *ovf_text(const struct ovf *o);
void ovf_free(struct ovf *o);

struct ovf *ovf_new(enum ovf_version version);
struct ovf_disk *ovf_disk_new(struct ovf *o, const char *id, const char *file);
struct ovf_system *ovf_system_new(struct ovf *o, const char *name);
struct ovf_item *ovf_item_new(struct ovf_system *s, enum ovf_kind kind);

/** VirtualBox's id of a CIM operating system number, and back (1: other). */
const char *ovf_os_type(unsigned cim, bool is_64_bit);
unsigned ovf_os_number(const char *os_type);
/** A name that is a file in the appliance's folder and nothing else. */
bool ovf_plain_name(const char *name);

#endif
