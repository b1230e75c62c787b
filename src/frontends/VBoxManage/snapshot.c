/*
 * snapshot.c - snapshot take, delete, restore, restorecurrent, edit, list, showvminfo.
 */
#include <string.h>

#include "frontends/VBoxManage/commands.h"

enum { DESCRIPTION = 1, LIVE, PAUSE, UNIQUE, NAME, CURRENT, DETAILS, MACHINE_READABLE };
static const struct option options[] = {
    {DESCRIPTION, "--description|--desc|-d", OPTION_TEXT, false, "text", "Free text"},
    {LIVE, "--live|-l", OPTION_NONE, false, NULL, "Accepted: a running machine always goes on by itself"},
    {PAUSE, "--pause|-p", OPTION_NONE, false, NULL, "Accepted"},
    {UNIQUE, "--uniquename|-u", OPTION_TEXT, false, "Number,Timestamp,Space,Force", "What is appended to a name taken"},
    {NAME, "--name|-n|--newname", OPTION_TEXT, false, "name", "New name"},
    {CURRENT, "--current|-c", OPTION_NONE, false, NULL, "The current snapshot"},
    {DETAILS, "--details|-D", OPTION_NONE, false, NULL, "All of each snapshot"},
    {MACHINE_READABLE, "--machinereadable|-M|--machine-readable", OPTION_NONE, false, NULL, "KEY=\"VALUE\" lines"},
    {0},
};

struct request {
    const char *machine_name, *verb, *word, *description, *name, *unique;
    bool current, details, machine_readable;
    char *machine; /* object */
};

/* Object of a snapshot and what it says; NULL: said. */
static GVariant *find(struct cmd *c, const struct request *r, const char *name, char **ret_object)
{
    if (!TRY(c, imachine_find_snapshot(c->client, r->machine, name, ret_object, &error)))
        return NULL;
    GError *error = NULL;
    GVariantDict d;
    static const char *const properties[] = {"Id", "Name", "Description"};
    g_variant_dict_init(&d, NULL);
    for (unsigned k = 0; k < G_N_ELEMENTS(properties); k++) {
        g_autoptr(GVariant) val = client_get(c->client, *ret_object, "ISnapshot", properties[k], &error);
        if (val == NULL) {
            cmd_com_error(c, &error, "COMGETTER(Name)", __LINE__, __FILE__);
            g_variant_dict_clear(&d);
            return NULL;
        }
        g_variant_dict_insert_value(&d, properties[k], val);
    }
    return g_variant_ref_sink(g_variant_dict_end(&d));
}

/* The current snapshot's id; NULL: said. */
static char *current_id(struct cmd *c, const struct request *r)
{
    g_autoptr(GVariant) d = cmd_describe(c, r->machine, "IMachine");

    if (d != NULL && *dict_str(d, "CurrentSnapshot") != '\0')
        return g_strdup(dict_str(d, "CurrentSnapshot"));
    if (d != NULL)
        printf("This machine does not have any snapshots\n");
    return NULL;
}

/* ---- take ---- */

static bool taken(struct cmd *c, const struct request *r, const char *name)
{
    GError *error = NULL;
    char *object = NULL;
    bool there = imachine_find_snapshot(c->client, r->machine, name, &object, &error);

    g_clear_error(&error);
    g_free(object);
    return there;
}

/* The name as --uniquename wants it; NULL: said. */
static char *unique_name(struct cmd *c, const struct request *r)
{
    g_auto(GStrv) words = g_strsplit(r->unique != NULL ? r->unique : "", ",", -1);
    bool number = false, stamp = false, space = false, force = false;

    for (unsigned k = 0; words[k] != NULL && *words[k] != '\0'; k++) {
        bool *flag = g_ascii_strcasecmp(words[k], "Number") == 0      ? &number
                     : g_ascii_strcasecmp(words[k], "Timestamp") == 0 ? &stamp
                     : g_ascii_strcasecmp(words[k], "Space") == 0     ? &space
                     : g_ascii_strcasecmp(words[k], "Force") == 0     ? &force
                                                                      : NULL;
        if (flag == NULL) {
            cmd_error("Invalid unique name description '%s'", words[k]);
            return NULL;
        }
        *flag = true;
    }
    if ((!number && !stamp) || (!force && !taken(c, r, r->word)))
        return g_strdup(r->word);
    g_autoptr(GDateTime) now = g_date_time_new_now_utc();
    g_autofree char *when = g_date_time_format(now, "%Y-%m-%dT%H-%M-%SZ");
    char *name = g_strdup_printf("%s%s%s", r->word, space ? " " : "", stamp ? when : "1");
    for (unsigned n = 2; taken(c, r, name); n++) {
        g_free(name);
        name = g_strdup_printf("%s%s%s%s%u", r->word, space ? " " : "", stamp ? when : "", stamp ? "-" : "", n);
    }
    return name;
}

static int take(struct cmd *c, struct request *r)
{
    char *id = NULL, *progress = NULL;

    if (r->word == NULL)
        return cmd_syntax(c, "Missing snapshot name");
    g_autofree char *name = unique_name(c, r);
    if (name == NULL)
        return RC_SYNTAX;
    if (!cmd_lock_shared(c, r->machine) ||
        !TRY(c, imachine_take_snapshot(c->client, c->session_machine, name,
                                       r->description != NULL ? r->description : "", true, &id, &progress, &error)))
        return RC_FAILURE;
    g_autofree char *uuid = id, *object = progress;
    if (!cmd_progress(c, object))
        return RC_FAILURE;
    printf("Snapshot taken. UUID: %s\n", uuid);
    return RC_OK;
}

/* ---- delete, restore ---- */

static int delete (struct cmd *c, struct request *r)
{
    char *object = NULL, *progress = NULL;

    if (r->word == NULL)
        return cmd_syntax(c, "Missing snapshot name");
    g_autoptr(GVariant) s = find(c, r, r->word, &object);
    g_free(object);
    if (s == NULL || !cmd_lock_shared(c, r->machine))
        return RC_FAILURE;
    printf("Deleting snapshot '%s' (%s)\n", dict_str(s, "Name"), dict_str(s, "Id"));
    fflush(stdout);
    if (!TRY(c, imachine_delete_snapshot(c->client, c->session_machine, dict_str(s, "Id"), &progress, &error)))
        return RC_FAILURE;
    g_autofree char *path = progress;
    return cmd_progress(c, path) ? RC_OK : RC_FAILURE;
}

static int restore_one(struct cmd *c, struct request *r, const char *name)
{
    char *found = NULL, *progress = NULL;
    g_autoptr(GVariant) s = find(c, r, name, &found);
    g_autofree char *object = found;

    if (s == NULL || !cmd_lock_shared(c, r->machine))
        return RC_FAILURE;
    printf("Restoring snapshot '%s' (%s)\n", dict_str(s, "Name"), dict_str(s, "Id"));
    fflush(stdout);
    if (!TRY(c, imachine_restore_snapshot(c->client, c->session_machine, object, &progress, &error)))
        return RC_FAILURE;
    g_autofree char *path = progress;
    return cmd_progress(c, path) ? RC_OK : RC_FAILURE;
}

static int restore(struct cmd *c, struct request *r)
{
    return r->word != NULL ? restore_one(c, r, r->word) : cmd_syntax(c, "Missing snapshot name");
}

static int restore_current(struct cmd *c, struct request *r)
{
    if (r->word != NULL)
        return cmd_syntax(c, "Too many arguments");
    g_autofree char *id = current_id(c, r);
    return id != NULL ? restore_one(c, r, id) : RC_FAILURE;
}

/* ---- the rest ---- */

static int edit(struct cmd *c, struct request *r)
{
    char *found = NULL;

    if ((r->word == NULL) == !r->current)
        return cmd_syntax(c, r->current ? "Too many parameters" : "Missing snapshot name");
    g_autofree char *id = r->current ? current_id(c, r) : g_strdup(r->word);
    g_autoptr(GVariant) s = id != NULL ? find(c, r, id, &found) : NULL;
    g_autofree char *object = found;
    if (s == NULL)
        return RC_FAILURE;
    if (r->name != NULL && !cmd_set(c, object, "ISnapshot", "Name", g_variant_new_string(r->name)))
        return RC_FAILURE;
    if (r->description != NULL && !cmd_set(c, object, "ISnapshot", "Description", g_variant_new_string(r->description)))
        return RC_FAILURE;
    return RC_OK;
}

static int list(struct cmd *c, struct request *r)
{
    g_autoptr(GVariant) d = cmd_describe(c, r->machine, "IMachine");

    if (d == NULL)
        return RC_FAILURE;
    g_autoptr(GVariant) all = dict_list(d, "Snapshots");
    if (as_json(c, all))
        return RC_OK;
    if (g_variant_n_children(all) == 0) {
        printf("This machine does not have any snapshots\n");
        return RC_FAILURE;
    }
    snapshots_print(d, r->machine_readable, r->details);
    return RC_OK;
}

static int show(struct cmd *c, struct request *r)
{
    char *found = NULL;

    if (r->word == NULL)
        return cmd_syntax(c, "Missing snapshot name");
    g_autoptr(GVariant) s = find(c, r, r->word, &found);
    g_autofree char *object = found;
    g_autoptr(GVariant) d = s != NULL ? cmd_describe(c, object, "ISnapshot") : NULL;
    return d != NULL ? show_machine_info(c, d, r->machine_readable) : RC_FAILURE;
}

static const struct verb {
    const char *names;
    int (*run)(struct cmd *c, struct request *r);
} verbs[] = {{"take", take},       {"delete|discard", delete},
             {"restore", restore}, {"restorecurrent|discardcurrent", restore_current},
             {"edit", edit},       {"list", list},
             {"showvminfo", show}};

static const struct verb *verb_find(const char *name)
{
    for (unsigned k = 0; k < G_N_ELEMENTS(verbs); k++) {
        g_auto(GStrv) names = g_strsplit(verbs[k].names, "|", -1);
        if (g_strv_contains((const char *const *)names, name))
            return &verbs[k];
    }
    return NULL;
}

static int parse(struct cmd *c, struct request *r)
{
    struct value v;

    for (int id; (id = cmd_next(c, &v)) != CMD_END;) {
        switch (id) {
        case DESCRIPTION: r->description = v.text; break;
        case NAME: r->name = v.text; break;
        case UNIQUE: r->unique = v.text; break;
        case CURRENT: r->current = true; break;
        case DETAILS: r->details = true; break;
        case MACHINE_READABLE: r->machine_readable = true; break;
        case LIVE:
        case PAUSE: break;
        case CMD_WORD: {
            const char **to = r->machine_name == NULL ? &r->machine_name : r->verb == NULL ? &r->verb : &r->word;
            if (*to != NULL)
                return cmd_syntax(c, "Too many parameters");
            *to = v.text;
            break;
        }
        default: return RC_SYNTAX;
        }
    }
    if (r->machine_name == NULL)
        return cmd_syntax(c, "VM name or UUID required");
    return r->verb != NULL ? RC_OK : cmd_syntax(c, "Not enough parameters");
}

static int snapshot(struct cmd *c)
{
    struct request r = {0};
    int rc = parse(c, &r);
    const struct verb *verb = rc == RC_OK ? verb_find(r.verb) : NULL;

    if (rc != RC_OK)
        return rc;
    if (verb == NULL)
        return cmd_syntax(c, "Invalid parameter '%s'", r.verb);
    g_autofree char *machine = cmd_find_machine(c, r.machine_name);
    r.machine = machine;
    return machine != NULL ? verb->run(c, &r) : RC_FAILURE;
}

const struct command snapshot_command = {
    "snapshot", "Manage virtual machine snapshots",
    (const char *const[]){"<uuid | vmname> take <snapshot-name> [--description=description] [--live] "
                          "[--uniquename Number,Timestamp,Space,Force]",
                          "<uuid | vmname> delete <snapshot-name>", "<uuid | vmname> restore <snapshot-name>",
                          "<uuid | vmname> restorecurrent",
                          "<uuid | vmname> edit <snapshot-name | --current> [--description=description] "
                          "[--name=new-name]",
                          "<uuid | vmname> list [--details | --machinereadable]",
                          "<uuid | vmname> showvminfo <snapshot-name>", NULL},
    options, snapshot};
