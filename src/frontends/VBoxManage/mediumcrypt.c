/*
 * mediumcrypt.c - encryptmedium, checkmediumpwd. Passwords come from files or standard input, never from arguments.
 */
#include <string.h>

#include "frontends/VBoxManage/commands.h"

enum { NEW = 1, OLD, CIPHER, ID };
static const struct option options[] = {
    {NEW, "--newpassword", OPTION_TEXT, false, "filename|-", "Holds the new password; -: standard input"},
    {OLD, "--oldpassword", OPTION_TEXT, false, "filename|-", "Holds the one it has"},
    {CIPHER, "--cipher", OPTION_TEXT, false, "AES-XTS256-PLAIN64 | AES-XTS128-PLAIN64", "How it is encrypted"},
    {ID, "--newpasswordid", OPTION_TEXT, false, "id", "Name of the new password"},
    {0},
};

/* "" when there is no file; NULL: said. g_free */
static char *password_of(const char *file, const char *prompt)
{
    return file != NULL ? cmd_read_password(file, prompt) : g_strdup("");
}

static int encryptmedium(struct cmd *c)
{
    const char *where = NULL, *text[ID + 1] = {0};
    struct value v;

    for (int id; (id = cmd_next(c, &v)) != CMD_END;) {
        if (id == CMD_ERROR)
            return RC_SYNTAX;
        if (id != CMD_WORD)
            text[id] = v.text;
        else if (where == NULL)
            where = v.text;
        else
            return cmd_syntax(c, "Invalid parameter '%s'", v.text);
    }
    if (where == NULL)
        return cmd_syntax(c, "Disk name or UUID required");
    if (text[NEW] == NULL && text[OLD] == NULL)
        return cmd_syntax(c, "No password specified");
    if (text[NEW] != NULL && text[OLD] == NULL && text[ID] == NULL)
        return cmd_syntax(c, "A new password must always have a valid identifier set at the same time");
    g_autofree char *old = password_of(text[OLD], "Enter old password:"),
                    *fresh = old != NULL ? password_of(text[NEW], "Enter new password:") : NULL;
    g_autofree char *medium =
        fresh != NULL && cmd_client(c) != NULL ? cmd_open_medium(c, where, "HardDisk", false) : NULL;
    g_autofree char *progress = NULL;
    const char *cipher = text[CIPHER] != NULL ? text[CIPHER] : "", *name = text[ID] != NULL ? text[ID] : "";
    bool ok = medium != NULL &&
              TRY(c, imedium_change_encryption(c->client, medium, old, cipher, fresh, name, &progress, &error));
    return ok && cmd_progress(c, progress) ? RC_OK : RC_FAILURE;
}

static int checkmediumpwd(struct cmd *c)
{
    const char *where = cmd_word(c), *file = cmd_word(c);

    if (file == NULL || cmd_word(c) != NULL)
        return cmd_syntax(c, "Invalid number of arguments");
    g_autofree char *password = cmd_read_password(file, "Enter password:");
    g_autofree char *medium =
        password != NULL && cmd_client(c) != NULL ? cmd_open_medium(c, where, "HardDisk", false) : NULL;
    if (medium == NULL || !TRY(c, imedium_check_encryption_password(c->client, medium, password, &error)))
        return RC_FAILURE;
    printf("The given password is correct\n");
    return RC_OK;
}

const struct command encryptmedium_command = {
    "encryptmedium", "Manage a DEK-encrypted medium or image",
    (const char *const[]){"<uuid | filename> [--cipher=cipher-ID] [--newpassword=file|-] [--newpasswordid=password-ID] "
                          "[--oldpassword=file|-]",
                          NULL},
    options, encryptmedium};
const struct command checkmediumpwd_command = {"checkmediumpwd", "Check encryption password on a DEK-encrypted medium",
                                               (const char *const[]){"<uuid | filename> <password-file | ->", NULL},
                                               NULL, checkmediumpwd};
