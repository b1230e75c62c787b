/*
 * export.c - export: machines become an appliance.
 */
#include <string.h>

#include "frontends/VBoxManage/commands.h"

enum { OUTPUT = 1, OVF09, OVF10, OVF20, MANIFEST, OPTIONS, VSYS, EULA_FILE, CLOUD, VALUE /* and those behind it */ };
static const struct option options[] = {
    {OUTPUT, "--output|-o", OPTION_TEXT, false, "name", "The .ovf or .ova file"},
    {OVF09, "--ovf09|--legacy09|-l", OPTION_NONE, false, NULL, "OVF 0.9"},
    {OVF10, "--ovf10|-1", OPTION_NONE, false, NULL, "OVF 1.0 (the default)"},
    {OVF20, "--ovf20|-2", OPTION_NONE, false, NULL, "OVF 2.0"},
    {MANIFEST, "--manifest|-m", OPTION_NONE, false, NULL, "With digests of the files"},
    {OPTIONS, "--options", OPTION_TEXT, false, "manifest | iso | nomacs | nomacsbutnat", "What is in it"},
    {VSYS, "--vsys|-s", OPTION_U32, false, "n", "What follows is about this virtual system"},
    {EULA_FILE, "--eulafile|-L", OPTION_TEXT, false, "filename", "A license agreement from a file"},
    {CLOUD, "--opc10|-c", OPTION_NONE, false, NULL, "For a cloud"},
    {CLOUD, "--cloud|-C", OPTION_TEXT, false, "n", "For a cloud"},
    {CLOUD, "--cloudprofile|-F", OPTION_TEXT, false, "name", "For a cloud"},
    {CLOUD, "--cloudshape|-S", OPTION_TEXT, false, "name", "For a cloud"},
    {CLOUD, "--clouddomain|-D", OPTION_TEXT, false, "domain", "For a cloud"},
    {CLOUD, "--clouddisksize|-R", OPTION_TEXT, false, "GB", "For a cloud"},
    {CLOUD, "--cloudbucket|-B", OPTION_TEXT, false, "name", "For a cloud"},
    {CLOUD, "--cloudocivcn|-Q", OPTION_TEXT, false, "id", "For a cloud"},
    {CLOUD, "--cloudocisubnet|-T", OPTION_TEXT, false, "id", "For a cloud"},
    {CLOUD, "--cloudpublicip|-A", OPTION_TEXT, false, "true | false", "For a cloud"},
    {CLOUD, "--cloudprivateip|-i", OPTION_TEXT, false, "address", "For a cloud"},
    {CLOUD, "--cloudkeepobject|-K", OPTION_TEXT, false, "true | false", "For a cloud"},
    {CLOUD, "--cloudlaunchinstance", OPTION_TEXT, false, "true | false", "For a cloud"},
    {CLOUD, "--cloudlaunchmode|-M", OPTION_TEXT, false, "EMULATED | PARAVIRTUALIZED", "For a cloud"},
    {CLOUD, "--cloudinitscriptpath|-I", OPTION_TEXT, false, "path", "For a cloud"},
    {VALUE + 0, "--vmname", OPTION_TEXT, false, "name", "The virtual system's name"},
    {VALUE + 1, "--product|-p", OPTION_TEXT, false, "text", "About the product"},
    {VALUE + 2, "--producturl|-P", OPTION_TEXT, false, "url", "About the product"},
    {VALUE + 3, "--vendor|-n", OPTION_TEXT, false, "text", "About the vendor"},
    {VALUE + 4, "--vendorurl|-N", OPTION_TEXT, false, "url", "About the vendor"},
    {VALUE + 5, "--version|-v", OPTION_TEXT, false, "text", "Of the product"},
    {VALUE + 6, "--description|-d", OPTION_TEXT, false, "text", "Free text"},
    {VALUE + 7, "--eula|-e", OPTION_TEXT, false, "text", "A license agreement"},
    {0},
};
static const char *const value_types[] = {"Name",      "Product", "ProductUrl",  "Vendor",
                                          "VendorUrl", "Version", "Description", "License"};

struct text {
    guint32 system;
    const char *type;
    char *value;
};
struct exported {
    GPtrArray *machines, *options; /* names */
    GPtrArray *texts;              /* struct text */
    const char *output, *format;
    bool cloud;
};

static void text_free(void *p)
{
    struct text *t = p;

    g_free(t->value);
    g_free(t);
}

static void add_text(struct exported *e, guint32 system, const char *type, char *value)
{
    struct text *t = g_new0(struct text, 1);

    *t = (struct text){system, type, value};
    g_ptr_array_add(e->texts, t);
}

static const struct api_word api_options[] = {{"manifest", "CreateManifest"},
                                              {"iso", "ExportDVDImages"},
                                              {"nomacs", "StripAllMACs"},
                                              {"nomacsbutnat", "StripAllNonNATMACs"},
                                              {0}};

static int parse(struct cmd *c, struct exported *e)
{
    guint32 system = 0;
    struct value v;
    int rc = RC_OK;

    e->format = "ovf-1.0";
    for (int id; rc == RC_OK && (id = cmd_next(c, &v)) != CMD_END;) {
        char *license = NULL;
        switch (id) {
        case CMD_ERROR: return RC_SYNTAX;
        case OUTPUT: e->output = v.text; break;
        case OVF09: e->format = "ovf-0.9"; break;
        case OVF10: e->format = "ovf-1.0"; break;
        case OVF20: e->format = "ovf-2.0"; break;
        case CLOUD: e->cloud = true; break;
        case MANIFEST: g_ptr_array_add(e->options, (void *)"CreateManifest"); break;
        case OPTIONS: rc = cmd_api_words(c, "export", v.text, api_options, e->options); break;
        case VSYS: system = (guint32)v.number; break;
        case EULA_FILE:
            if (!g_file_get_contents(v.text, &license, NULL, NULL))
                return cmd_error("Cannot read license file \"%s\"", v.text);
            add_text(e, system, "License", license);
            break;
        case CMD_WORD: g_ptr_array_add(e->machines, (void *)v.text); break;
        default: add_text(e, system, value_types[id - VALUE], g_strdup(v.text)); break;
        }
    }
    if (rc == RC_OK && e->machines->len == 0)
        return cmd_syntax(c, "At least one machine must be specified with the export command.");
    if (rc == RC_OK && (e->cloud || (e->output != NULL && g_str_has_suffix(e->output, "://"))))
        return cmd_error("Clouds are not available; machines are exported to an .ovf or .ova file");
    return rc == RC_OK && e->output == NULL ? cmd_syntax(c, "Missing --output argument with export command.") : rc;
}

static bool fill(struct cmd *c, const char *appliance, const struct exported *e)
{
    for (unsigned k = 0; k < e->machines->len; k++) {
        g_autofree char *machine = cmd_find_machine(c, e->machines->pdata[k]);
        if (machine == NULL || !TRY(c, iappliance_add_machine(c->client, appliance, machine, &error)))
            return false;
    }
    for (unsigned k = 0; k < e->texts->len; k++) {
        const struct text *t = e->texts->pdata[k];
        if (!TRY(c, iappliance_add_description(c->client, appliance, t->system, t->type, t->value, &error)))
            return false;
    }
    return true;
}

static int export_all(struct cmd *c, const struct exported *e)
{
    g_autofree char *path = cmd_absolute(e->output), *appliance = NULL, *progress = NULL;

    g_ptr_array_add(e->options, NULL);
    if (cmd_client(c) == NULL || !TRY(c, ivirtual_box_create_appliance(c->client, API_PATH, &appliance, &error)) ||
        !fill(c, appliance, e) ||
        !TRY(c, iappliance_write(c->client, appliance, e->format, (const char *const *)e->options->pdata, path,
                                 &progress, &error)) ||
        !cmd_progress(c, progress))
        return RC_FAILURE;
    printf("Successfully exported %u machine(s).\n", e->machines->len);
    return RC_OK;
}

static int export(struct cmd *c)
{
    g_autoptr(GPtrArray) machines = g_ptr_array_new(), words = g_ptr_array_new();
    g_autoptr(GPtrArray) texts = g_ptr_array_new_with_free_func(text_free);
    struct exported e = {.machines = machines, .options = words, .texts = texts};
    int rc = parse(c, &e);

    return rc == RC_OK ? export_all(c, &e) : rc;
}

const struct command export_command = {
    "export", "Export one or more virtual machines to a virtual appliance",
    (const char *const[]){"<machines> <--output=name> [--legacy09 | --ovf09 | --ovf10 | --ovf20] [--manifest] "
                          "[--options= manifest | iso | nomacs | nomacsbutnat] [--vsys=n] [--description=text] "
                          "[--eula=text] [--eulafile=filename] [--product=name] [--producturl=url] [--vendor=name] "
                          "[--vendorurl=url] [--version=text] [--vmname=name]",
                          "<machine> <--output=cloud-service-provider> [--opc10] [--vmname=name] [--cloud=n] "
                          "[--cloudprofile=name] [--cloudshape=name] [--clouddomain=domain] [--clouddisksize=GB] "
                          "[--cloudbucket=name] [--cloudocivcn=id] [--cloudocisubnet=id] [--cloudkeepobject=true | "
                          "false] [--cloudlaunchinstance=true | false] [--cloudlaunchmode=EMULATED | "
                          "PARAVIRTUALIZED] [--cloudpublicip=true | false] [--cloudprivateip=address] "
                          "[--cloudinitscriptpath=path]",
                          NULL},
    options, export};
