/*
 * absent.c - commands whose part is not here: each says so in one line, after its arguments were looked at.
 *
 * signova, modifynvram, encryptvm, updatecheck.
 */
#include "frontends/VBoxManage/commands.h"

/* All words of the command line, options with the rest; at least @min. */
static int read_all(struct cmd *c, GPtrArray *words, unsigned min)
{
    for (const char *word; (word = cmd_word(c)) != NULL;)
        g_ptr_array_add(words, (void *)word);
    return words->len >= min ? RC_OK : cmd_syntax(c, "Not enough parameters");
}

static int no_part(struct cmd *c, const char *what)
{
    g_autoptr(GPtrArray) words = g_ptr_array_new();
    int rc = read_all(c, words, 1);

    return rc == RC_OK ? cmd_error("%s", what) : rc;
}

#define ABSENT(function, what)                                                                                         \
    static int function(struct cmd *c)                                                                                 \
    {                                                                                                                  \
        return no_part(c, what);                                                                                       \
    }
ABSENT(sign_ova, "Signing appliances is not available")
ABSENT(modify_nvram, "Changing EFI variables from outside is not available; the machine's firmware setup can")
ABSENT(encrypt_vm, "Encrypting settings and states is not available")
ABSENT(update_check, "There is no update service; the distribution's packages are updated with it")

const struct command signova_command = {"signova", "Digitally sign an OVA",
                                        (const char *const[]){"<ova> <--certificate=file> <--private-key=file>", NULL},
                                        NULL, sign_ova};
const struct command modifynvram_command = {"modifynvram", "List and modify the NVRAM content of a virtual machine",
                                            (const char *const[]){"<uuid | vmname> <subcommand> [options]", NULL}, NULL,
                                            modify_nvram};
const struct command encryptvm_command = {
    "encryptvm", "Change encryption and passwords of the VM",
    (const char *const[]){"<uuid | vmname> <setencryption | checkpassword | addpassword | removepassword> ...", NULL},
    NULL, encrypt_vm};
const struct command updatecheck_command = {"updatecheck", "Checks for a newer version",
                                            (const char *const[]){"<perform | list | modify> [options]", NULL}, NULL,
                                            update_check};
