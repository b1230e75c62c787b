/*
 * import_options.c - import's command line: most options are about the virtual system, or the line of it, named before.
 */
#include <string.h>

#include "frontends/VBoxManage/commands.h"
#include "frontends/VBoxManage/import.h"

enum {
    DRY_RUN = 1,
    OPTIONS,
    VSYS,
    UNIT,
    IGNORE,
    EULA,
    DISK,
    CONTROLLER,
    PORT,
    SCSI,
    DETAILED,
    CLOUD,
    CLOUD_TEXT,
    VALUE /* and those behind it */
};
const struct option import_options[] = {
    {DRY_RUN, "--dry-run|-n|--dryrun|-dry-run", OPTION_NONE, false, NULL, "Only shows what would be done"},
    {OPTIONS, "--options", OPTION_TEXT, false, "keepallmacs | keepnatmacs | importtovdi", "How it is done"},
    {VSYS, "--vsys|-s", OPTION_U32, false, "n", "What follows is about this virtual system"},
    {UNIT, "--unit|-u", OPTION_U32, false, "n", "What follows is about this line of it"},
    {IGNORE, "--ignore|-x", OPTION_NONE, false, NULL, "The unit is left out"},
    {EULA, "--eula|-L", OPTION_TEXT, false, "show | accept", "The license agreement"},
    {DISK, "--disk", OPTION_TEXT, false, "path", "Where the unit's disk goes"},
    {CONTROLLER, "--controller", OPTION_TEXT, false, "index", "The unit's disk is on this controller"},
    {PORT, "--port", OPTION_TEXT, false, "n", "The unit's disk is at this port"},
    {DETAILED, "--detailed-progress", OPTION_NONE, false, NULL, "Say more of how far it is"},
    {CLOUD, "--cloud|-j", OPTION_NONE, false, NULL, "From a cloud"},
    {CLOUD_TEXT, "--cloudprofile|-k", OPTION_TEXT, false, "name", "Of a cloud"},
    {CLOUD_TEXT, "--cloudinstanceid|-l", OPTION_TEXT, false, "id", "Of a cloud"},
    {CLOUD_TEXT, "--cloudbucket|-B", OPTION_TEXT, false, "name", "Of a cloud"},
    {SCSI, "--scsitype|--type|-T", OPTION_TEXT, false, "BusLogic | LsiLogic", "The unit is such a controller"},
    {VALUE + 0, "--ostype|-o", OPTION_TEXT, false, "ostype", "Guest operating system type"},
    {VALUE + 1, "--vmname|-V", OPTION_TEXT, false, "name", "The machine's name"},
    {VALUE + 2, "--settingsfile|-F", OPTION_TEXT, false, "filename", "Its settings file"},
    {VALUE + 3, "--basefolder|-p", OPTION_TEXT, false, "folder", "The folder its own is made in"},
    {VALUE + 4, "--group|-g", OPTION_TEXT, false, "group", "Its group"},
    {VALUE + 5, "--memory|-M", OPTION_TEXT, false, "MB", "RAM"},
    {VALUE + 6, "--cpus|-C", OPTION_TEXT, false, "n", "CPUs"},
    {VALUE + 7, "--description|-d", OPTION_TEXT, false, "text", "Free text"},
    {0},
};
const char *const import_value_types[IMPORT_VALUES] = {"OS",           "Name",   "SettingsFile", "BaseFolder",
                                                       "PrimaryGroup", "Memory", "CPU",          "Description"};

static struct unit *unit_of(struct said *s, guint32 system, guint32 number)
{
    for (unsigned k = 0; k < s->units->len; k++) {
        struct unit *u = &g_array_index(s->units, struct unit, k);
        if (u->system == system && u->number == number)
            return u;
    }
    const struct unit new = {.system = system, .number = number};
    g_array_append_val(s->units, new);
    return &g_array_index(s->units, struct unit, s->units->len - 1);
}

static const struct api_word api_options[] = {
    {"keepallmacs", "KeepAllMACs"}, {"keepnatmacs", "KeepNATMACs"}, {"importtovdi", "ImportToVDI"}, {0}};

static int take_unit(struct cmd *c, struct said *s, int id, const struct value *v, guint32 system, gint64 unit)
{
    if (unit < 0)
        return cmd_syntax(c, "Option \"%s\" requires preceding --vsys and --unit options", v->name);
    struct unit *u = unit_of(s, system, (guint32)unit);
    switch (id) {
    case IGNORE: u->ignore = true; break;
    case DISK: u->disk = v->text; break;
    case CONTROLLER: u->controller = v->text; break;
    case PORT: u->port = v->text; break;
    default: u->scsi = v->text; break;
    }
    return RC_OK;
}

int import_parse(struct cmd *c, struct said *s)
{
    gint64 system = 0, unit = -1;
    struct value v;
    int rc = RC_OK;

    for (int id; rc == RC_OK && (id = cmd_next(c, &v)) != CMD_END;) {
        switch (id) {
        case CMD_ERROR: return RC_SYNTAX;
        case DRY_RUN: s->dry_run = true; break;
        case DETAILED: c->details = true; break;
        case CLOUD:
        case CLOUD_TEXT: s->cloud = true; break;
        case OPTIONS: rc = cmd_api_words(c, "import", v.text, api_options, s->options); break;
        case VSYS:
            system = (gint64)v.number;
            unit = -1;
            if (system >= SYSTEMS_MAX)
                rc = cmd_syntax(c, "Invalid value '%s' for option '--vsys'", v.text);
            break;
        case UNIT: unit = (gint64)v.number; break;
        case EULA: s->eula[system] = v.text; break;
        case CMD_WORD:
            if (s->file != NULL)
                return cmd_syntax(c, "Invalid parameter '%s'", v.text);
            s->file = v.text;
            break;
        default:
            if (id >= VALUE)
                s->values[system][id - VALUE] = v.text;
            else
                rc = take_unit(c, s, id, &v, (guint32)system, unit);
            break;
        }
    }
    if (rc == RC_OK && s->cloud)
        return cmd_error("Clouds are not available; an appliance is imported from an .ovf or .ova file");
    return rc == RC_OK && s->file == NULL ? cmd_syntax(c, "Not enough arguments for \"import\" command.") : rc;
}
