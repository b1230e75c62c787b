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
                   {"hostif", "Bridged", "BridgedInterface"},
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

/* @wait: "--wait" or NULL. Until it has begun: the call's answer says so. */
static int start_recording(struct cmd *c, const struct target *t, const char *wait)
{
    if (wait != NULL && strcmp(wait, "--wait") != 0)
        return cmd_syntax(c, "Invalid parameter '%s'", wait);
    return done(TRY(c, iconsole_recording_start(c->client, t->console, &error)));
}

static int recording(struct cmd *c, const struct target *t)
{
    static const char *const options[][2] = {{"screens", "--recording-screens"},
                                             {"filename", "--recording-file"},
                                             {"videores", "--recording-video-res"},
                                             {"videoresolution", "--recording-video-res"},
                                             {"videorate", "--recording-video-rate"},
                                             {"videofps", "--recording-video-fps"},
                                             {"maxtime", "--recording-max-time"},
                                             {"maxfilesize", "--recording-max-size"},
                                             {"opts", "--recording-opts"},
                                             {"options", "--recording-opts"}};
    const char *what = cmd_word(c), *val = cmd_word(c);
    bool on;

    if (what == NULL)
        return cmd_syntax(c, "Missing argument to 'recording'");
    if (strcmp(what, "start") == 0)
        return start_recording(c, t, val);
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

static const struct {
    const char *verb;
    controlvm_fn run;
} own_verbs[] = {{"clipboard", clipboard}, {"recording", recording}, {"videocap", recording}};

static controlvm_fn own_verb(const char *verb)
{
    for (unsigned k = 0; k < G_N_ELEMENTS(own_verbs); k++)
        if (strcmp(own_verbs[k].verb, verb) == 0)
            return own_verbs[k].run;
    return controlvm_part(verb);
}

bool controlvm_known(const char *verb)
{
    if (own_verb(verb) != NULL)
        return true;
    for (unsigned k = 0; k < G_N_ELEMENTS(settings_verbs); k++)
        if (number_of(verb, settings_verbs[k].verb, settings_verbs[k].indexed) != NULL)
            return true;
    return number_of(verb, "nic", true) != NULL;
}

int controlvm_more(struct cmd *c, const struct target *t, const char *verb)
{
    const controlvm_fn run = own_verb(verb);

    if (run != NULL)
        return run(c, t);
    for (unsigned k = 0; k < G_N_ELEMENTS(settings_verbs); k++) {
        const char *number = number_of(verb, settings_verbs[k].verb, settings_verbs[k].indexed);
        if (number != NULL)
            return as_option(c, t, settings_verbs[k].option, number);
    }
    return set_attachment(c, t, number_of(verb, "nic", true));
}
