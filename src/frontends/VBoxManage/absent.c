/*
 * absent.c - commands whose part is not here: each says so in one line, after its arguments were looked at.
 *
 * guestcontrol, cloud, cloudprofile, signova, modifynvram, encryptvm, updatecheck.
 */
#include <string.h>

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

/* ---- guestcontrol ---- */

static int guestcontrol(struct cmd *c)
{
    const char *name = cmd_word(c), *verb = cmd_word(c);
    GError *error = NULL;

    if (verb == NULL)
        return cmd_syntax(c, "Not enough parameters");
    g_autofree char *machine = cmd_find_machine(c, name);
    if (machine == NULL)
        return RC_FAILURE;
    g_autoptr(GVariant) state = client_get(c->client, machine, "IMachine", "State", &error);
    if (state == NULL)
        return cmd_com_error(c, &error, "COMGETTER(State)", __LINE__, __FILE__);
    if (strcmp(g_variant_get_string(state, NULL), "Running") != 0)
        return cmd_error("Machine \"%s\" is not running (currently %s)!", name,
                         state_word(g_variant_get_string(state, NULL), true));
    return cmd_error("The guest execution service is not ready (yet)");
}

const struct command guestcontrol_command = {"guestcontrol", "Control a virtual machine from the host system",
                                             (const char *const[]){"<uuid | vmname> <subcommand> [arguments...]", NULL},
                                             NULL, guestcontrol};

/* ---- the rest ---- */

#define ABSENT(function, what)                                                                                         \
    static int function(struct cmd *c)                                                                                 \
    {                                                                                                                  \
        return no_part(c, what);                                                                                       \
    }
ABSENT(cloud, "There is no cloud provider")
ABSENT(cloud_profile, "There is no cloud provider")
ABSENT(sign_ova, "Signing appliances is not available")
ABSENT(modify_nvram, "Changing EFI variables from outside is not available; the machine's firmware setup can")
ABSENT(encrypt_vm, "Encrypting settings and states is not available; disks can be encrypted with encryptmedium")
ABSENT(update_check, "There is no update service; the distribution's packages are updated with it")

const struct command cloud_command = {
    "cloud", "Manage the cloud entities",
    (const char *const[]){"--provider=<name> --profile=<name> <list | instance | image | network> ...", NULL}, NULL,
    cloud};
const struct command cloudprofile_command = {
    "cloudprofile", "Manage the cloud profiles",
    (const char *const[]){"--provider=<name> --profile=<name> <add | update | delete | show> ...", NULL}, NULL,
    cloud_profile};
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
