/*
 * usbfilter.c - usbfilter: which USB devices a machine gets, or the host keeps.
 */
#include <stdlib.h>
#include <string.h>

#include "frontends/VBoxManage/commands.h"

#define HOST API_ROOT "/Host"

enum { TARGET = 1, ACTION, ACTIVE, MASKED, TEXTS };
static const struct option options[] = {
    {TARGET, "--target", OPTION_TEXT, false, "uuid | vmname | global", "Whose filter"},
    {ACTION, "--action", OPTION_TEXT, false, "ignore | hold", "Of a global filter"},
    {ACTIVE, "--active", OPTION_ON_OFF, false, "yes | no", "Whether it works"},
    {MASKED, "--maskedinterfaces", OPTION_U32, false, "bits", "Interfaces the guest does not see"},
    {TEXTS + 0, "--name", OPTION_TEXT, false, "string", "Its name"},
    {TEXTS + 1, "--vendorid", OPTION_TEXT, false, "XXXX", "Hexadecimal"},
    {TEXTS + 2, "--productid", OPTION_TEXT, false, "XXXX", "Hexadecimal"},
    {TEXTS + 3, "--revision", OPTION_TEXT, false, "IIFF", "Integer and fractional digits"},
    {TEXTS + 4, "--manufacturer", OPTION_TEXT, false, "string", "As the device says"},
    {TEXTS + 5, "--product", OPTION_TEXT, false, "string", "As the device says"},
    {TEXTS + 6, "--port", OPTION_TEXT, false, "hex", "Of the host"},
    {TEXTS + 7, "--serialnumber", OPTION_TEXT, false, "string", "As the device says"},
    {TEXTS + 8, "--remote", OPTION_TEXT, false, "yes | no", "Devices of the remote display's client"},
    {0},
};
static const char *const text_keys[] = {"Name",    "VendorId", "ProductId",    "Revision", "Manufacturer",
                                        "Product", "Port",     "SerialNumber", "Remote"};

struct filter {
    const char *target, *action;
    guint32 index;
    GVariantDict dict;
    bool named;
};

static int take(struct cmd *c, struct filter *f, int id, const struct value *v)
{
    switch (id) {
    case TARGET: f->target = v->text; break;
    case ACTION:
        f->action = g_ascii_strcasecmp(v->text, "ignore") == 0 ? "Ignore"
                    : g_ascii_strcasecmp(v->text, "hold") == 0 ? "Hold"
                                                               : NULL;
        if (f->action == NULL)
            return cmd_syntax(c, "Invalid USB filter action '%s'", v->text);
        g_variant_dict_insert(&f->dict, "Action", "s", f->action);
        break;
    case ACTIVE: g_variant_dict_insert(&f->dict, "Active", "b", (gboolean)v->on); break;
    case MASKED: g_variant_dict_insert(&f->dict, "MaskedInterfaces", "u", (guint32)v->number); break;
    case CMD_WORD: return cmd_syntax(c, "Invalid parameter '%s'", v->text);
    case CMD_ERROR: return RC_SYNTAX;
    default:
        f->named |= id == TEXTS;
        g_variant_dict_insert(&f->dict, text_keys[id - TEXTS], "s", v->text);
        break;
    }
    return RC_OK;
}

static bool on_host(struct cmd *c, const char *verb, guint32 index, GVariant *dict)
{
    if (strcmp(verb, "add") == 0)
        return TRY(c, ihost_insert_usb_device_filter(c->client, HOST, index, dict, &error));
    if (strcmp(verb, "modify") == 0)
        return TRY(c, ihost_modify_usb_device_filter(c->client, HOST, index, dict, &error));
    return TRY(c, ihost_remove_usb_device_filter(c->client, HOST, index, &error));
}

static bool on_machine(struct cmd *c, const char *verb, guint32 index, GVariant *dict)
{
    if (strcmp(verb, "add") == 0)
        return TRY(c, iusb_device_filters_insert_device_filter(c->client, c->session_machine, index, dict, &error));
    if (strcmp(verb, "modify") == 0)
        return TRY(c, iusb_device_filters_modify_device_filter(c->client, c->session_machine, index, dict, &error));
    return TRY(c, iusb_device_filters_remove_device_filter(c->client, c->session_machine, index, &error));
}

static int carry_out(struct cmd *c, const char *verb, const struct filter *f, GVariant *dict)
{
    bool global = strcmp(f->target, "global") == 0, add = strcmp(verb, "add") == 0;

    if (add && !f->named)
        return cmd_syntax(c, "Mandatory parameter --name is missing");
    if (add && global && f->action == NULL)
        return cmd_syntax(c, "Mandatory parameter --action is missing");
    if (global)
        return cmd_client(c) != NULL && on_host(c, verb, f->index, dict) ? RC_OK : RC_FAILURE;
    g_autofree char *machine = cmd_find_machine(c, f->target);
    return machine != NULL && cmd_lock(c, machine) && on_machine(c, verb, f->index, dict) && cmd_save(c) ? RC_OK
                                                                                                         : RC_FAILURE;
}

static int usbfilter(struct cmd *c)
{
    const char *verb = cmd_word(c), *index = cmd_word(c);
    struct filter f = {0};
    char *end = NULL;
    struct value v;
    int rc = RC_OK;

    if (index == NULL)
        return cmd_syntax(c, "Not enough parameters");
    bool add = strcmp(verb, "add") == 0;
    if (!add && strcmp(verb, "modify") != 0 && strcmp(verb, "remove") != 0)
        return cmd_syntax(c, "Invalid parameter '%s'", verb);
    guint64 n = g_ascii_strtoull(index, &end, 10);
    if (*index == '\0' || *end != '\0' || n > G_MAXUINT32)
        return cmd_syntax(c, "Invalid index '%s'", index);
    f.index = (guint32)n;
    g_variant_dict_init(&f.dict, NULL);
    if (add)
        g_variant_dict_insert(&f.dict, "Active", "b", TRUE);
    for (int id; rc == RC_OK && (id = cmd_next(c, &v)) != CMD_END;)
        rc = take(c, &f, id, &v);
    g_autoptr(GVariant) dict = g_variant_ref_sink(g_variant_dict_end(&f.dict));
    if (rc == RC_OK && f.target == NULL)
        rc = cmd_syntax(c, "Mandatory parameter --target is missing");
    return rc == RC_OK ? carry_out(c, verb, &f, dict) : rc;
}

const struct command usbfilter_command = {
    "usbfilter", "Manage USB filters",
    (const char *const[]){"add <index,0-N> <--target=uuid | vmname | global> <--name=string> <--action=ignore | hold> "
                          "[--active=yes | no] [--vendorid=XXXX] [--productid=XXXX] [--revision=IIFF] "
                          "[--manufacturer=string] [--product=string] [--port=hex] [--remote=yes | no] "
                          "[--serialnumber=string] [--maskedinterfaces=XXXXXXXX]",
                          "modify <index,0-N> <--target=uuid | vmname | global> [options as above]",
                          "remove <index,0-N> <--target=uuid | vmname | global>", NULL},
    options, usbfilter};

/* ---- shown ---- */

void usb_filters_print(GVariant *list)
{
    static const char *const rows[][2] = {
        {"Name:", "Name"},         {"VendorId:", "VendorId"},         {"ProductId:", "ProductId"},
        {"Revision:", "Revision"}, {"Manufacturer:", "Manufacturer"}, {"Product:", "Product"}};

    if (g_variant_n_children(list) == 0)
        printf("<none>\n\n");
    for (gsize k = 0; k < g_variant_n_children(list); k++) {
        g_autoptr(GVariant) f = g_variant_get_child_value(list, k);
        printf("Index:            %u\nActive:           %s\n", (unsigned)k, dict_bool(f, "Active") ? "yes" : "no");
        printf("Action:           %s\n", dict_str(f, "Action"));
        for (unsigned n = 0; n < G_N_ELEMENTS(rows); n++)
            printf("%-17s %s\n", rows[n][0], dict_str(f, rows[n][1]));
        printf("Serial Number:    %s\nPort:             %s\n\n", dict_str(f, "SerialNumber"), dict_str(f, "Port"));
    }
}
