/*
 * ovf.c - making and freeing appliances, names of operating systems.
 */
#include "main/ovf/ovf.h"

#include <string.h>

static void disk_free(void *p)
{
    struct ovf_disk *d = p;

    g_free(d->id);
    g_free(d->file);
    g_free(d->format);
    g_free(d->uuid);
    g_free(d);
}

static void item_free(void *p)
{
    struct ovf_item *i = p;

    g_free(i->subtype);
    g_free(i->network);
    g_free(i);
}

static void system_free(void *p)
{
    struct ovf_system *s = p;

    g_free(s->name);
    g_free(s->os_type);
    g_free(s->description);
    g_free(s->product);
    g_free(s->product_url);
    g_free(s->vendor);
    g_free(s->vendor_url);
    g_free(s->version);
    g_free(s->license);
    g_free(s->machine_text);
    g_ptr_array_unref(s->items);
    g_free(s);
}

struct ovf *ovf_new(enum ovf_version version)
{
    struct ovf *o = g_new0(struct ovf, 1);

    o->version = version;
    o->disks = g_ptr_array_new_with_free_func(disk_free);
    o->systems = g_ptr_array_new_with_free_func(system_free);
    return o;
}

void ovf_free(struct ovf *o)
{
    if (o == NULL)
        return;
    g_ptr_array_unref(o->systems);
    g_ptr_array_unref(o->disks);
    g_free(o);
}

struct ovf_disk *ovf_disk_new(struct ovf *o, const char *id, const char *file)
{
    struct ovf_disk *d = g_new0(struct ovf_disk, 1);

    d->id = g_strdup(id);
    d->file = g_strdup(file);
    d->capacity_bytes = d->populated_bytes = -1;
    g_ptr_array_add(o->disks, d);
    return d;
}

struct ovf_system *ovf_system_new(struct ovf *o, const char *name)
{
    struct ovf_system *s = g_new0(struct ovf_system, 1);

    s->name = g_strdup(name);
    s->items = g_ptr_array_new_with_free_func(item_free);
    s->cpus = 1;
    g_ptr_array_add(o->systems, s);
    return s;
}

struct ovf_item *ovf_item_new(struct ovf_system *s, enum ovf_kind kind)
{
    struct ovf_item *i = g_new0(struct ovf_item, 1);

    i->kind = kind;
    i->subtype = g_strdup("");
    g_ptr_array_add(s->items, i);
    return i;
}

bool ovf_plain_name(const char *name)
{
    return *name != '\0' && *name != '.' && strlen(name) <= 255 && strpbrk(name, "/\\") == NULL &&
           g_utf8_validate(name, -1, NULL);
}

/* CIM_OperatingSystem.OSType */
static const struct {
    unsigned number;
    const char *type;
} systems[] = {{1, "Other"},
               {2, "MacOS"},
               {14, "DOS"},
               {16, "Windows95"},
               {17, "Windows98"},
               {18, "WindowsNT4"},
               {29, "Solaris"},
               {36, "Linux"},
               {37, "WindowsMe"},
               {42, "FreeBSD"},
               {43, "NetBSD"},
               {58, "Windows2000"},
               {65, "OpenBSD"},
               {67, "WindowsXP"},
               {69, "Windows2003"},
               {70, "Windows2003_64"},
               {71, "WindowsXP_64"},
               {73, "WindowsVista"},
               {74, "WindowsVista_64"},
               {76, "Windows2008"},
               {77, "Windows2008_64"},
               {78, "FreeBSD_64"},
               {79, "RedHat"},
               {80, "RedHat_64"},
               {81, "Solaris_64"},
               {82, "OpenSUSE"},
               {83, "OpenSUSE_64"},
               {93, "Ubuntu"},
               {94, "Ubuntu_64"},
               {95, "Debian"},
               {96, "Debian_64"},
               {97, "Linux24"},
               {98, "Linux24_64"},
               {99, "Linux26"},
               {100, "Linux26_64"},
               {101, "Linux_64"},
               {102, "Other_64"},
               {103, "Windows2008_64"},
               {105, "Windows7"}};

const char *ovf_os_type(unsigned cim, bool is_64_bit)
{
    for (unsigned k = 0; k < G_N_ELEMENTS(systems); k++)
        if (systems[k].number == cim)
            return systems[k].type;
    return is_64_bit ? "Other_64" : "Other";
}

unsigned ovf_os_number(const char *os_type)
{
    for (unsigned k = 0; k < G_N_ELEMENTS(systems); k++)
        if (strcmp(systems[k].type, os_type) == 0)
            return systems[k].number;
    return 1;
}
