/*
 * internal.c - internalcommands: tools that work on image files and host disks without the service.
 *
 * VirtualBox calls them unsupported; scripts use some all the same. loadmap, loadsyms and gueststats need parts that
 * are not here and say so; modinstall and moduninstall have no kernel module to load.
 */
#include <string.h>

#include "frontends/VBoxManage/commands.h"
#include "frontends/VBoxManage/internal.h"

static const struct option options[] = {
    {INTERNAL_FILENAME, "--filename", OPTION_TEXT, false, "filename", "The VMDK that is made"},
    {INTERNAL_RAWDISK, "--rawdisk", OPTION_TEXT, false, "diskname", "Disk of the host"},
    {INTERNAL_PARTITIONS, "--partitions", OPTION_TEXT, false, "numbers", "Only these partitions, with commas between"},
    {INTERNAL_MBR, "--mbr", OPTION_TEXT, false, "filename", "Boot code in place of the disk's"},
    {INTERNAL_RELATIVE, "--relative", OPTION_NONE, false, NULL, "Partitions by their own devices"},
    {INTERNAL_FROM, "--from", OPTION_TEXT, false, "filename", "Image to rename"},
    {INTERNAL_TO, "--to", OPTION_TEXT, false, "filename", "Its new name"},
    {INTERNAL_FORMAT, "--format", OPTION_TEXT, false, "format", "The image's; default: what it looks like"},
    {INTERNAL_SRC_FORMAT, "--srcformat", OPTION_TEXT, false, "format", "The same of the input image"},
    {INTERNAL_DST_FORMAT, "--dstformat", OPTION_TEXT, false, "format", "Of the new image; default VDI"},
    {INTERNAL_DRY_RUN, "--dry-run", OPTION_NONE, false, NULL, "Only look"},
    {INTERNAL_ENABLE, "--enable", OPTION_NONE, false, NULL, "Logging on"},
    {INTERNAL_DISABLE, "--disable", OPTION_NONE, false, NULL, "Logging off"},
    {INTERNAL_FLAGS, "--flags", OPTION_TEXT, false, "flags", "As debugvm logflags has them"},
    {INTERNAL_GROUPS, "--groups", OPTION_TEXT, false, "groups", "As debugvm log has them"},
    {INTERNAL_DESTINATIONS, "--destinations", OPTION_TEXT, false, "destinations", "As debugvm logdest has them"},
    {INTERNAL_INTERVAL, "--interval", OPTION_U32, false, "seconds", "Between two measurements"},
    {0},
};

int internal_syntax(struct cmd *c, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    g_autofree char *text = g_strdup_vprintf(fmt, args);
    va_end(args);
    usage_print(c->command, stderr);
    fprintf(stderr, "Syntax error: %s\n", text);
    return RC_SYNTAX;
}

/* ---- not about disks ---- */

static int password_hash(struct cmd *c, const struct internal *n)
{
    (void)c;
    g_autofree char *hash = g_compute_checksum_for_string(G_CHECKSUM_SHA256, n->word[0], -1);
    printf("Password hash: %s\n", hash);
    return RC_OK;
}

static int no_module(struct cmd *c, const struct internal *n)
{
    (void)c, (void)n;
    return RC_OK;
}

static int no_symbols(struct cmd *c, const struct internal *n)
{
    (void)c;
    return cmd_error("Symbols are not loaded into the machine; give '%s' to gdb beside --debug", n->word[1]);
}

static int guest_stats(struct cmd *c, const struct internal *n)
{
    g_autofree char *machine = cmd_find_machine(c, n->word[0]);

    return machine == NULL ? RC_FAILURE : cmd_error("The guest of '%s' reports no statistics", n->word[0]);
}

static int debug_log(struct cmd *c, const struct internal *n)
{
    g_autofree char *machine = cmd_find_machine(c, n->word[0]);
    char *console = NULL;

    if (machine == NULL || !cmd_console(c, machine, n->word[0], &console))
        return RC_FAILURE;
    g_autofree char *object = console;
    const char *flags = n->text[INTERNAL_FLAGS], *groups = n->text[INTERNAL_GROUPS];
    const char *destinations = n->text[INTERNAL_DESTINATIONS];
    const bool on = n->text[INTERNAL_ENABLE] != NULL, off = n->text[INTERNAL_DISABLE] != NULL;
    bool ok = !off || TRY(c, imachine_debugger_modify_log_flags(c->client, object, "disabled", &error));
    ok = ok && (flags == NULL || TRY(c, imachine_debugger_modify_log_flags(c->client, object, flags, &error)));
    ok = ok && (groups == NULL || TRY(c, imachine_debugger_modify_log_groups(c->client, object, groups, &error)));
    ok = ok && (destinations == NULL ||
                TRY(c, imachine_debugger_modify_log_destinations(c->client, object, destinations, &error)));
    ok = ok && (!on || TRY(c, imachine_debugger_modify_log_flags(c->client, object, "enabled", &error)));
    return ok ? RC_OK : RC_FAILURE;
}

/* ---- the command ---- */

static const struct {
    const char *verb;
    unsigned least, most; /* words behind the verb */
    const char *missing;  /* said when there are fewer */
    int (*run)(struct cmd *c, const struct internal *n);
} verbs[] = {{"sethduuid", 1, 2, "Not enough parameters", internal_set_uuid},
             {"sethdparentuuid", 2, 2, "Not enough parameters", internal_set_parent_uuid},
             {"dumphdinfo", 1, 1, "Not enough parameters", internal_dump_info},
             {"listpartitions", 0, 0, NULL, internal_list_partitions},
             {"createrawvmdk", 0, 0, NULL, internal_create_raw},
             {"renamevmdk", 0, 0, NULL, internal_rename},
             {"converttoraw", 2, 2, "Mandatory outputfile parameter missing", internal_to_raw},
             {"converthd", 2, 2, "Mandatory output image parameter missing", internal_convert},
             {"repairhd", 1, 1, "Mandatory input image parameter missing", internal_repair},
             {"passwordhash", 1, 1, "password to hash required", password_hash},
             {"modinstall", 0, 0, NULL, no_module},
             {"moduninstall", 0, 0, NULL, no_module},
             {"debuglog", 1, 1, "Missing VM name/UUID", debug_log},
             {"gueststats", 1, 1, "Missing VM name/UUID", guest_stats},
             {"loadmap", 3, 6, "Not enough arguments", no_symbols},
             {"loadsyms", 2, 5, "Not enough arguments", no_symbols}};

static int internal(struct cmd *c)
{
    const char *verb = cmd_word(c);
    struct internal n = {0};
    unsigned k = 0;
    struct value v;

    if (verb == NULL)
        return internal_syntax(c, "Command missing");
    while (k < G_N_ELEMENTS(verbs) && strcmp(verbs[k].verb, verb) != 0)
        k++;
    if (k == G_N_ELEMENTS(verbs))
        return internal_syntax(c, "Invalid command '%s'", verb);
    for (int id; (id = cmd_next(c, &v)) != CMD_END;) {
        if (id == CMD_ERROR)
            return RC_SYNTAX;
        if (id != CMD_WORD)
            n.text[id] = v.text != NULL ? v.text : "";
        else if (n.words < verbs[k].most)
            n.word[n.words++] = v.text;
        else
            return internal_syntax(c, "Invalid parameter '%s'", v.text);
    }
    if (n.words < verbs[k].least)
        return internal_syntax(c, "%s", verbs[k].missing);
    return verbs[k].run(c, &n);
}

const struct command internalcommands_command = {
    "internalcommands", "Tools for image files, and for analysing problems",
    (const char *const[]){"sethduuid <filepath> [<uuid>]", "sethdparentuuid <filepath> <uuid>", "dumphdinfo <filepath>",
                          "listpartitions -rawdisk <diskname>",
                          "createrawvmdk --filename <filename> --rawdisk <diskname> [--partitions <list of partition "
                          "numbers> [--mbr <filename>]] [--relative]",
                          "renamevmdk -from <filename> -to <filename>",
                          "converttoraw [-format <fileformat>] <filename> <outputfile>|stdout",
                          "converthd [-srcformat VDI|VMDK|VHD|RAW] [-dstformat VDI|VMDK|VHD|RAW] <inputfile> "
                          "<outputfile>",
                          "repairhd [-dry-run] [-format VDI|VMDK|VHD|...] <filename>", "passwordhash <password>",
                          "debuglog <vmname|uuid> [--enable|--disable] [--flags <flags>] [--groups <groups>] "
                          "[--destinations <destinations>]",
                          "gueststats <vmname|uuid> [--interval <seconds>]",
                          "loadmap <vmname|uuid> <symfile> <address> [module] [subtrahend] [segment]",
                          "loadsyms <vmname|uuid> <symfile> [delta] [module] [module address]", "modinstall",
                          "moduninstall", NULL},
    options, internal};
