/*
 * absent.c - commands whose part is not here: each says so in one line, after its arguments were looked at.
 *
 * unattended, guestcontrol, cloud, cloudprofile, signova, modifynvram, encryptvm, updatecheck.
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

/* ---- unattended ---- */

/* libosinfo's identifiers and our guest types; the longest that fits counts. */
static const struct {
    const char *id, *type, *version;
} systems[] = {{"debian.org/debian/12", "Debian12_64", "12"},
               {"debian.org/debian/11", "Debian11_64", "11"},
               {"debian.org/debian/10", "Debian10_64", "10"},
               {"debian.org/debian", "Debian_64", ""},
               {"ubuntu.com/ubuntu/22.04", "Ubuntu22_LTS_64", "22.04"},
               {"ubuntu.com/ubuntu/20.04", "Ubuntu20_LTS_64", "20.04"},
               {"ubuntu.com/ubuntu", "Ubuntu_64", ""},
               {"fedoraproject.org/fedora", "Fedora_64", ""},
               {"redhat.com/rhel", "RedHat_64", ""},
               {"centos.org", "RedHat_64", ""},
               {"opensuse.org", "OpenSUSE_64", ""},
               {"archlinux.org", "ArchLinux_64", ""},
               {"freebsd.org", "FreeBSD_64", ""},
               {"openbsd.org", "OpenBSD_64", ""},
               {"netbsd.org", "NetBSD_64", ""},
               {"microsoft.com/win/11", "Windows11_64", "11"},
               {"microsoft.com/win/10", "Windows10_64", "10"},
               {"microsoft.com/win/7", "Windows7_64", "7"},
               {"microsoft.com/win/xp", "WindowsXP", "XP"},
               {"microsoft.com/win/2k19", "Windows2019_64", "2019"}};

/* What libosinfo's tool says of a disc: "OSINFO_INSTALLER=http://debian.org/debian/12"; g_free. */
static char *installer_of(const char *iso)
{
    char *argv[] = {"osinfo-detect", "--format=env", (char *)iso, NULL};
    g_autofree char *out = NULL;

    if (!g_spawn_sync(NULL, argv, NULL, G_SPAWN_SEARCH_PATH | G_SPAWN_STDERR_TO_DEV_NULL, NULL, NULL, &out, NULL, NULL,
                      NULL))
        return NULL;
    const char *at = out != NULL ? strstr(out, "OSINFO_INSTALLER=") : NULL;
    return at != NULL ? g_strndup(at + strlen("OSINFO_INSTALLER="), strcspn(at + strlen("OSINFO_INSTALLER="), "\n"))
                      : NULL;
}

static int detect(const char *iso, bool machine_readable)
{
    g_autofree char *path = cmd_absolute(iso), *id = NULL;
    unsigned k = 0;

    if (!g_file_test(path, G_FILE_TEST_IS_REGULAR))
        return cmd_error("Could not find the ISO '%s' (VERR_FILE_NOT_FOUND)", path);
    id = installer_of(path);
    while (k < G_N_ELEMENTS(systems) && (id == NULL || strstr(id, systems[k].id) == NULL))
        k++;
    const char *type = k < G_N_ELEMENTS(systems) ? systems[k].type : "";
    const char *version = k < G_N_ELEMENTS(systems) ? systems[k].version : "";
    if (machine_readable) {
        printf("OSTypeId=\"%s\"\nOSVersion=\"%s\"\nOSFlavor=\"\"\nOSLanguages=\"\"\nOSHints=\"\"\n"
               "IsInstallSupported=\"off\"\n",
               type, version);
        return RC_OK;
    }
    printf("VBoxManage: info: Detected '%s' to be:\n    OS TypeId    = %s\n    OS Version   = %s\n    OS Flavor    = \n"
           "    OS Languages = \n    OS Hints     = \n    Unattended installation supported = no\n",
           path, type, version);
    return RC_OK;
}

static int unattended(struct cmd *c)
{
    const char *verb = cmd_word(c), *iso = NULL;
    bool machine_readable = false;

    if (verb == NULL)
        return cmd_syntax(c, "Missing subcommand");
    if (strcmp(verb, "detect") != 0 && strcmp(verb, "install") != 0)
        return cmd_syntax(c, "Unknown subcommand: %s", verb);
    for (const char *word; (word = cmd_word(c)) != NULL;) {
        if (g_str_has_prefix(word, "--iso="))
            iso = word + strlen("--iso=");
        else if (strcmp(word, "--iso") == 0)
            iso = cmd_word(c);
        else if (strcmp(word, "--machine-readable") == 0)
            machine_readable = true;
    }
    if (iso == NULL)
        return cmd_syntax(c, "No ISO specified");
    if (strcmp(verb, "detect") == 0)
        return detect(iso, machine_readable);
    return cmd_error("Unattended installation is not available; attach '%s' and start the machine instead", iso);
}

const struct command unattended_command = {
    "unattended", "Unattended guest OS installation",
    (const char *const[]){"detect <--iso=install-iso> [--machine-readable]",
                          "install <uuid | vmname> <--iso=install-iso> [options]", NULL},
    NULL, unattended};

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
