/*
 * controlvm_more.c - controlvm's verbs that change settings of a running machine, and those that a part of it carries
 * out (guest additions, USB, teleporting); without the part the machine's process says so.
 *
 * A settings verb is the option of modifyvm beside it; a number behind its name goes on to the option.
 */
#include <stdlib.h>
#include <string.h>

#include "frontends/VBoxManage/commands.h"
#include "frontends/VBoxManage/controlvm.h"
#include "frontends/VBoxManage/modifyvm.h"

#define WORDS_MAX 8u

static int done(bool ok)
{
    return ok ? RC_OK : RC_FAILURE;
}

/* ---- verbs that are an option of modifyvm ---- */

static const struct {
    const char *verb, *option;
    bool indexed;
} settings_verbs[] = {
    {"setlinkstate", "--cable-connected", true},
    {"nictracefile", "--nic-trace-file", true},
    {"nictrace", "--nic-trace", true},
    {"nicproperty", "--nic-property", true},
    {"nicpromisc", "--nic-promisc", true},
    {"natpf", "--nat-pf", true},
    {"changeuartmode", "--uart-mode", true},
    {"guestmemoryballoon", "--guest-memory-balloon", false},
    {"audioin", "--audio-in", false},
    {"audioout", "--audio-out", false},
    {"draganddrop", "--drag-and-drop", false},
    {"vrde", "--vrde", false},
    {"vrdp", "--vrde", false},
    {"vrdeport", "--vrde-port", false},
    {"vrdpport", "--vrde-port", false},
    {"vrdeproperty", "--vrde-property", false},
    {"vrdevideochannelquality", "--vrde-video-channel-quality", false},
    {"vrdpvideochannelquality", "--vrde-video-channel-quality", false},
    {"cpuexecutioncap", "--cpu-execution-cap", false},
    {"vm-process-priority", "--vm-process-priority", false},
    {"autostart-enabled", "--autostart-enabled", false},
    {"autostart-delay", "--autostart-delay", false},
};

/* The rest of @word behind @verb: "" or a number when @indexed; NULL: another verb. */
static const char *number_of(const char *word, const char *verb, bool indexed)
{
    const char *rest = g_str_has_prefix(word, verb) ? word + strlen(verb) : NULL;

    if (rest == NULL || (*rest == '\0') == indexed)
        return NULL;
    return rest[strspn(rest, "0123456789")] == '\0' ? rest : NULL;
}

/* @words: options and arguments, changed on a shared session. */
static int change(struct cmd *c, const struct target *t, char **words, unsigned count)
{
    return cmd_lock_shared(c, t->machine) ? modify_words(c, words, (int)count) : RC_FAILURE;
}

static int as_option(struct cmd *c, const struct target *t, const char *option, const char *number)
{
    g_autofree char *name = g_strconcat(option, number, NULL);
    char *words[WORDS_MAX] = {name};
    unsigned n = 1;

    for (const char *word; n < WORDS_MAX && (word = cmd_word(c)) != NULL; n++)
        words[n] = (char *)word;
    if (n == 1)
        return cmd_syntax(c, "Missing argument to '%s'", c->argv[1]);
    return change(c, t, words, n);
}

/* nic<N> KIND [DEVICE]: what DEVICE is depends on KIND. */
static const struct {
    const char *word, *type, *device;
} attachments[] = {{"null", "Null", NULL},
                   {"nat", "NAT", NULL},
                   {"bridged", "Bridged", "BridgedInterface"},
                   {"intnet", "Internal", "InternalNetwork"},
                   {"hostonly", "HostOnly", "HostOnlyInterface"},
                   {"hostonlynet", "HostOnlyNetwork", "HostOnlyNetwork"},
                   {"generic", "Generic", "GenericDriver"},
                   {"natnetwork", "NATNetwork", "NATNetwork"}};

static int set_attachment(struct cmd *c, const struct target *t, const char *number)
{
    const char *word = cmd_word(c), *device = cmd_word(c);
    unsigned slot = (unsigned)strtoul(number, NULL, 10), k = 0;

    while (word != NULL && k < G_N_ELEMENTS(attachments) && g_ascii_strcasecmp(attachments[k].word, word) != 0)
        k++;
    if (word == NULL || (k < G_N_ELEMENTS(attachments) && attachments[k].device != NULL && device == NULL))
        return cmd_syntax(c, "Missing argument to '%s'", word != NULL ? word : c->argv[1]);
    if (k == G_N_ELEMENTS(attachments))
        return cmd_syntax(c, "Invalid type '%s' specfied for NIC %u", word, slot);
    if (slot == 0)
        return cmd_syntax(c, "Numbers start at 1");
    if (!cmd_lock_shared(c, t->machine))
        return RC_FAILURE;
    g_autofree char *adapter = cmd_slot(c, "adapter", slot - 1);
    GError *failed = NULL;
    g_autoptr(GVariant) enabled = client_get(c->client, adapter, "INetworkAdapter", "Enabled", &failed);
    if (enabled == NULL)
        return cmd_com_error(c, &failed, "COMGETTER(Enabled)", __LINE__, __FILE__);
    if (!g_variant_get_boolean(enabled))
        return cmd_error("The network adapter %u of '%s' is not enabled; only modifyvm can do that", slot, t->name);
    int rc =
        modify_slot(c, "adapter", "INetworkAdapter", slot, "AttachmentType", g_variant_new_string(attachments[k].type));
    if (rc == RC_OK && attachments[k].device != NULL)
        rc = modify_slot(c, "adapter", "INetworkAdapter", slot, attachments[k].device, g_variant_new_string(device));
    return rc;
}

static int clipboard(struct cmd *c, const struct target *t)
{
    const char *what = cmd_word(c), *val = cmd_word(c);

    if (what == NULL)
        return cmd_syntax(c, "Missing argument to 'clipboard'");
    bool files = strcmp(what, "filetransfers") == 0, mode = strcmp(what, "mode") == 0;
    if ((files || mode) && val == NULL)
        return cmd_syntax(c, "Missing argument to 'clipboard %s'", what);
    char *words[] = {files ? "--clipboard-file-transfers" : "--clipboard-mode", (char *)(files || mode ? val : what)};
    return change(c, t, words, 2);
}

static int recording(struct cmd *c, const struct target *t)
{
    static const char *const options[][2] = {
        {"screens", "--recording-screens"},      {"filename", "--recording-file"},
        {"videores", "--recording-video-res"},   {"videorate", "--recording-video-rate"},
        {"videofps", "--recording-video-fps"},   {"maxtime", "--recording-max-time"},
        {"maxfilesize", "--recording-max-size"}, {"opts", "--recording-opts"},
        {"options", "--recording-opts"}};
    const char *what = cmd_word(c), *val = cmd_word(c);
    bool on;

    if (what == NULL)
        return cmd_syntax(c, "Missing argument to 'recording'");
    if (strcmp(what, "start") == 0)
        return done(TRY(c, iconsole_recording_start(c->client, t->console, &error)));
    if (strcmp(what, "stop") == 0)
        return done(TRY(c, iconsole_recording_stop(c->client, t->console, &error)));
    if (parse_on_off(what, &on)) {
        char *words[] = {"--recording", (char *)what};
        return change(c, t, words, 2);
    }
    for (unsigned k = 0; k < G_N_ELEMENTS(options); k++) {
        char *words[] = {(char *)options[k][1], (char *)val};
        if (strcmp(options[k][0], what) == 0)
            return val != NULL ? change(c, t, words, 2) : cmd_syntax(c, "Missing argument to 'recording %s'", what);
    }
    return cmd_syntax(c, "Invalid parameter '%s'", what);
}

/* ---- verbs a part of the machine carries out ---- */

static bool number_word(struct cmd *c, guint32 *ret)
{
    const char *word = cmd_word(c);
    char *end;

    if (word == NULL)
        return false;
    guint64 n = g_ascii_strtoull(word, &end, 10);
    *ret = (guint32)n;
    return *word != '\0' && *end == '\0' && n <= G_MAXUINT32;
}

/* "--name=value" or "--name value" among the words that are left; taken out of them is nothing. NULL: not there. */
static const char *option_word(struct cmd *c, const char *name)
{
    for (int k = c->at; k < c->argc; k++) {
        size_t size = strlen(name);
        if (strncmp(c->argv[k], name, size) != 0)
            continue;
        if (c->argv[k][size] == '=')
            return c->argv[k] + size + 1;
        if (c->argv[k][size] == '\0')
            return k + 1 < c->argc ? c->argv[k + 1] : "";
    }
    return NULL;
}

static int video_mode(struct cmd *c, const struct target *t)
{
    guint32 width, height, depth, display = 0, origin[2] = {0};

    if (!number_word(c, &width) || !number_word(c, &height) || !number_word(c, &depth))
        return cmd_syntax(c, "Incorrect arguments to 'setvideomodehint'");
    bool has_display = c->at < c->argc;
    if (has_display && !number_word(c, &display))
        return cmd_syntax(c, "Incorrect arguments to 'setvideomodehint'");
    const char *word = cmd_word(c);
    bool on = true, has_origin = c->at < c->argc;
    if ((word != NULL && !parse_on_off(word, &on)) ||
        (has_origin && (!number_word(c, &origin[0]) || !number_word(c, &origin[1]))))
        return cmd_syntax(c, "Incorrect arguments to 'setvideomodehint'");
    return done(TRY(c, idisplay_set_video_mode_hint(c->client, t->console, display, on, has_origin, (gint32)origin[0],
                                                    (gint32)origin[1], width, height, depth, &error)));
}

static int usb_attach(struct cmd *c, const struct target *t)
{
    const char *capture = option_word(c, "--capturefile"), *id = cmd_word(c);

    if (id == NULL)
        return cmd_syntax(c, "Missing argument to 'usbattach'");
    return done(TRY(c, iconsole_attach_usb_device(c->client, t->console, id, capture != NULL ? capture : "", &error)));
}

static int usb_detach(struct cmd *c, const struct target *t)
{
    const char *id = cmd_word(c);

    if (id == NULL)
        return cmd_syntax(c, "Missing argument to 'usbdetach'");
    return done(TRY(c, iconsole_detach_usb_device(c->client, t->console, id, &error)));
}

static int credentials(struct cmd *c, const struct target *t)
{
    const char *file = option_word(c, "--passwordfile"), *local = option_word(c, "--allowlocallogon");
    const char *user = cmd_word(c), *word = cmd_word(c), *domain = cmd_word(c);
    bool allow = false;

    if (domain == NULL || (local != NULL && !parse_on_off(local, &allow)))
        return cmd_syntax(c, "Incorrect arguments to 'setcredentials'");
    g_autofree char *password = file != NULL ? cmd_read_password(file, "Enter password:") : g_strdup(word);
    return done(password != NULL &&
                TRY(c, iconsole_set_credentials(c->client, t->console, user, password, domain, allow, &error)));
}

static int teleport(struct cmd *c, const struct target *t)
{
    const char *host = option_word(c, "--host"), *port = option_word(c, "--port");
    const char *downtime = option_word(c, "--maxdowntime"), *file = option_word(c, "--passwordfile");
    const char *word = option_word(c, "--password");

    if (host == NULL || port == NULL)
        return cmd_syntax(c, "Missing required option: --%s", host == NULL ? "host" : "port");
    g_autofree char *password =
        file != NULL ? cmd_read_password(file, "Enter password:") : g_strdup(word != NULL ? word : "");
    guint32 ms = downtime != NULL ? (guint32)g_ascii_strtoull(downtime, NULL, 10) : 250;
    return done(password != NULL &&
                TRY(c, iconsole_teleport(c->client, t->console, host, (guint32)g_ascii_strtoull(port, NULL, 10),
                                         password, ms, &error)));
}

static int plug(struct cmd *c, const struct target *t)
{
    guint32 cpu;

    if (!number_word(c, &cpu))
        return cmd_syntax(c, "Missing argument to 'plugcpu'");
    return done(TRY(c, iconsole_plug_cpu(c->client, t->console, cpu, &error)));
}

static int unplug(struct cmd *c, const struct target *t)
{
    guint32 cpu;

    if (!number_word(c, &cpu))
        return cmd_syntax(c, "Missing argument to 'unplugcpu'");
    return done(TRY(c, iconsole_unplug_cpu(c->client, t->console, cpu, &error)));
}

static int webcam(struct cmd *c, const struct target *t)
{
    const char *what = cmd_word(c), *path = cmd_word(c), *settings = cmd_word(c);
    char **list = NULL;

    if (path == NULL)
        path = ".0";
    if (g_strcmp0(what, "attach") == 0)
        return done(
            TRY(c, iconsole_webcam_attach(c->client, t->console, path, settings != NULL ? settings : "", &error)));
    if (g_strcmp0(what, "detach") == 0)
        return done(TRY(c, iconsole_webcam_detach(c->client, t->console, path, &error)));
    if (g_strcmp0(what, "list") != 0)
        return cmd_syntax(c, what == NULL ? "Missing argument to 'webcam'" : "Invalid argument to 'webcam'");
    if (!TRY(c, iconsole_get_webcams(c->client, t->console, &list, &error)))
        return RC_FAILURE;
    g_auto(GStrv) paths = list;
    for (unsigned k = 0; paths[k] != NULL; k++)
        printf("%s\n", paths[k]);
    return RC_OK;
}

static int add_password(struct cmd *c, const struct target *t)
{
    const char *clear = option_word(c, "--removeonsuspend"), *id = cmd_word(c), *file = cmd_word(c);
    bool on = false;

    if (file == NULL || (clear != NULL && !parse_on_off(clear, &on)))
        return cmd_syntax(c, "Incorrect arguments to 'addencpassword'");
    g_autofree char *password = cmd_read_password(file, "Enter password:");
    return done(password != NULL &&
                TRY(c, iconsole_add_encryption_password(c->client, t->console, id, password, on, &error)));
}

static int remove_password(struct cmd *c, const struct target *t)
{
    const char *id = cmd_word(c);

    if (id == NULL)
        return cmd_syntax(c, "Missing argument to 'removeencpassword'");
    return done(TRY(c, iconsole_remove_encryption_password(c->client, t->console, id, &error)));
}

static int remove_passwords(struct cmd *c, const struct target *t)
{
    return done(TRY(c, iconsole_clear_all_encryption_passwords(c->client, t->console, &error)));
}

static int reboot(struct cmd *c, const struct target *t)
{
    return done(TRY(c, iconsole_guest_shutdown(c->client, t->console, true, false, &error)));
}

static int shut_down(struct cmd *c, const struct target *t)
{
    bool force = g_strcmp0(cmd_word(c), "--force") == 0;

    return done(TRY(c, iconsole_guest_shutdown(c->client, t->console, false, force, &error)));
}

static const struct {
    const char *verb;
    int (*run)(struct cmd *c, const struct target *t);
} part_verbs[] = {
    {"clipboard", clipboard},
    {"recording", recording},
    {"videocap", recording},
    {"setvideomodehint", video_mode},
    {"usbattach", usb_attach},
    {"usbdetach", usb_detach},
    {"setcredentials", credentials},
    {"teleport", teleport},
    {"plugcpu", plug},
    {"unplugcpu", unplug},
    {"webcam", webcam},
    {"addencpassword", add_password},
    {"removeencpassword", remove_password},
    {"removeallencpasswords", remove_passwords},
    {"reboot", reboot},
    {"shutdown", shut_down},
};

bool controlvm_known(const char *verb)
{
    for (unsigned k = 0; k < G_N_ELEMENTS(part_verbs); k++)
        if (strcmp(part_verbs[k].verb, verb) == 0)
            return true;
    for (unsigned k = 0; k < G_N_ELEMENTS(settings_verbs); k++)
        if (number_of(verb, settings_verbs[k].verb, settings_verbs[k].indexed) != NULL)
            return true;
    return number_of(verb, "nic", true) != NULL;
}

int controlvm_more(struct cmd *c, const struct target *t, const char *verb)
{
    for (unsigned k = 0; k < G_N_ELEMENTS(part_verbs); k++)
        if (strcmp(part_verbs[k].verb, verb) == 0)
            return part_verbs[k].run(c, t);
    for (unsigned k = 0; k < G_N_ELEMENTS(settings_verbs); k++) {
        const char *number = number_of(verb, settings_verbs[k].verb, settings_verbs[k].indexed);
        if (number != NULL)
            return as_option(c, t, settings_verbs[k].option, number);
    }
    return set_attachment(c, t, number_of(verb, "nic", true));
}
