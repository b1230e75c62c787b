/*
 * usbdevsource.c - usbdevsource: where USB devices come from besides this host's own ports.
 */
#include <string.h>

#include "frontends/VBoxManage/commands.h"

#define HOST API_ROOT "/Host"

enum { BACKEND = 1, ADDRESS };
static const struct option options[] = {
    {BACKEND, "--backend", OPTION_TEXT, false, "backend", "USBIP"},
    {ADDRESS, "--address", OPTION_TEXT, false, "address", "Of the server"},
    {0},
};

static int usbdevsource(struct cmd *c)
{
    const char *verb = cmd_word(c), *name = NULL, *backend = NULL, *address = NULL;
    struct value v;

    if (verb == NULL)
        return cmd_syntax(c, "Not enough parameters");
    bool add = strcmp(verb, "add") == 0;
    if (!add && strcmp(verb, "remove") != 0)
        return cmd_syntax(c, "Invalid parameter '%s'", verb);
    for (int id; (id = cmd_next(c, &v)) != CMD_END;) {
        if (id == CMD_ERROR)
            return RC_SYNTAX;
        *(id == BACKEND ? &backend : id == ADDRESS ? &address : &name) = v.text;
    }
    if (name == NULL || (add && (backend == NULL || address == NULL)))
        return cmd_syntax(c, name == NULL      ? "Not enough parameters"
                             : backend == NULL ? "Parameter --backend is required"
                                               : "Parameter --address is required");
    if (cmd_client(c) == NULL)
        return RC_FAILURE;
    bool ok = add ? TRY(c, ihost_add_usb_device_source(c->client, HOST, backend, name, address, &error))
                  : TRY(c, ihost_remove_usb_device_source(c->client, HOST, name, &error));
    return ok ? RC_OK : RC_FAILURE;
}

const struct command usbdevsource_command = {
    "usbdevsource", "Add and remove USB device sources",
    (const char *const[]){"add <source-name> <--backend=backend> <--address=address>", "remove <source-name>", NULL},
    options, usbdevsource};
