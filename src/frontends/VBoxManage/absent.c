/*
 * absent.c - commands whose part is not here: arguments are read as if it were, then one line says why not.
 *
 * signova, modifynvram, encryptvm. What a sub-command takes is a row (struct verb).
 */
#include <string.h>

#include "frontends/VBoxManage/commands.h"

#define BIT(option) (1u << (option))

struct verb {
    const char *name;
    unsigned words;          /* that must follow */
    guint32 options, needed; /* bits: what may, what must be given */
};
struct absent {
    bool machine;             /* the first word is one */
    const struct verb *verbs; /* end: name NULL. The only one is "": no word for it */
    const char *why;
};

/* What was read. */
struct given {
    GPtrArray *words;
    guint32 options;
};

static int read_all(struct cmd *c, struct given *g)
{
    struct value v;

    for (int id; (id = cmd_next(c, &v)) != CMD_END;) {
        if (id == CMD_ERROR)
            return RC_SYNTAX;
        if (id == CMD_WORD)
            g_ptr_array_add(g->words, (void *)v.text);
        else
            g->options |= BIT(id);
    }
    return RC_OK;
}

/* The first of these options by its longest name, without what else it is called; g_free. */
static char *option_name(const struct cmd *c, guint32 bits)
{
    const struct option *o = c->command->options;

    while ((bits & BIT(o->id)) == 0)
        o++;
    return g_strndup(o->names, strcspn(o->names, "|"));
}

static int check(struct cmd *c, const struct absent *a, const struct given *g)
{
    const struct verb *v = a->verbs;
    const unsigned before = (a->machine ? 1 : 0) + (*v->name != '\0' ? 1 : 0);

    if (g->words->len < before || g->words->len == 0)
        return cmd_syntax(c, before > 0 ? "No subcommand specified" : "Not enough parameters");
    const char *word = before > 0 ? g->words->pdata[before - 1] : "";
    while (v->name != NULL && strcmp(v->name, word) != 0)
        v++;
    if (v->name == NULL)
        return cmd_syntax(c, "Unknown subcommand '%s'", word);
    if (g->words->len - before < v->words)
        return cmd_syntax(c, "Not enough parameters");
    if (g->words->len - before > v->words)
        return cmd_syntax(c, "Invalid parameter '%s'", (const char *)g->words->pdata[before + v->words]);
    const guint32 wrong = g->options & ~v->options, missing = v->needed & ~g->options;
    g_autofree char *name = (wrong | missing) != 0 ? option_name(c, wrong != 0 ? wrong : missing) : NULL;
    if (wrong != 0)
        return cmd_syntax(c, "Unknown option: %s", name);
    return missing != 0 ? cmd_syntax(c, "Missing required option: %s", name) : RC_OK;
}

static int refuse(struct cmd *c, const struct absent *a)
{
    struct given g = {.words = g_ptr_array_new()};
    int rc = read_all(c, &g);

    if (rc == RC_OK)
        rc = check(c, a, &g);
    g_autofree char *machine = rc == RC_OK && a->machine ? cmd_find_machine(c, g.words->pdata[0]) : NULL;
    const bool lost = rc == RC_OK && a->machine && machine == NULL; /* that was said */
    g_ptr_array_unref(g.words);
    return lost ? RC_FAILURE : rc == RC_OK ? cmd_error("%s", a->why) : rc;
}

/* ---- signova ---- */

enum {
    CERTIFICATE = 1,
    KEY,
    KEY_PASSWORD,
    KEY_PASSWORD_FILE,
    DIGEST,
    PKCS7,
    NO_PKCS7,
    CHAIN,
    FORCE,
    VERBOSE,
    QUIET,
    DRY
};
static const struct option sign_options[] = {
    {CERTIFICATE, "--certificate|-c", OPTION_TEXT, false, "file", "The signer's certificate"},
    {KEY, "--private-key|-k", OPTION_TEXT, false, "file", "Its private key"},
    {KEY_PASSWORD, "--private-key-password|-p", OPTION_TEXT, false, "password", "The key's"},
    {KEY_PASSWORD_FILE, "--private-key-password-file|-P", OPTION_TEXT, false, "file", "Holds it"},
    {DIGEST, "--digest-type|-d", OPTION_TEXT, false, "type", "SHA-1, SHA-256, SHA-512"},
    {PKCS7, "--pkcs7|--cms|-7", OPTION_NONE, false, NULL, "With a signature of that kind, too"},
    {NO_PKCS7, "--no-pkcs7|--no-cms|-n", OPTION_NONE, false, NULL, "Without"},
    {CHAIN, "--intermediate-cert|--intermediate-cert-file|-i", OPTION_TEXT, false, "file", "Between it and its root"},
    {FORCE, "--force|-f", OPTION_NONE, false, NULL, "Replaces a signature"},
    {VERBOSE, "--verbose|-v", OPTION_NONE, false, NULL, "Say more"},
    {QUIET, "--quiet|-q", OPTION_NONE, false, NULL, "Say less"},
    {DRY, "--dry-run|-D", OPTION_NONE, false, NULL, "Changes nothing"},
    {0},
};

static int sign_ova(struct cmd *c)
{
    static const struct verb verbs[] = {{"", 1, ~0u, BIT(CERTIFICATE) | BIT(KEY)}, {0}};
    static const struct absent a = {false, verbs, "Signing appliances is not available"};

    return refuse(c, &a);
}

const struct command signova_command = {
    "signova", "Digitally sign an OVA",
    (const char *const[]){"<ova> <--certificate=file> <--private-key=file> [--private-key-password-file=file | "
                          "--private-key-password=password] [--digest-type=type] [--pkcs7 | --no-pkcs7] "
                          "[--intermediate-cert=file] [--force] [--verbose] [--quiet] [--dry-run]",
                          NULL},
    sign_options, sign_ova};

/* ---- modifynvram ---- */

enum { PLATFORM_KEY = 1, MOK, OWNER, NAME, FILENAME, ENABLE, DISABLE };
static const struct option nvram_options[] = {
    {PLATFORM_KEY, "--platform-key", OPTION_TEXT, false, "filename", "enrollpk: the platform's key"},
    {MOK, "--mok", OPTION_TEXT, false, "filename", "enrollmok: the machine owner's key"},
    {OWNER, "--owner-uuid", OPTION_TEXT, false, "uuid", "Of the key, or of the variable"},
    {NAME, "--name", OPTION_TEXT, false, "name", "The variable"},
    {FILENAME, "--filename", OPTION_TEXT, false, "filename", "Its contents"},
    {ENABLE, "--enable", OPTION_NONE, false, NULL, "secureboot"},
    {DISABLE, "--disable", OPTION_NONE, false, NULL, "secureboot"},
    {0},
};

static int modify_nvram(struct cmd *c)
{
    static const struct verb verbs[] = {
        {"inituefivarstore", 0, 0, 0},
        {"enrollmssignatures", 0, 0, 0},
        {"enrollorclpk", 0, 0, 0},
        {"enrollpk", 0, BIT(PLATFORM_KEY) | BIT(OWNER), BIT(PLATFORM_KEY) | BIT(OWNER)},
        {"enrollmok", 0, BIT(MOK) | BIT(OWNER), BIT(MOK) | BIT(OWNER)},
        {"secureboot", 0, BIT(ENABLE) | BIT(DISABLE), 0},
        {"listvars", 0, 0, 0},
        {"queryvar", 0, BIT(NAME) | BIT(FILENAME), BIT(NAME)},
        {"deletevar", 0, BIT(NAME) | BIT(OWNER), BIT(NAME) | BIT(OWNER)},
        {"changevar", 0, BIT(NAME) | BIT(FILENAME), BIT(NAME) | BIT(FILENAME)},
        {0},
    };
    static const struct absent a = {
        true, verbs, "Changing EFI variables from outside is not available; the machine's firmware setup can"};

    return refuse(c, &a);
}

const struct command modifynvram_command = {
    "modifynvram", "List and modify the NVRAM content of a virtual machine",
    (const char *const[]){"<uuid | vmname> <inituefivarstore | enrollmssignatures | enrollorclpk | listvars>",
                          "<uuid | vmname> enrollpk <--platform-key=filename> <--owner-uuid=uuid>",
                          "<uuid | vmname> enrollmok <--mok=filename> <--owner-uuid=uuid>",
                          "<uuid | vmname> secureboot <--enable | --disable>",
                          "<uuid | vmname> queryvar <--name=name> [--filename=filename]",
                          "<uuid | vmname> deletevar <--name=name> <--owner-uuid=uuid>",
                          "<uuid | vmname> changevar <--name=name> <--filename=filename>", NULL},
    nvram_options, modify_nvram};

/* ---- encryptvm ---- */

enum { OLD = 1, CIPHER, NEW, NEW_ID, ENCRYPT_FORCE, PASSWORD, PASSWORD_ID };
static const struct option encrypt_options[] = {
    {OLD, "--old-password", OPTION_TEXT, false, "file", "setencryption: the password until now"},
    {CIPHER, "--cipher", OPTION_TEXT, false, "cipher-identifier", "setencryption: AES-128, AES-256"},
    {NEW, "--new-password", OPTION_TEXT, false, "file", "setencryption: the new password"},
    {NEW_ID, "--new-password-id", OPTION_TEXT, false, "id", "setencryption: its identifier"},
    {ENCRYPT_FORCE, "--force", OPTION_NONE, false, NULL, "setencryption: anew"},
    {PASSWORD, "--password", OPTION_TEXT, false, "file", "addpassword: the password"},
    {PASSWORD_ID, "--password-id", OPTION_TEXT, false, "id", "addpassword: its identifier"},
    {0},
};

static int encrypt_vm(struct cmd *c)
{
    static const struct verb verbs[] = {
        {"setencryption", 0, BIT(OLD) | BIT(CIPHER) | BIT(NEW) | BIT(NEW_ID) | BIT(ENCRYPT_FORCE), 0},
        {"checkpassword", 1, 0, 0},
        {"addpassword", 0, BIT(PASSWORD) | BIT(PASSWORD_ID), BIT(PASSWORD) | BIT(PASSWORD_ID)},
        {"removepassword", 1, 0, 0},
        {0},
    };
    static const struct absent a = {true, verbs, "Encrypting settings and states is not available"};

    return refuse(c, &a);
}

const struct command encryptvm_command = {
    "encryptvm", "Change encryption and passwords of the VM",
    (const char *const[]){"<uuid | vmname> setencryption [--old-password=file] [--cipher=cipher-identifier] "
                          "[--new-password=file] [--new-password-id=id] [--force]",
                          "<uuid | vmname> checkpassword <file>",
                          "<uuid | vmname> addpassword <--password=file> <--password-id=id>",
                          "<uuid | vmname> removepassword <id>", NULL},
    encrypt_options, encrypt_vm};
