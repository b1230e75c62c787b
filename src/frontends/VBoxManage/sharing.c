/*
 * sharing.c - sharedfolder, bandwidthctl.
 */
#include <errno.h>
#include <string.h>

#include "frontends/VBoxManage/commands.h"

/* Locks, changes by @change, saves. */
static int edit(struct cmd *c, const char *name, bool (*change)(struct cmd *c, const void *what), const void *what)
{
    g_autofree char *machine = cmd_find_machine(c, name);

    return machine != NULL && cmd_lock(c, machine) && change(c, what) && cmd_save(c) ? RC_OK : RC_FAILURE;
}

/* ---- sharedfolder ---- */

enum { NAME = 1, HOST_PATH, READ_ONLY, AUTOMOUNT, MOUNT_POINT, TRANSIENT, SYMLINKS };
static const struct option folder_options[] = {
    {NAME, "--name", OPTION_TEXT, false, "name", "Its name in the guest"},
    {HOST_PATH, "--hostpath", OPTION_TEXT, false, "folder", "The folder of the host"},
    {READ_ONLY, "--readonly", OPTION_NONE, false, NULL, "The guest cannot write"},
    {AUTOMOUNT, "--automount", OPTION_NONE, false, NULL, "The guest mounts it"},
    {MOUNT_POINT, "--auto-mount-point", OPTION_TEXT, false, "path", "Where"},
    {TRANSIENT, "--transient", OPTION_NONE, false, NULL, "Until the machine ends"},
    {SYMLINKS, "--symlink-policy", OPTION_TEXT, false, "forbidden | subtree | relative | any",
     "Links the guest may make"},
    {0},
};

struct folder {
    const char *machine, *name, *path, *mount_point;
    const char *symlinks; /* SymlinkPolicy; NULL: not said */
    bool read_only, automount, transient;
};

static bool set_policy(struct cmd *c, const struct folder *f)
{
    g_autofree char *node = api_node_escape(f->name);
    g_autofree char *object =
        g_strconcat(API_ROOT "/sharedfolder/", strrchr(c->session_machine, '/') + 1, "_", node, NULL);

    return cmd_set(c, object, "ISharedFolder", "SymlinkPolicy", g_variant_new_string(f->symlinks));
}

static bool folder_add(struct cmd *c, const void *what)
{
    const struct folder *f = what;
    g_autofree char *path = cmd_absolute(f->path);

    return TRY(c, imachine_create_shared_folder(c->client, c->session_machine, f->name, path, !f->read_only,
                                                f->automount, f->mount_point, &error)) &&
           (f->symlinks == NULL || set_policy(c, f));
}

static bool folder_remove(struct cmd *c, const void *what)
{
    const struct folder *f = what;

    return TRY(c, imachine_remove_shared_folder(c->client, c->session_machine, f->name, &error));
}

/* Of the running machine; needs no lock. */
static int folder_transient(struct cmd *c, const struct folder *f, bool add)
{
    g_autofree char *machine = cmd_find_machine(c, f->machine);
    g_autofree char *path = add ? cmd_absolute(f->path) : NULL;

    if (machine == NULL)
        return RC_FAILURE;
    bool ok = add ? TRY(c, imachine_create_transient_shared_folder(c->client, machine, f->name, path, !f->read_only,
                                                                   f->automount, f->mount_point, &error))
                  : TRY(c, imachine_remove_transient_shared_folder(c->client, machine, f->name, &error));
    return ok ? RC_OK : RC_FAILURE;
}

static const char *policy_of(const char *word)
{
    static const char *const words[][2] = {{"forbidden", "ForbiddenSymlinks"},
                                           {"subtree", "AllowedInShareSubtree"},
                                           {"relative", "AllowedToRelativeTargets"},
                                           {"any", "AllowedToAnyTarget"}};

    for (unsigned k = 0; k < G_N_ELEMENTS(words); k++)
        if (strcmp(words[k][0], word) == 0)
            return words[k][1];
    return NULL;
}

static int parse_folder(struct cmd *c, struct folder *f)
{
    struct value v;

    f->mount_point = "";
    for (int id; (id = cmd_next(c, &v)) != CMD_END;) {
        switch (id) {
        case NAME: f->name = v.text; break;
        case HOST_PATH: f->path = v.text; break;
        case READ_ONLY: f->read_only = true; break;
        case AUTOMOUNT: f->automount = true; break;
        case MOUNT_POINT: f->mount_point = v.text; break;
        case TRANSIENT: f->transient = true; break;
        case SYMLINKS:
            f->symlinks = policy_of(v.text);
            if (f->symlinks == NULL)
                return cmd_syntax(c, "Invalid --symlink-policy argument '%s'", v.text);
            break;
        case CMD_WORD:
            if (f->machine != NULL)
                return cmd_syntax(c, "Invalid parameter '%s'", v.text);
            f->machine = v.text;
            break;
        default: return RC_SYNTAX;
        }
    }
    if (f->machine == NULL)
        return cmd_syntax(c, "No machine was specified");
    return f->name != NULL ? RC_OK : cmd_syntax(c, "No shared folder name (--name) was given");
}

static int sharedfolder(struct cmd *c)
{
    struct folder f = {0};
    const char *verb = cmd_word(c);
    bool add = g_strcmp0(verb, "add") == 0;

    if (verb == NULL)
        return cmd_syntax(c, "Not enough parameters");
    if (!add && strcmp(verb, "remove") != 0)
        return cmd_syntax(c, "Invalid parameter '%s'", verb);
    int rc = parse_folder(c, &f);
    if (rc != RC_OK)
        return rc;
    const char *blank = add ? strpbrk(f.name, " \t\n") : NULL;
    if (blank != NULL)
        return cmd_syntax(c, "Invalid shared folder name '%s': contains %s", f.name,
                          *blank == ' '    ? "space"
                          : *blank == '\t' ? "tabs"
                                           : "newline");
    if (add && f.path == NULL)
        return cmd_syntax(c, "No host path (--hostpath) was given");
    if (f.transient && f.symlinks != NULL)
        return cmd_syntax(c, "Symlink policies can not be applied to transient shared folders");
    if (f.transient)
        return folder_transient(c, &f, add);
    return edit(c, f.machine, add ? folder_add : folder_remove, &f);
}

const struct command sharedfolder_command = {
    "sharedfolder", "Add and remove shared folders",
    (const char *const[]){
        "add <uuid | vmname> <--name=name> <--hostpath=hostpath> [--readonly] [--automount] "
        "[--auto-mount-point=path] [--symlink-policy=forbidden | subtree | relative | any] [--transient]",
        "remove <uuid | vmname> <--name=name>", NULL},
    folder_options, sharedfolder};

/* ---- bandwidthctl ---- */

enum { TYPE = 1, LIMIT, MACHINE_READABLE };
static const struct option bandwidth_options[] = {
    {TYPE, "--type", OPTION_TEXT, false, "disk | network", "What it limits"},
    {LIMIT, "--limit", OPTION_TEXT, false, "n[k|m|g|K|M|G]", "Small letters: bits, capitals: bytes; 0: none"},
    {MACHINE_READABLE, "--machinereadable", OPTION_NONE, false, NULL, "For scripts"},
    {0},
};

struct bandwidth {
    const char *machine, *name, *type;
    gint64 limit;
    bool limited;
};

/* Bytes a second; without a letter megabytes. Return: NULL, or what is wrong. */
static const char *parse_limit(const char *text, gint64 *ret)
{
    static const struct {
        char letter;
        gint64 unit;
    } units[] = {{'k', 125},     {'m', 125000},  {'g', 125000000}, {'K', 1 << 10},
                 {'M', 1 << 20}, {'G', 1 << 30}, {'\0', 1 << 20}};
    char *end;
    unsigned k = 0;

    errno = 0;
    const gint64 n = g_ascii_strtoll(text, &end, 10);
    if (end == text)
        return "No digits in limit specifier\n";
    if (errno == ERANGE)
        return "Limit is too big\n";
    while (k < G_N_ELEMENTS(units) && units[k].letter != *end)
        k++;
    if (k == G_N_ELEMENTS(units))
        return "Invalid unit suffix. Valid suffixes are: k, m, g, K, M, G\n";
    if (n < 0)
        return "Limit cannot be negative\n";
    if (n > G_MAXINT64 / units[k].unit)
        return "Limit is too big\n";
    *ret = n * units[k].unit;
    return NULL;
}

static bool bandwidth_add(struct cmd *c, const void *what)
{
    const struct bandwidth *b = what;
    const char *type = g_ascii_strcasecmp(b->type, "disk") == 0 ? "Disk" : "Network";

    return TRY(
        c, ibandwidth_control_create_bandwidth_group(c->client, c->session_machine, b->name, type, b->limit, &error));
}

static bool bandwidth_set(struct cmd *c, const void *what)
{
    const struct bandwidth *b = what;

    g_autofree char *group = NULL;
    if (!TRY(c, ibandwidth_control_get_bandwidth_group(c->client, c->session_machine, b->name, &group, &error)))
        return false;
    return cmd_set(c, group, "IBandwidthGroup", "MaxBytesPerSec", g_variant_new_int64(b->limit));
}

static bool bandwidth_remove(struct cmd *c, const void *what)
{
    const struct bandwidth *b = what;

    return TRY(c, ibandwidth_control_delete_bandwidth_group(c->client, c->session_machine, b->name, &error));
}

/* The largest unit that says it exactly. */
struct rate {
    gint64 unit;
    const char *name;
};

static void print_rate(gint64 amount, const struct rate *units)
{
    while (units->unit > 1 && amount % units->unit != 0)
        units++;
    printf("%" G_GINT64_FORMAT " %s", amount / units->unit, units->name);
}

void bandwidth_print(GVariant *group, unsigned number, bool machine_readable)
{
    static const struct rate bytes[] = {{1 << 30, "GiB/s"}, {1 << 20, "MiB/s"}, {1 << 10, "KiB/s"}, {1, "bytes/s"}};
    static const struct rate kilobits[] = {{1000000, "Gbps"}, {1000, "Mbps"}, {1, "kbps"}};
    const gint64 limit = dict_int(group, "MaxBytesPerSec");
    const char *name = dict_str(group, "Name"), *type = dict_str(group, "Type");

    if (machine_readable) {
        printf("BandwidthGroup%u=\"%s\",%s,%" G_GINT64_FORMAT "\n", number, name, type, limit);
        return;
    }
    printf("#%u: Name: '%s', Type: %s, Limit: ", number, name, type);
    if (limit == 0) {
        printf("none (disabled)\n");
        return;
    }
    const bool in_bits = strcmp(type, "Network") == 0 && limit % 125 == 0;
    if (in_bits) {
        print_rate(limit / 125, kilobits);
        printf(" (");
    }
    print_rate(limit, bytes);
    printf("%s\n", in_bits ? ")" : "");
}

static int bandwidth_list(struct cmd *c, const char *name, bool machine_readable)
{
    g_autofree char *machine = cmd_find_machine(c, name);
    g_autoptr(GVariant) d = machine != NULL ? cmd_describe(c, machine, "IMachine") : NULL;

    if (d == NULL)
        return RC_FAILURE;
    g_autoptr(GVariant) list = dict_list(d, "BandwidthGroups");
    if (as_json(c, list))
        return RC_OK;
    if (!machine_readable)
        printf("%s\n", g_variant_n_children(list) == 0 ? "<none>" : "");
    for (gsize k = 0; k < g_variant_n_children(list); k++) {
        g_autoptr(GVariant) g = g_variant_get_child_value(list, k);
        bandwidth_print(g, (unsigned)k, machine_readable);
    }
    return RC_OK;
}

static int bandwidthctl(struct cmd *c)
{
    struct bandwidth b = {0};
    const char *verb = NULL, *wrong;
    bool machine_readable = false;
    struct value v;

    for (int id; (id = cmd_next(c, &v)) != CMD_END;) {
        switch (id) {
        case TYPE: b.type = v.text; break;
        case LIMIT:
            b.limited = true;
            wrong = parse_limit(v.text, &b.limit);
            if (wrong != NULL) {
                cmd_error("%s", wrong);
                return RC_SYNTAX;
            }
            break;
        case MACHINE_READABLE: machine_readable = true; break;
        case CMD_WORD:
            if (b.machine == NULL)
                b.machine = v.text;
            else if (verb == NULL)
                verb = v.text;
            else
                b.name = v.text;
            break;
        default: return RC_SYNTAX;
        }
    }
    if (verb == NULL)
        return cmd_syntax(c, "Too few parameters");
    if (strcmp(verb, "list") == 0)
        return bandwidth_list(c, b.machine, machine_readable);
    if (b.name == NULL)
        return cmd_syntax(c, "Missing bandwidth group name");
    if (strcmp(verb, "remove") == 0)
        return edit(c, b.machine, bandwidth_remove, &b);
    if (!b.limited)
        return cmd_syntax(c, "Missing required option: --limit");
    if (strcmp(verb, "set") == 0)
        return edit(c, b.machine, bandwidth_set, &b);
    if (strcmp(verb, "add") != 0)
        return cmd_syntax(c, "Invalid parameter '%s'", verb);
    if (b.type == NULL)
        return cmd_syntax(c, "Missing required option: --type");
    if (g_ascii_strcasecmp(b.type, "disk") != 0 && g_ascii_strcasecmp(b.type, "network") != 0) {
        cmd_error("Invalid bandwidth group type\n");
        return RC_SYNTAX;
    }
    return edit(c, b.machine, bandwidth_add, &b);
}

const struct command bandwidthctl_command = {
    "bandwidthctl", "Manage bandwidth groups",
    (const char *const[]){"<uuid | vmname> add <bandwidth-group-name> <--limit=bandwidth-limit[k|m|g|K|M|G]> "
                          "<--type= disk | network>",
                          "<uuid | vmname> list [--machinereadable]", "<uuid | vmname> remove <bandwidth-group-name>",
                          "<uuid | vmname> set <bandwidth-group-name> <--limit=bandwidth-limit[k|m|g|K|M|G]>", NULL},
    bandwidth_options, bandwidthctl};
