/*
 * extpack.c - extpack, and list extpacks.
 */
#include <string.h>

#include "frontends/VBoxManage/commands.h"
#include "frontends/VBoxManage/list.h"

#define MANAGER API_ROOT "/ExtPackManager"

enum { REPLACE = 1, ACCEPT, FORCE };
static const struct option options[] = {
    {REPLACE, "--replace|-r", OPTION_NONE, false, NULL, "In place of one that is installed"},
    {ACCEPT, "--accept-license|-L", OPTION_TEXT, false, "sha256", "Agree to the license with this digest"},
    {FORCE, "--force|-f", OPTION_NONE, false, NULL, "Accepted"},
    {0},
};

struct request {
    const char *verb, *name, *accept;
    bool replace, force;
};

/* ---- the license ---- */

static bool agrees(void)
{
    for (int first = 0;;) {
        printf("Do you agree to these license terms and conditions (y/n)? ");
        fflush(stdout);
        first = getchar();
        for (int c = first; c != '\n' && c != EOF;)
            c = getchar();
        printf("\n");
        if (first == 'y' || first == 'Y')
            return true;
        if (first == 'n' || first == 'N' || first == EOF)
            return false;
    }
}

/* Shown and agreed to, here or by its digest on the command line. */
static bool licensed(const struct request *r, GVariant *pack, const char *license)
{
    g_autofree char *digest = g_compute_checksum_for_string(G_CHECKSUM_SHA256, license, -1);

    if (!dict_bool(pack, "ShowLicense"))
        return true;
    if (r->accept != NULL && g_ascii_strcasecmp(r->accept, digest) == 0) {
        printf("License accepted.\n");
        return true;
    }
    if (r->accept != NULL)
        printf("The license has changed since it was agreed to:\n\n");
    printf("%s\n", license);
    if (!agrees()) {
        printf("Installation of \"%s\" aborted.\n", dict_str(pack, "Name"));
        return false;
    }
    printf("License accepted. For batch installation add\n--accept-license=%s\nto the VBoxManage command line.\n\n",
           digest);
    return true;
}

/* ---- verbs ---- */

/* Waits for what was started; *@progress is freed. */
static bool done(struct cmd *c, bool started, char **progress)
{
    g_autofree char *object = *progress;

    return started && cmd_progress(c, object);
}

static int install(struct cmd *c, const struct request *r)
{
    g_autofree char *path = cmd_absolute(r->name);
    GVariant *info = NULL;
    char *license = NULL, *progress = NULL;

    if (!g_file_test(path, G_FILE_TEST_IS_REGULAR))
        return cmd_error("Failed to open the extension pack '%s' (VERR_FILE_NOT_FOUND)", path);
    if (!TRY(c, iext_pack_manager_open_ext_pack_file(c->client, MANAGER, path, &info, &license, &error)))
        return RC_FAILURE;
    g_autoptr(GVariant) pack = info;
    g_autofree char *text = license;
    if (!licensed(r, pack, text))
        return RC_FAILURE;
    if (!done(c, TRY(c, iext_pack_manager_install(c->client, MANAGER, path, r->replace, &progress, &error)), &progress))
        return cmd_error("Failed to install \"%s\"", path);
    printf("Successfully installed \"%s\".\n", dict_str(pack, "Name"));
    fprintf(stderr, "VBoxManage: info: The pack is stored and listed; its modules are not loaded by this program\n");
    return RC_OK;
}

static int uninstall(struct cmd *c, const struct request *r)
{
    char *progress = NULL;

    if (!done(c, TRY(c, iext_pack_manager_uninstall(c->client, MANAGER, r->name, r->force, &progress, &error)),
              &progress))
        return cmd_error("Failed to uninstall \"%s\"", r->name);
    printf("Successfully uninstalled \"%s\".\n", r->name);
    return RC_OK;
}

static int cleanup(struct cmd *c, const struct request *r)
{
    char *progress = NULL;

    (void)r;
    if (!done(c, TRY(c, iext_pack_manager_cleanup(c->client, MANAGER, &progress, &error)), &progress))
        return RC_FAILURE;
    printf("Successfully performed extension pack cleanup\n");
    return RC_OK;
}

static const struct {
    const char *verb, *missing; /* missing: it wants a word more */
    int (*run)(struct cmd *c, const struct request *r);
} verbs[] = {{"install", "No extension pack file was given to \"extpack install\"", install},
             {"uninstall", "No extension pack name was given to \"extpack uninstall\"", uninstall},
             {"cleanup", NULL, cleanup}};

static int extpack(struct cmd *c)
{
    struct request r = {0};
    unsigned k = 0;
    struct value v;

    for (int id; (id = cmd_next(c, &v)) != CMD_END;) {
        switch (id) {
        case CMD_ERROR: return RC_SYNTAX;
        case REPLACE: r.replace = true; break;
        case ACCEPT: r.accept = v.text; break;
        case FORCE: r.force = true; break;
        default:
            if (r.verb == NULL)
                r.verb = v.text;
            else if (r.name == NULL)
                r.name = v.text;
            else
                return cmd_syntax(c, "Too many extension pack names given to \"extpack %s\"", r.verb);
            break;
        }
    }
    if (r.verb == NULL)
        return cmd_syntax(c, "No subcommand specified");
    while (k < G_N_ELEMENTS(verbs) && strcmp(verbs[k].verb, r.verb) != 0)
        k++;
    if (k == G_N_ELEMENTS(verbs))
        return cmd_syntax(c, "Unknown subcommand '%s'", r.verb);
    if (verbs[k].missing != NULL && r.name == NULL)
        return cmd_syntax(c, "%s", verbs[k].missing);
    return cmd_client(c) != NULL ? verbs[k].run(c, &r) : RC_FAILURE;
}

const struct command extpack_command = {"extpack", "Extension package management",
                                        (const char *const[]){"install [--replace] [--accept-license=sha256] <tarball>",
                                                              "uninstall [--force] <name>", "cleanup", NULL},
                                        options, extpack};

/* ---- list extpacks ---- */

int list_extpacks(struct cmd *c, const struct listing *l)
{
    GVariant *reply = NULL;

    (void)l;
    if (!TRY(c, iext_pack_manager_get_installed_ext_packs(c->client, MANAGER, &reply, &error)))
        return RC_FAILURE;
    g_autoptr(GVariant) all = reply;
    if (as_json(c, all))
        return RC_OK;
    printf("Extension Packs: %u\n", (unsigned)g_variant_n_children(all));
    for (gsize k = 0; k < g_variant_n_children(all); k++) {
        g_autoptr(GVariant) p = g_variant_get_child_value(all, k);
        printf("%sPack no.%2u:   %s\nVersion:        %s\nRevision:       %" G_GINT64_FORMAT "\nEdition:        %s\n"
               "Description:    %s\nVRDE Module:    %s\nCrypto Module:  %s\nUsable:         %s\nWhy unusable:   %s\n",
               k > 0 ? "\n" : "", (unsigned)k, dict_str(p, "Name"), dict_str(p, "Version"), dict_int(p, "Revision"),
               dict_str(p, "Edition"), dict_str(p, "Description"), dict_str(p, "VRDEModule"),
               dict_str(p, "CryptoModule"), dict_bool(p, "Usable") ? "true" : "false", dict_str(p, "WhyUnusable"));
    }
    return RC_OK;
}
