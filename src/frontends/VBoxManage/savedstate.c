/*
 * savedstate.c - discardstate, adoptstate.
 */
#include "frontends/VBoxManage/commands.h"

static int done(bool ok)
{
    return ok ? RC_OK : RC_FAILURE;
}

static int discardstate(struct cmd *c)
{
    const char *name = cmd_word(c);

    if (name == NULL)
        return cmd_syntax(c, "Incorrect number of parameters");
    g_autofree char *machine = cmd_find_machine(c, name);
    return done(machine != NULL && cmd_lock(c, machine) &&
                TRY(c, imachine_discard_saved_state(c->client, c->session_machine, true, &error)));
}

const struct command discardstate_command = {"discardstate", "Discard the saved state of a virtual machine",
                                             (const char *const[]){"<uuid | vmname>", NULL}, NULL, discardstate};

static int adoptstate(struct cmd *c)
{
    const char *name = cmd_word(c), *file = cmd_word(c);

    if (file == NULL)
        return cmd_syntax(c, "Incorrect number of parameters");
    g_autofree char *path = cmd_absolute(file);
    g_autofree char *machine = cmd_find_machine(c, name);
    return done(machine != NULL && cmd_lock(c, machine) &&
                TRY(c, imachine_adopt_saved_state(c->client, c->session_machine, path, &error)));
}

const struct command adoptstate_command = {"adoptstate", "Change a virtual machine's state based on a saved state file",
                                           (const char *const[]){"<uuid | vmname> <state-filename>", NULL}, NULL,
                                           adoptstate};
