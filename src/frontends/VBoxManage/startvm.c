/*
 * startvm.c - startvm.
 */
#include <string.h>

#include "frontends/VBoxManage/commands.h"

enum { TYPE = 1, PUTENV, PASSWORD, PASSWORD_ID };
static const struct option options[] = {
    {TYPE, "--type|-type|-t", OPTION_TEXT, false, "gui | headless | sdl | separate", "How its screen is shown"},
    {PUTENV, "--putenv|-E", OPTION_TEXT, false, "NAME=VALUE", "Environment of the VM process"},
    {PASSWORD, "--password", OPTION_TEXT, false, "file", "Password of an encrypted machine"},
    {PASSWORD_ID, "--password-id", OPTION_TEXT, false, "id", "Its identifier"},
    {0},
};

bool startvm_start(struct cmd *c, const char *name, const char *type, const char *const *environment)
{
    g_autofree char *machine = cmd_find_machine(c, name);
    char *progress = NULL;
    GError *failed = NULL;

    if (machine == NULL ||
        !TRY(c, imachine_launch_vm_process(c->client, machine, CLIENT_SESSION, type, environment, &progress, &error)))
        return false;
    g_autofree char *object = progress;
    printf("Waiting for VM \"%s\" to power on...\n", name);
    fflush(stdout);
    if (!client_wait(c->client, object, NULL, NULL, &failed)) {
        cmd_com_error(c, &failed, "LaunchVMProcess(session, type, env)", __LINE__, __FILE__);
        return false;
    }
    printf("VM \"%s\" has been successfully started.\n", name);
    return true;
}

/* What --type may say; vrdp is the word of old versions. */
static const char *type_of(const char *word)
{
    static const char *const types[] = {"gui", "headless", "sdl", "separate"};

    if (g_ascii_strcasecmp(word, "vrdp") == 0)
        return "headless";
    for (unsigned k = 0; k < G_N_ELEMENTS(types); k++)
        if (g_ascii_strcasecmp(word, types[k]) == 0)
            return types[k];
    return NULL;
}

static int startvm(struct cmd *c)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new(), environment = g_ptr_array_new();
    const char *type = "headless";
    struct value v;

    for (int id; (id = cmd_next(c, &v)) != CMD_END;) {
        switch (id) {
        case TYPE:
            type = type_of(v.text);
            if (type == NULL)
                return cmd_syntax(c, "Invalid frontend type: '%s'", v.text);
            break;
        case PUTENV:
            if (strchr(v.text, '=') == NULL)
                return cmd_syntax(c, "Parameter to option --putenv must be NAME=VALUE");
            g_ptr_array_add(environment, (void *)v.text);
            break;
        case PASSWORD:
        case PASSWORD_ID: break;
        case CMD_WORD: g_ptr_array_add(names, (void *)v.text); break;
        default: return RC_SYNTAX;
        }
    }
    if (names->len == 0)
        return cmd_syntax(c, "at least one VM name or uuid required");
    if (cmd_client(c) == NULL)
        return RC_FAILURE;
    g_ptr_array_add(environment, NULL);
    bool ok = true;
    for (unsigned k = 0; k < names->len; k++)
        ok &= startvm_start(c, names->pdata[k], type, (const char *const *)environment->pdata);
    return ok ? RC_OK : RC_FAILURE;
}

const struct command startvm_command = {
    "startvm", "Start a virtual machine",
    (const char *const[]){"<uuid | vmname...> [--putenv=name[=value]] [--type= [gui | headless | sdl | separate]]",
                          NULL},
    options, startvm};
