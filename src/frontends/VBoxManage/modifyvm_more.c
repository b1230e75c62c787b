/*
 * modifyvm_more.c - options of modifyvm about CPUs, recording, passwords and devices of the host; see modifyvm.def.
 */
#include <string.h>

#include "frontends/VBoxManage/modifyvm.h"

static int done(bool ok)
{
    return ok ? RC_OK : RC_FAILURE;
}

static int set_word(struct cmd *c, const char *property, const char *word)
{
    g_autoptr(GVariant) val = g_variant_ref_sink(g_variant_new_string(word));

    return done(cmd_set(c, c->session_machine, "IMachine", property, val));
}

/* ---- passwords, pictures ---- */

/* VirtualBox keeps a SHA-256 of the password, in hexadecimal. */
static int hash(struct cmd *c, const char *password)
{
    g_autofree char *sum = *password != '\0' ? g_compute_checksum_for_string(G_CHECKSUM_SHA256, password, -1) : NULL;

    return set_word(c, "TeleporterPassword", sum != NULL ? sum : "");
}

int set_teleporter_password(struct cmd *c, const struct value *v)
{
    return hash(c, v->text);
}

int set_teleporter_password_file(struct cmd *c, const struct value *v)
{
    g_autofree char *text = NULL;

    if (!g_file_get_contents(v->text, &text, NULL, NULL))
        return cmd_error("Cannot open password file '%s'", v->text);
    text[strcspn(text, "\r\n")] = '\0';
    return hash(c, text);
}

int set_icon(struct cmd *c, const struct value *v)
{
    g_autofree char *bytes = NULL;
    gsize size = 0;

    if (*v->text == '\0')
        return set_word(c, "IconData", "");
    if (!g_file_get_contents(v->text, &bytes, &size, NULL) || size > 256 * 1024)
        return cmd_error("Cannot open file \"%s\", or it is larger than 256 KB", v->text);
    g_autofree char *text = g_base64_encode((const guchar *)bytes, size);
    return set_word(c, "IconData", text);
}

/* ---- words that differ ---- */

int set_tpm(struct cmd *c, const struct value *v)
{
    static const char *const words[][2] = {{"none", "None"}, {"disabled", "None"}, {"1.2", "v1_2"},
                                           {"2.0", "v2_0"},  {"host", "Host"},     {"swtpm", "Swtpm"}};

    for (unsigned k = 0; k < G_N_ELEMENTS(words); k++)
        if (g_ascii_strcasecmp(words[k][0], v->text) == 0)
            return set_word(c, "TPMType", words[k][1]);
    return cmd_syntax(c, "Invalid argument '%s' to --tpm-type", v->text);
}

int set_engine(struct cmd *c, const struct value *v)
{
    static const char *const words[][2] = {{"default", "Default"},      {"hm", "HwVirt"},
                                           {"hwvirt", "HwVirt"},        {"nem", "NativeApi"},
                                           {"native-api", "NativeApi"}, {"interpreter", "Interpreter"},
                                           {"recompiler", "Recompiler"}};

    for (unsigned k = 0; k < G_N_ELEMENTS(words); k++)
        if (g_ascii_strcasecmp(words[k][0], v->text) == 0)
            return set_word(c, "VMExecutionEngine", words[k][1]);
    return cmd_syntax(c, "Invalid --vm-execution-engine argument '%s'", v->text);
}

static int engine_key(struct cmd *c, const char *key, const char *val)
{
    return done(TRY(c, imachine_set_extra_data(c->client, c->session_machine, key, val, &error)));
}

int set_lockstep(struct cmd *c, const struct value *v)
{
    return engine_key(c, "VBoxInternal/EM/Lockstep", v->on ? "1" : "");
}

int set_profile(struct cmd *c, const struct value *v)
{
    return engine_key(c, "VBoxInternal/EM/Profile", v->on ? "1" : "");
}

int set_perf_map(struct cmd *c, const struct value *v)
{
    return engine_key(c, "VBoxInternal/EM/PerfMap", v->on ? "1" : "");
}

int set_raw_mode(struct cmd *c, const struct value *v)
{
    static const char *const words[] = {"off", "on", "always"};

    for (unsigned k = 0; k < G_N_ELEMENTS(words); k++)
        if (g_ascii_strcasecmp(words[k], v->text) == 0)
            return engine_key(c, "VBoxInternal/RawMode", k == 1 ? "" : words[k]); /* on is the rule */
    return cmd_syntax(c, "Invalid --raw-mode argument '%s'", v->text);
}

int set_usb_name(struct cmd *c, const struct value *v)
{
    const char *name = cmd_word(c);

    if (name == NULL)
        return cmd_syntax(c, "Missing new name of the USB controller '%s'", v->text);
    return done(TRY(c, imachine_rename_usb_controller(c->client, c->session_machine, v->text, name, &error)));
}

/* ---- CPUs ---- */

int set_plug(struct cmd *c, const struct value *v)
{
    return done(TRY(c, imachine_hot_plug_cpu(c->client, c->session_machine, (guint32)v->number, &error)));
}

int set_unplug(struct cmd *c, const struct value *v)
{
    return done(TRY(c, imachine_hot_unplug_cpu(c->client, c->session_machine, (guint32)v->number, &error)));
}

static bool hex(const char *text, guint32 *ret)
{
    char *end;

    if (text == NULL)
        return false;
    guint64 n = g_ascii_strtoull(text, &end, 16);
    *ret = (guint32)n;
    return *text != '\0' && *end == '\0' && n <= G_MAXUINT32;
}

/* "leaf" or "leaf:subleaf", hexadecimal */
static bool leaf_of(const char *text, guint32 *ret_leaf, guint32 *ret_subleaf)
{
    g_auto(GStrv) pair = g_strsplit(text, ":", 2);

    *ret_subleaf = 0;
    return hex(pair[0], ret_leaf) && (pair[1] == NULL || hex(pair[1], ret_subleaf));
}

int set_cpuid(struct cmd *c, const struct value *v)
{
    guint32 leaf, subleaf, val[4];
    bool ok = leaf_of(v->text, &leaf, &subleaf);

    for (unsigned k = 0; ok && k < 4; k++)
        ok = hex(cmd_word(c), &val[k]);
    if (!ok)
        return cmd_syntax(c, "Invalid or missing argument to '%s': leaf[:subleaf] eax ebx ecx edx, hexadecimal",
                          v->name);
    return done(TRY(c, imachine_set_cpuid_leaf(c->client, c->session_machine, leaf, subleaf, val[0], val[1], val[2],
                                               val[3], &error)));
}

int set_cpuid_remove(struct cmd *c, const struct value *v)
{
    guint32 leaf, subleaf;

    if (!leaf_of(v->text, &leaf, &subleaf))
        return cmd_syntax(c, "Invalid argument '%s' to '%s': leaf[:subleaf], hexadecimal", v->text, v->name);
    return done(TRY(c, imachine_remove_cpuid_leaf(c->client, c->session_machine, leaf, subleaf, &error)));
}

int set_cpuid_none(struct cmd *c, const struct value *v)
{
    (void)v;
    return done(TRY(c, imachine_remove_all_cpuid_leaves(c->client, c->session_machine, &error)));
}

/* ---- PCI ---- */

/* "bb:dd.f", hexadecimal */
static bool pci_address(const char *text, guint32 *ret)
{
    unsigned bus, device, function;
    char end;

    if (sscanf(text, "%2x:%2x.%1u%c", &bus, &device, &function, &end) != 3 || device > 31 || function > 7)
        return false;
    *ret = bus << 8 | device << 3 | function;
    return true;
}

int set_pci(struct cmd *c, const struct value *v)
{
    g_auto(GStrv) pair = g_strsplit(v->text, "@", 2);
    guint32 host, guest;

    if (pair[0] == NULL || !pci_address(pair[0], &host) || !pci_address(pair[1] != NULL ? pair[1] : pair[0], &guest))
        return cmd_syntax(c, "Invalid --pci-attach argument '%s'", v->text);
    return done(TRY(c, imachine_attach_host_pci_device(c->client, c->session_machine, host, guest, pair[0], &error)));
}

int set_pci_detach(struct cmd *c, const struct value *v)
{
    guint32 host;

    if (!pci_address(v->text, &host))
        return cmd_syntax(c, "Invalid --pci-detach argument '%s'", v->text);
    return done(TRY(c, imachine_detach_host_pci_device(c->client, c->session_machine, host, &error)));
}

/* ---- recording ---- */

int set_recording(struct cmd *c, guint32 screen, const char *option, const char *val)
{
    return done(TRY(c, imachine_set_recording_option(c->client, c->session_machine, screen, option, val, &error)));
}

int set_recording_screens(struct cmd *c, const struct value *v)
{
    bool all = g_ascii_strcasecmp(v->text, "all") == 0, none = g_ascii_strcasecmp(v->text, "none") == 0;
    g_auto(GStrv) words = g_strsplit(all || none ? "" : v->text, ",", -1);
    g_autoptr(GVariant) d = cmd_describe(c, c->session_machine, "IMachine");
    int rc = d != NULL ? RC_OK : RC_FAILURE;

    for (guint32 k = 0; rc == RC_OK && k < MIN(dict_int(d, "MonitorCount"), 64); k++) {
        g_autofree char *id = g_strdup_printf("%u", k);
        bool on = all || (!none && g_strv_contains((const char *const *)words, id));
        rc = set_recording(c, k, "enabled", on ? "on" : "off");
    }
    return rc;
}

int set_recording_file(struct cmd *c, const struct value *v)
{
    g_autofree char *path = *v->text != '\0' ? cmd_absolute(v->text) : g_strdup("");

    return set_recording(c, 0, "filename", path);
}

int set_recording_time(struct cmd *c, const struct value *v)
{
    return set_recording(c, 0, "max_time", v->text);
}

int set_recording_size(struct cmd *c, const struct value *v)
{
    return set_recording(c, 0, "max_size", v->text);
}

int set_recording_options(struct cmd *c, const struct value *v)
{
    return set_recording(c, 0, "options", v->text);
}

int set_recording_res(struct cmd *c, const struct value *v)
{
    return set_recording(c, 0, "video_res", v->text);
}

int set_recording_rate(struct cmd *c, const struct value *v)
{
    return set_recording(c, 0, "video_rate", v->text);
}

int set_recording_fps(struct cmd *c, const struct value *v)
{
    return set_recording(c, 0, "video_fps", v->text);
}

/* ---- the testing device: configured by extra data, as VirtualBox does ---- */

static int testing(struct cmd *c, const char *name, const char *val)
{
    g_autofree char *key = g_strconcat("VBoxInternal/Devices/VMMDev/0/Config/", name, NULL);

    return done(TRY(c, imachine_set_extra_data(c->client, c->session_machine, key, val, &error)));
}

int set_testing(struct cmd *c, const struct value *v)
{
    return testing(c, "TestingEnabled", v->on ? "1" : "");
}

int set_testing_mmio(struct cmd *c, const struct value *v)
{
    return testing(c, "TestingMMIO", v->on ? "1" : "");
}

int set_testing_dword(struct cmd *c, const struct value *v)
{
    g_autofree char *name = g_strdup_printf("TestingCfgDword%u", v->index);

    return testing(c, name, v->text);
}
