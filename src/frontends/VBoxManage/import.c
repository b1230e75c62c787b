/*
 * import.c - import: what an appliance holds, what would become of it, and that it does.
 */
#include <stdlib.h>
#include <string.h>

#include "frontends/VBoxManage/commands.h"
#include "frontends/VBoxManage/import.h"

/* A line of a virtual system's description. */
struct line {
    const char *type, *reference, *original, *value, *extra;
    char *owned_value, *owned_extra;
    bool enabled, changed;
};

static void line_free(void *p)
{
    struct line *l = p;

    g_free(l->owned_value);
    g_free(l->owned_extra);
    g_free(l);
}

/* ---- descriptions ---- */

static GPtrArray *lines_of(GVariant *system)
{
    GPtrArray *lines = g_ptr_array_new_with_free_func(line_free);

    for (gsize k = 0; k < g_variant_n_children(system); k++) {
        struct line *l = g_new0(struct line, 1);
        gboolean enabled;
        g_variant_get_child(system, k, "(&s&s&s&s&sb)", &l->type, &l->reference, &l->original, &l->value, &l->extra,
                            &enabled);
        l->enabled = enabled;
        g_ptr_array_add(lines, l);
    }
    return lines;
}

static struct line *line_named(const GPtrArray *lines, const char *type)
{
    for (unsigned k = 0; k < lines->len; k++) {
        struct line *l = lines->pdata[k];
        if (strcmp(l->type, type) == 0)
            return l;
    }
    return NULL;
}

static void set_value(struct line *l, char *value)
{
    if (l == NULL) {
        g_free(value);
        return;
    }
    g_free(l->owned_value);
    l->value = l->owned_value = value;
}

/* Another name or folder changes the settings file's path, and with it where the disks go. */
static void follow(const GPtrArray *lines, const struct said *s, unsigned system)
{
    struct line *file = line_named(lines, "SettingsFile"), *name = line_named(lines, "Name");
    const struct line *group = line_named(lines, "PrimaryGroup"), *base = line_named(lines, "BaseFolder");

    if (file == NULL || name == NULL || base == NULL || group == NULL)
        return;
    g_autofree char *before = g_path_get_dirname(file->value);
    g_autofree char *dotted = g_strconcat(name->value, ".vbox", NULL);
    if (s->values[system][2] == NULL)
        set_value(file, g_build_filename(base->value, strcmp(group->value, "/") == 0 ? "" : group->value, name->value,
                                         dotted, NULL));
    g_autofree char *after = g_path_get_dirname(file->value);
    g_autofree char *prefix = g_strconcat(before, "/", NULL);
    for (unsigned k = 0; k < lines->len; k++) {
        struct line *l = lines->pdata[k];
        if (strcmp(l->type, "HardDiskImage") == 0 && g_str_has_prefix(l->value, prefix))
            set_value(l, g_build_filename(after, l->value + strlen(prefix), NULL));
    }
}

static int apply_unit(struct cmd *c, const GPtrArray *lines, const struct unit *u)
{
    struct line *l = u->number < lines->len ? lines->pdata[u->number] : NULL;

    if (l == NULL)
        return cmd_error("Invalid unit %u of virtual system %u", u->number, u->system);
    l->enabled = !u->ignore;
    if (u->scsi != NULL)
        set_value(l, g_strdup(u->scsi));
    if (u->disk != NULL) {
        const struct line *file = line_named(lines, "SettingsFile");
        g_autofree char *folder = g_path_get_dirname(file != NULL ? file->value : "/");
        bool bare = strchr(u->disk, '/') == NULL; /* a plain name lies in the machine's folder */
        set_value(l, bare ? g_build_filename(folder, u->disk, NULL) : cmd_absolute(u->disk));
    }
    if (u->controller != NULL || u->port != NULL) {
        g_auto(GStrv) parts = g_strsplit(l->extra, ";", 2);
        const char *at = parts[0] != NULL ? parts[0] + strcspn(parts[0], "=") + 1 : "0";
        const char *port = parts[0] != NULL && parts[1] != NULL ? parts[1] + strcspn(parts[1], "=") + 1 : "0";
        g_free(l->owned_extra);
        l->extra = l->owned_extra = g_strdup_printf("controller=%s;port=%s", u->controller != NULL ? u->controller : at,
                                                    u->port != NULL ? u->port : port);
    }
    (void)c;
    return RC_OK;
}

static int apply(struct cmd *c, const struct said *s, const GPtrArray *lines, unsigned system)
{
    int rc = RC_OK;

    for (unsigned k = 0; k < IMPORT_VALUES; k++) {
        const char *val = s->values[system][k];
        struct line *l = val != NULL ? line_named(lines, import_value_types[k]) : NULL;
        if (l == NULL)
            continue;
        bool path = k == 2 || k == 3;
        set_value(l, path ? cmd_absolute(val) : g_strdup(val));
        l->changed = true;
    }
    follow(lines, s, system);
    for (unsigned k = 0; rc == RC_OK && k < s->units->len; k++) {
        const struct unit *u = &g_array_index(s->units, struct unit, k);
        if (u->system == system)
            rc = apply_unit(c, lines, u);
    }
    return rc;
}

/* ---- shown ---- */

static const struct {
    const char *type;
    const char *suggested, *specified; /* %s: the value; specified NULL: the same */
    const char *option;                /* (change with "--vsys N OPTION") */
    const char *more;
} texts[] = {
    {"OS", "Suggested OS type: \"%s\"", "OS type specified with --ostype: \"%s\"", "--ostype <type>",
     "; use \"list ostypes\" to list all possible values"},
    {"Name", "Suggested VM name \"%s\"", "VM name specified with --vmname: \"%s\"", "--vmname <name>", ""},
    {"PrimaryGroup", "Suggested VM group \"%s\"", "VM group specified with --group: \"%s\"", "--group <group>", ""},
    {"SettingsFile", "Suggested VM settings file name \"%s\"",
     "VM settings file name specified with --settingsfile: \"%s\"", "--settingsfile <filename>", ""},
    {"BaseFolder", "Suggested VM base folder \"%s\"", "VM base folder specified with --basefolder: \"%s\"",
     "--basefolder <path>", ""},
    {"Description", "Description \"%s\"", "Description specified with --description: \"%s\"", "--description <desc>",
     ""},
    {"CPU", "Number of CPUs: %s", "No. of CPUs specified with --cpus: %s", "--cpus <n>", ""},
    {"Memory", "Guest memory: %s MB", "Guest memory specified with --memory: %s MB", "--memory <MB>", ""},
    {"Product", "Product (ignored): %s", NULL, NULL, NULL},
    {"Vendor", "Vendor (ignored): %s", NULL, NULL, NULL},
    {"Version", "Version (ignored): %s", NULL, NULL, NULL},
    {"ProductUrl", "ProductUrl (ignored): %s", NULL, NULL, NULL},
    {"VendorUrl", "VendorUrl (ignored): %s", NULL, NULL, NULL},
};

static const struct {
    const char *type, *text, *ignored; /* text: %s the type of the controller */
} devices[] = {
    {"SoundCard", "Sound card (appliance expects \"%s\", can change on import)", "Sound card \"%s\""},
    {"USBController", "USB controller%s", "USB controller%s"},
    {"CDROM", "CD-ROM%s", "CD-ROM%s"},
    {"Floppy", "Floppy%s", "Floppy%s"},
    {"HardDiskControllerIDE", "IDE controller, type %s", "IDE controller, type %s"},
    {"HardDiskControllerSATA", "SATA controller, type %s", "SATA controller, type %s"},
    {"HardDiskControllerSAS", "SAS controller, type %s", "SAS controller, type %s"},
    {"HardDiskControllerSCSI", "SCSI controller, type %s", "SCSI controller, type %s"},
    {"HardDiskControllerVirtioSCSI", "VirtioSCSI controller, type %s", "VirtioSCSI controller, type %s"},
};

/* Replaces the only %s of a text of ours. */
static void print_with(const char *fmt, const char *val)
{
    const char *at = strstr(fmt, "%s");

    printf("%.*s%s%s", (int)(at - fmt), fmt, val, at + 2);
}

static bool show_text(const struct line *l, unsigned system, unsigned number)
{
    for (unsigned k = 0; k < G_N_ELEMENTS(texts); k++) {
        if (strcmp(texts[k].type, l->type) != 0)
            continue;
        printf("%2u: ", number);
        print_with(l->changed ? texts[k].specified : texts[k].suggested, l->value);
        printf("\n");
        if (!l->changed && texts[k].option != NULL)
            printf("    (change with \"--vsys %u %s\"%s)\n", system, texts[k].option, texts[k].more);
        return true;
    }
    return false;
}

static bool show_device(const struct line *l, unsigned system, unsigned number)
{
    for (unsigned k = 0; k < G_N_ELEMENTS(devices); k++) {
        if (strcmp(devices[k].type, l->type) != 0)
            continue;
        bool scsi = strcmp(l->type, "HardDiskControllerSCSI") == 0;
        printf("%2u: ", number);
        print_with(l->enabled ? devices[k].text : devices[k].ignored,
                   strcmp(l->type, "SoundCard") == 0 ? l->original : l->value);
        printf("%s\n", l->enabled ? "" : " -- disabled");
        if (l->enabled && scsi)
            printf("    (change with \"--vsys %u --unit %u --scsitype {BusLogic|LsiLogic}\";\n", system, number);
        if (l->enabled)
            printf("    %sdisable with \"--vsys %u --unit %u --ignore\")\n", scsi ? "" : "(", system, number);
        return true;
    }
    return false;
}

static void show_disk(const struct line *l, unsigned system, unsigned number)
{
    if (!l->enabled) {
        printf("%2u: Hard disk image: source image=%s -- disabled\n", number, l->original);
        return;
    }
    printf("%2u: Hard disk image: source image=%s, target path=%s, %s\n"
           "    (change target path with \"--vsys %u --unit %u --disk path\";\n"
           "    change controller with \"--vsys %u --unit %u --controller <index>\";\n"
           "    change controller port with \"--vsys %u --unit %u --port <n>\";\n"
           "    disable with \"--vsys %u --unit %u --ignore\")\n",
           number, l->original, l->value, l->extra, system, number, system, number, system, number, system, number);
}

/* Return: whether nothing forbids the import. */
static bool show_license(const struct line *l, const struct said *s, unsigned system, unsigned number)
{
    const char *eula = s->eula[system];

    printf("%2u: End-user license agreement\n", number);
    if (eula != NULL && strcmp(eula, "accept") == 0) {
        printf("    (accepted)\n");
        return true;
    }
    if (eula != NULL && strcmp(eula, "show") == 0)
        printf("    (accept with \"--vsys %u --eula accept\"):\n\n%s\n\n", system, l->value);
    else
        printf("    (display with \"--vsys %u --eula show\";\n    accept with \"--vsys %u --eula accept\")\n", system,
               system);
    return false;
}

static bool show_system(const GPtrArray *lines, const struct said *s, unsigned system)
{
    bool accepted = true;

    printf("Virtual system %u:\n", system);
    for (unsigned k = 0; k < lines->len; k++) {
        const struct line *l = lines->pdata[k];
        if (show_text(l, system, k) || show_device(l, system, k))
            continue;
        if (strcmp(l->type, "License") == 0)
            accepted = show_license(l, s, system, k) && accepted;
        else if (strcmp(l->type, "HardDiskImage") == 0)
            show_disk(l, system, k);
        else if (strcmp(l->type, "NetworkAdapter") == 0)
            printf("%2u: Network adapter: orig %s, config %s, extra %s\n", k, l->original, l->value, l->extra);
    }
    return accepted;
}

static bool show_disks(struct cmd *c, const char *appliance)
{
    GError *error = NULL;
    g_autoptr(GVariant) disks = client_get(c->client, appliance, "IAppliance", "Disks", &error);

    if (disks == NULL)
        return cmd_com_error(c, &error, "COMGETTER(Disks)", __LINE__, __FILE__), false;
    printf("Disks:\n");
    for (gsize k = 0; k < g_variant_n_children(disks); k++) {
        const char *id, *format, *file;
        gint64 capacity, populated;
        g_variant_get_child(disks, k, "(&sxx&s&s)", &id, &capacity, &populated, &format, &file);
        printf("  %s\t%" G_GINT64_FORMAT "\t%" G_GINT64_FORMAT "\t%s\t%s\t-1\t-1\t\n", id, capacity, populated, format,
               file);
    }
    printf("\n");
    return true;
}

/* ---- the work ---- */

static bool send_values(struct cmd *c, const char *appliance, unsigned system, const GPtrArray *lines)
{
    GVariantBuilder enabled;
    g_autoptr(GPtrArray) values = g_ptr_array_new(), extras = g_ptr_array_new();

    g_variant_builder_init(&enabled, G_VARIANT_TYPE("ab"));
    for (unsigned k = 0; k < lines->len; k++) {
        const struct line *l = lines->pdata[k];
        g_variant_builder_add(&enabled, "b", (gboolean)l->enabled);
        g_ptr_array_add(values, (void *)l->value);
        g_ptr_array_add(extras, (void *)l->extra);
    }
    g_ptr_array_add(values, NULL);
    g_ptr_array_add(extras, NULL);
    return TRY(c, iappliance_set_final_values(c->client, appliance, system, g_variant_builder_end(&enabled),
                                              (const char *const *)values->pdata, (const char *const *)extras->pdata,
                                              &error));
}

static bool read_appliance(struct cmd *c, const struct said *s, char **ret_appliance)
{
    g_autofree char *path = cmd_absolute(s->file), *progress = NULL;

    if (!TRY(c, ivirtual_box_create_appliance(c->client, API_PATH, ret_appliance, &error)) ||
        !TRY(c, iappliance_read(c->client, *ret_appliance, path, &progress, &error)) || !cmd_progress(c, progress))
        return false;
    fprintf(stderr, "Interpreting %s...\n", path);
    if (!TRY(c, iappliance_interpret(c->client, *ret_appliance, &error)))
        return false;
    fprintf(stderr, "OK.\n");
    return show_disks(c, *ret_appliance);
}

static int import_all(struct cmd *c, const struct said *s, const char *appliance)
{
    GVariant *reply = NULL;
    g_autofree char *progress = NULL;
    bool accepted = true;

    if (!TRY(c, iappliance_get_virtual_system_descriptions(c->client, appliance, &reply, &error)))
        return RC_FAILURE;
    g_autoptr(GVariant) systems = reply;
    for (gsize k = 0; k < g_variant_n_children(systems); k++) {
        g_autoptr(GVariant) system = g_variant_get_child_value(systems, k);
        g_autoptr(GPtrArray) lines = lines_of(system);
        int rc = apply(c, s, lines, (unsigned)k);
        if (rc != RC_OK)
            return rc;
        accepted = show_system(lines, s, (unsigned)k) && accepted;
        if (!s->dry_run && !send_values(c, appliance, (unsigned)k, lines))
            return RC_FAILURE;
    }
    if (s->dry_run)
        return RC_OK;
    if (!accepted)
        return cmd_error("Cannot import until the license agreement listed above is accepted.");
    g_ptr_array_add(s->options, NULL);
    if (!TRY(c, iappliance_import_machines(c->client, appliance, (const char *const *)s->options->pdata, &progress,
                                           &error)) ||
        !cmd_progress(c, progress))
        return RC_FAILURE;
    printf("Successfully imported the appliance.\n");
    return RC_OK;
}

static int import(struct cmd *c)
{
    g_autoptr(GArray) units = g_array_new(FALSE, FALSE, sizeof(struct unit));
    g_autoptr(GPtrArray) words = g_ptr_array_new();
    struct said s = {.units = units, .options = words};
    g_autofree char *appliance = NULL;
    int rc = import_parse(c, &s);

    if (rc != RC_OK)
        return rc;
    if (cmd_client(c) == NULL || !read_appliance(c, &s, &appliance))
        return RC_FAILURE;
    return import_all(c, &s, appliance);
}

const struct command import_command = {
    "import", "Import a virtual appliance in OVF format and create virtual machines",
    (const char *const[]){"<ovfname | ovaname> [--dry-run] [--options= keepallmacs | keepnatmacs | importtovdi] "
                          "[--vsys=n] [--ostype=ostype] [--vmname=name] [--settingsfile=file] [--basefolder=folder] "
                          "[--group=group] [--memory=MB] [--cpus=n] [--description=text] [--eula= show | accept] "
                          "[--unit=n] [--ignore] [--scsitype= BusLogic | LsiLogic] [--disk=path] "
                          "[--controller=index] [--port=n]",
                          "OCI:// <--cloud> [--vmname=name] [--memory=MB] [--cpus=n] <--cloudprofile=name> "
                          "<--cloudinstanceid=id> <--cloudbucket=name>",
                          NULL},
    import_options, import};
