/*
 * command.c - unattended: detect, install.
 */
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#include "frontends/VBoxManage/commands.h"
#include "frontends/VBoxManage/unattended/floppy.h"
#include "frontends/VBoxManage/unattended/unattended.h"

enum {
    ISO = 1,
    MACHINE_READABLE,
    USER,
    USER_PASSWORD,
    ADMIN_PASSWORD,
    PASSWORD_FILE,
    FULL_NAME,
    KEY,
    ADDITIONS,
    NO_ADDITIONS,
    ADDITIONS_ISO,
    TXS,
    NO_TXS,
    TXS_ISO,
    LOCALE,
    COUNTRY,
    TIME_ZONE,
    HOSTNAME,
    PACKAGES,
    DRY_RUN,
    BASE,
    IMAGE_INDEX,
    TEMPLATE,
    POST_TEMPLATE,
    POST_COMMAND,
    KERNEL,
    LANGUAGE,
    START,
    PROXY,
    LAST
};
static const struct option options[] = {
    {ISO, "--iso|-i", OPTION_TEXT, false, "install-iso", "The installation disc"},
    {MACHINE_READABLE, "--machine-readable|-M", OPTION_NONE, false, NULL, "detect's answer as key=\"value\""},
    {USER, "--user|-u", OPTION_TEXT, false, "login", "The user that is made; default vboxuser"},
    {USER_PASSWORD, "--user-password|--password|-p", OPTION_TEXT, false, "password", "Default changeme"},
    {ADMIN_PASSWORD, "--admin-password", OPTION_TEXT, false, "password", "root's; default the user's"},
    {PASSWORD_FILE, "--password-file|-X", OPTION_TEXT, false, "file | stdin", "Holds the user's password"},
    {FULL_NAME, "--full-user-name|-U", OPTION_TEXT, false, "name", "Default the login name"},
    {KEY, "--key|-k", OPTION_TEXT, false, "product-key", "For systems that want one"},
    {ADDITIONS, "--install-additions|-A", OPTION_NONE, false, NULL, "Guest additions, too"},
    {NO_ADDITIONS, "--no-install-additions", OPTION_NONE, false, NULL, "The default"},
    {ADDITIONS_ISO, "--additions-iso|-a", OPTION_TEXT, false, "add-iso", "Their disc"},
    {TXS, "--install-txs|-t", OPTION_NONE, false, NULL, "The test execution service, too"},
    {NO_TXS, "--no-install-txs", OPTION_NONE, false, NULL, "The default"},
    {TXS_ISO, "--validation-kit-iso|-K", OPTION_TEXT, false, "testing-iso", "Its disc"},
    {LOCALE, "--locale|-l", OPTION_TEXT, false, "ll_CC", "Default en_US"},
    {COUNTRY, "--country|-Y", OPTION_TEXT, false, "CC", "Default the locale's"},
    {TIME_ZONE, "--time-zone|-z", OPTION_TEXT, false, "tz", "Default Etc/UTC"},
    {PROXY, "--proxy", OPTION_TEXT, false, "url", "For packages"},
    {HOSTNAME, "--hostname|-n", OPTION_TEXT, false, "fqdn", "Default NAME.myguest.virtualbox.org"},
    {PACKAGES, "--package-selection-adjustment", OPTION_TEXT, false, "keyword", "minimal"},
    {DRY_RUN, "--dry-run", OPTION_NONE, false, NULL, "Change nothing"},
    {BASE, "--auxiliary-base-path|-x", OPTION_TEXT, false, "path", "Where the disc's copy goes; a name's beginning"},
    {IMAGE_INDEX, "--image-index|-m", OPTION_U32, false, "number", "Of discs with several systems"},
    {TEMPLATE, "--script-template|-c", OPTION_TEXT, false, "file", "In place of the answers made here"},
    {POST_TEMPLATE, "--post-install-template|-C", OPTION_TEXT, false, "file", "For systems that run one"},
    {POST_COMMAND, "--post-install-command|-P", OPTION_TEXT, false, "command", "Run at the end"},
    {KERNEL, "--extra-install-kernel-parameters|-I", OPTION_TEXT, false, "params", "For the installer's kernel"},
    {LANGUAGE, "--language|-L", OPTION_TEXT, false, "lang", "Of discs with several"},
    {START, "--start-vm|-S", OPTION_TEXT, false, "session-type", "Then start the machine: gui, headless ..."},
    {0},
};

struct request {
    const char *verb, *machine;
    const char *text[LAST];
    const struct unattended_system *system;
    char *iso;
};

static const char *text_of(const struct request *r, int option, const char *usual)
{
    return r->text[option] != NULL ? r->text[option] : usual;
}

/* ---- detect ---- */

static int detect(struct cmd *c, struct request *r)
{
    const char *type = r->system != NULL ? r->system->type : "", *version = r->system != NULL ? r->system->version : "";
    const bool supported = r->system != NULL && r->system->installer != NULL;

    (void)c;
    if (r->text[MACHINE_READABLE] != NULL) {
        printf("OSTypeId=\"%s\"\nOSVersion=\"%s\"\nOSFlavor=\"\"\nOSLanguages=\"\"\nOSHints=\"\"\n"
               "IsInstallSupported=\"%s\"\n",
               type, version, supported ? "on" : "off");
        return RC_OK;
    }
    printf("VBoxManage: info: Detected '%s' to be:\n    OS TypeId    = %s\n    OS Version   = %s\n    OS Flavor    = \n"
           "    OS Languages = \n    OS Hints     = \n    Unattended installation supported = %s\n",
           r->iso, type, version, supported ? "yes" : "no");
    return RC_OK;
}

/* ---- install: the values ---- */

static char *default_hostname(GVariant *machine)
{
    g_autofree char *name = g_ascii_strdown(dict_str(machine, "Name"), -1);

    for (char *p = name; *p != '\0'; p++)
        if (!g_ascii_isalnum(*p))
            *p = '-';
    char *first = name;
    while (*first == '-')
        first++;
    for (size_t n = strlen(first); n > 0 && first[n - 1] == '-'; n--)
        first[n - 1] = '\0';
    return g_strconcat(*first != '\0' ? first : "guest", ".myguest.virtualbox.org", NULL);
}

static bool take_values(const struct request *r, GVariant *machine, struct unattended_values *v)
{
    const char *locale = text_of(r, LOCALE, "en_US");
    g_autofree char *host = default_hostname(machine);
    GError *error = NULL;

    v->user = g_strdup(text_of(r, USER, "vboxuser"));
    v->password = r->text[PASSWORD_FILE] != NULL ? cmd_read_password(r->text[PASSWORD_FILE], "Enter password:")
                                                 : g_strdup(text_of(r, USER_PASSWORD, "changeme"));
    if (v->password == NULL)
        return false;
    v->admin_password = g_strdup(text_of(r, ADMIN_PASSWORD, v->password));
    v->full_name = g_strdup(text_of(r, FULL_NAME, v->user));
    v->locale = g_strdup(locale);
    v->country = g_strdup(text_of(r, COUNTRY, strlen(locale) >= 2 ? locale + strlen(locale) - 2 : ""));
    v->time_zone = g_strdup(text_of(r, TIME_ZONE, "Etc/UTC"));
    v->hostname = g_strdup(text_of(r, HOSTNAME, host));
    v->proxy = g_strdup(text_of(r, PROXY, ""));
    v->packages = g_strdup(text_of(r, PACKAGES, ""));
    v->post_command = g_strdup(text_of(r, POST_COMMAND, strcmp(r->system->installer, "windows") == 0 ? "rem" : "true"));
    v->product_key = g_strdup(text_of(r, KEY, ""));
    v->language = g_strdup(text_of(r, LANGUAGE, ""));
    v->image_index = g_strdup(text_of(r, IMAGE_INDEX, "1"));
    v->efi = strcmp(dict_str(machine, "FirmwareType"), "BIOS") != 0;
    v->is_64_bit = g_str_has_suffix(dict_str(machine, "OSTypeId"), "_64");
    v->windows_11 = g_str_has_prefix(r->system->type, "Windows11");
    v->kernel_parameters = g_strdup(text_of(r, KERNEL, ""));
    v->clock_utc = dict_bool(machine, "RTCUseUTC");
    if (unattended_values_check(v, &error))
        return true;
    cmd_error("%s", error->message);
    g_error_free(error);
    return false;
}

static void print_values(const struct request *r, const struct unattended_values *v, const char *base)
{
    const struct {
        const char *name, *value;
    } rows[] = {{"isoPath", r->iso},
                {"user", v->user},
                {"password", "********"},
                {"fullUserName", v->full_name},
                {"productKey", text_of(r, KEY, "")},
                {"additionsIsoPath", text_of(r, ADDITIONS_ISO, "")},
                {"installGuestAdditions", "false"},
                {"validationKitIsoPath", text_of(r, TXS_ISO, "")},
                {"installTestExecService", "false"},
                {"locale", v->locale},
                {"country", v->country},
                {"timeZone", v->time_zone},
                {"proxy", v->proxy},
                {"hostname", v->hostname},
                {"packageSelectionAdjustments", v->packages},
                {"auxiliaryBasePath", base},
                {"imageIndex", text_of(r, IMAGE_INDEX, "1")},
                {"scriptTemplatePath", text_of(r, TEMPLATE, "")},
                {"postInstallScriptTemplatePath", text_of(r, POST_TEMPLATE, "")},
                {"postInstallCommand", text_of(r, POST_COMMAND, "")},
                {"extraInstallKernelParameters", v->kernel_parameters},
                {"language", text_of(r, LANGUAGE, "")},
                {"detectedOSTypeId", r->system->type},
                {"detectedOSVersion", r->system->version},
                {"detectedOSFlavor", ""},
                {"detectedOSLanguages", ""},
                {"detectedOSHints", ""}};

    printf("VBoxManage: info: Using values:\n");
    for (unsigned k = 0; k < G_N_ELEMENTS(rows); k++)
        printf("%32s = %s\n", rows[k].name, rows[k].value);
}

/* ---- install: the machine ---- */

/* The machine's first drive of a kind. */
static GVariant *first_drive(GVariant *machine, const char *kind)
{
    g_autoptr(GVariant) all = dict_list(machine, "MediumAttachments");

    for (gsize k = 0; k < g_variant_n_children(all); k++) {
        GVariant *one = g_variant_get_child_value(all, k);
        if (strcmp(dict_str(one, "Type"), kind) == 0)
            return one;
        g_variant_unref(one);
    }
    return NULL;
}

/* The drive, made with its controller where there is none. */
static bool insert_floppy(struct cmd *c, GVariant *machine, const char *medium)
{
    static const char name[] = "Floppy";
    g_autoptr(GVariant) drive = first_drive(machine, "Floppy");
    char *made = NULL;

    if (drive != NULL)
        return TRY(c, imachine_mount_medium(c->client, c->session_machine, dict_str(drive, "Controller"),
                                            (guint32)dict_int(drive, "Port"), (guint32)dict_int(drive, "Device"),
                                            medium, true, &error));
    bool ok = TRY(c, imachine_add_storage_controller(c->client, c->session_machine, name, "Floppy", &made, &error)) &&
              TRY(c, imachine_attach_device(c->client, c->session_machine, name, 0, 0, "Floppy", medium, &error));
    g_free(made);
    return ok;
}

/* @floppy: NULL or an image. */
static bool insert_media(struct cmd *c, const char *machine, GVariant *m, const char *disc, const char *floppy)
{
    g_autoptr(GVariant) drive = first_drive(m, "DVD");
    g_autofree char *medium = cmd_open_medium(c, disc, "DVD", true);
    g_autofree char *small = medium != NULL && floppy != NULL ? cmd_open_medium(c, floppy, "Floppy", true) : NULL;

    if (medium == NULL || (floppy != NULL && small == NULL) || !cmd_lock(c, machine))
        return false;
    const char *copy = c->session_machine;
    return (small == NULL || insert_floppy(c, m, small)) &&
           TRY(c,
               imachine_mount_medium(c->client, copy, dict_str(drive, "Controller"), (guint32)dict_int(drive, "Port"),
                                     (guint32)dict_int(drive, "Device"), medium, true, &error)) &&
           TRY(c, imachine_set_boot_order(c->client, copy, 1, "HardDisk", &error)) &&
           TRY(c, imachine_set_boot_order(c->client, copy, 2, "DVD", &error)) && cmd_save(c);
}

static char *make_script(const struct request *r, const struct unattended_values *v, GError **error)
{
    g_autofree char *template = NULL;

    if (r->text[TEMPLATE] != NULL && !g_file_get_contents(r->text[TEMPLATE], &template, NULL, error))
        return NULL;
    return unattended_script(unattended_installer_find(r->system->installer), template, v, error);
}

static bool make_image(const struct unattended_installer *i, const struct request *r, const char *image,
                       const char *script, const struct unattended_values *v, GError **error)
{
    const struct floppy_file answers = {.name = "autounattend.xml", .alias = "AUTOUN~1XML", .text = script};

    if (!i->floppy)
        return unattended_disc(i, r->iso, image, script, v->kernel_parameters, error);
    g_unlink(image); /* of an earlier call */
    return floppy_write(image, &answers, 1, error);
}

static int prepare(struct cmd *c, const struct request *r, const char *machine, GVariant *m,
                   const struct unattended_values *v)
{
    const struct unattended_installer *i = unattended_installer_find(r->system->installer);
    g_autoptr(GVariant) drive = first_drive(m, "DVD");
    g_autofree char *folder = g_path_get_dirname(dict_str(m, "SettingsFilePath"));
    g_autofree char *usual = g_strdup_printf("%s/Unattended-%s-", folder, dict_str(m, "Id"));
    const char *base = text_of(r, BASE, usual), *type = r->text[START];
    g_autofree char *image = g_strconcat(base, i->floppy ? "aux-floppy.img" : "aux-iso.iso", NULL);
    GError *error = NULL;

    print_values(r, v, base);
    if (drive == NULL)
        return cmd_error("The machine '%s' has no DVD drive; add one with storageattach", r->machine);
    g_autofree char *script = make_script(r, v, &error);
    bool ok = script != NULL;
    if (ok && r->text[DRY_RUN] == NULL)
        ok = make_image(i, r, image, script, v, &error);
    if (!ok) {
        cmd_error("%s", error->message);
        g_error_free(error);
        return RC_FAILURE;
    }
    if (r->text[DRY_RUN] == NULL &&
        !insert_media(c, machine, m, i->floppy ? r->iso : image, i->floppy ? image : NULL)) {
        g_unlink(image);
        return RC_FAILURE;
    }
    printf("VBoxManage: info: VM '%s' (%s) is ready to be started (e.g. VBoxManage startvm).\n", dict_str(m, "Name"),
           dict_str(m, "Id"));
    bool start = type != NULL && strcmp(type, "none") != 0 && r->text[DRY_RUN] == NULL;
    return !start || startvm_start(c, r->machine, type, (const char *const[]){NULL}) ? RC_OK : RC_FAILURE;
}

static int install(struct cmd *c, struct request *r)
{
    g_autofree char *machine = cmd_find_machine(c, r->machine);
    g_autoptr(GVariant) m = machine != NULL ? cmd_describe(c, machine, "IMachine") : NULL;
    struct unattended_values v = {0};

    if (m == NULL)
        return RC_FAILURE;
    if (r->system == NULL)
        return cmd_error("Could not detect the system on '%s'", r->iso);
    if (r->system->installer == NULL)
        return cmd_error("Unattended installation is not supported for '%s'; attach '%s' and start the machine instead",
                         r->system->type, r->iso);
    if (r->text[ADDITIONS] != NULL || r->text[TXS] != NULL)
        return cmd_error("Guest additions and the test service cannot be installed by this program");
    printf("VBoxManage: info: Preparing unattended installation of %s in machine '%s' (%s).\n", r->system->type,
           dict_str(m, "Name"), dict_str(m, "Id"));
    int rc = take_values(r, m, &v) ? prepare(c, r, machine, m, &v) : RC_FAILURE;
    unattended_values_fini(&v);
    return rc;
}

/* ---- the command ---- */

static int parse(struct cmd *c, struct request *r)
{
    struct value v;

    for (int id; (id = cmd_next(c, &v)) != CMD_END;) {
        if (id == CMD_ERROR)
            return RC_SYNTAX;
        if (id != CMD_WORD)
            r->text[id] = v.text != NULL ? v.text : "";
        else if (r->verb == NULL)
            r->verb = v.text;
        else if (r->machine == NULL && strcmp(r->verb, "install") == 0)
            r->machine = v.text;
        else
            return cmd_syntax(c, "Invalid parameter '%s'", v.text);
    }
    if (r->verb == NULL)
        return cmd_syntax(c, "Missing subcommand");
    if (strcmp(r->verb, "detect") != 0 && strcmp(r->verb, "install") != 0)
        return cmd_syntax(c, "Unknown subcommand: %s", r->verb);
    if (strcmp(r->verb, "install") == 0 && r->machine == NULL)
        return cmd_syntax(c, "Missing VM name/UUID");
    return r->text[ISO] != NULL ? RC_OK : cmd_syntax(c, "No ISO specified");
}

static int unattended(struct cmd *c)
{
    struct request r = {0};
    int rc = parse(c, &r);

    if (rc != RC_OK)
        return rc;
    g_autofree char *iso = cmd_absolute(r.text[ISO]);
    if (!g_file_test(iso, G_FILE_TEST_IS_REGULAR))
        return cmd_error("Could not find the ISO '%s' (VERR_FILE_NOT_FOUND)", iso);
    r.iso = iso;
    r.system = unattended_detect(iso);
    return strcmp(r.verb, "detect") == 0 ? detect(c, &r) : install(c, &r);
}

const struct command unattended_command = {
    "unattended", "Unattended guest OS installation",
    (const char *const[]){"detect <--iso=install-iso> [--machine-readable]",
                          "install <uuid | vmname> <--iso=install-iso> [--user=login] [--user-password=password] "
                          "[--admin-password=password] [--password-file=file] [--full-user-name=name] "
                          "[--locale=ll_CC] [--country=CC] [--time-zone=tz] [--hostname=fqdn] [--proxy=url] "
                          "[--package-selection-adjustment=keyword] [--dry-run] [--auxiliary-base-path=path] "
                          "[--script-template=file] [--post-install-command=command] "
                          "[--extra-install-kernel-parameters=params] [--start-vm=session-type]",
                          NULL},
    options, unattended};
