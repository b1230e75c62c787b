/*
 * info.c - showvminfo: a machine as a person or a script reads it.
 *
 * Scripts parse both forms, so order, labels and keys are VirtualBox 7.0's. The first half is a table (info_rows);
 * storage, network and the other lists follow in info_lists.c.
 */
#include <string.h>
#include <time.h>

#include "frontends/VBoxManage/commands.h"
#include "frontends/VBoxManage/info.h"

/* ---- states ---- */

static const char *const states[][3] = {
    {"PoweredOff", "poweroff", "powered off"},
    {"Saved", "saved", "saved"},
    {"Teleported", "teleported", "teleported"},
    {"Aborted", "aborted", "aborted"},
    {"AbortedSaved", "aborted-saved", "aborted-saved"},
    {"Running", "running", "running"},
    {"Paused", "paused", "paused"},
    {"Stuck", "gurumeditation", "guru meditation"},
    {"Teleporting", "teleporting", "teleporting"},
    {"TeleportingIn", "teleportingin", "teleporting in"},
    {"TeleportingPausedVM", "teleportingpausedvm", "teleporting paused VM"},
    {"LiveSnapshotting", "livesnapshotting", "live snapshotting"},
    {"Starting", "starting", "starting"},
    {"Stopping", "stopping", "stopping"},
    {"Saving", "saving", "saving"},
    {"Restoring", "restoring", "restoring"},
    {"OnlineSnapshotting", "onlinesnapshotting", "online snapshotting"},
    {"RestoringSnapshot", "restoringsnapshot", "restoring snapshot"},
    {"DeletingSnapshot", "deletingsnapshot", "deleting snapshot"},
    {"DeletingSnapshotOnline", "deletingsnapshotlive", "deleting snapshot live"},
    {"DeletingSnapshotPaused", "deletingsnapshotlivepaused", "deleting snapshot live paused"},
    {"SettingUp", "settingup", "setting up"},
    {"Snapshotting", "snapshotting", "offline snapshotting"},
};

const char *state_word(const char *state, bool human)
{
    for (unsigned k = 0; k < G_N_ELEMENTS(states); k++)
        if (strcmp(states[k][0], state) == 0)
            return states[k][human ? 2 : 1];
    return "unknown";
}

/* ---- one line each ---- */

/* ---- fields ---- */

const char *field_str(const struct info *i, const char *key)
{
    const char *text = "";

    g_variant_dict_lookup(i->fields, key, "&s", &text);
    return text;
}

bool field_bool(const struct info *i, const char *key)
{
    gboolean on = FALSE;

    return g_variant_dict_lookup(i->fields, key, "b", &on) && on;
}

GVariant *field_value(const struct info *i, const char *key, const GVariantType *type)
{
    return g_variant_dict_lookup_value(i->fields, key, type);
}

gint64 field_int(const struct info *i, const char *key)
{
    g_autoptr(GVariant) val = field_value(i, key, NULL);

    return variant_int(val);
}

GVariant *field_list(const struct info *i, const char *key)
{
    GVariant *list = field_value(i, key, NULL);

    return list != NULL ? list : g_variant_ref_sink(g_variant_new_array(G_VARIANT_TYPE_VARDICT, NULL, 0));
}

void info_text(const struct info *i, const char *key, const char *label, const char *text)
{
    if (!i->machine_readable) {
        g_autofree char *colon = g_strconcat(label, ":", NULL);
        printf("%-28s %s\n", colon, text);
        return;
    }
    printf("%s=\"", key);
    for (const char *p = text; *p != '\0'; p++) {
        if (*p == '"' || *p == '\\')
            putchar('\\');
        putchar(*p);
    }
    printf("\"\n");
}

void info_either(const struct info *i, const char *key, const char *label, bool on, const char *yes, const char *no)
{
    info_text(i, key, label, i->machine_readable ? on_off(on) : on ? yes : no);
}

void info_bool(const struct info *i, const char *key, const char *label, bool on)
{
    info_either(i, key, label, on, "enabled", "disabled");
}

void info_number(const struct info *i, const char *key, const char *label, gint64 n, const char *unit)
{
    g_autofree char *colon = g_strconcat(label, ":", NULL);

    if (i->machine_readable)
        printf("%s=%" G_GINT64_FORMAT "\n", key, n);
    else
        printf("%-28s %" G_GINT64_FORMAT "%s\n", colon, n, unit);
}

/* ---- words that are neither the API's nor simply lower case ---- */

static const struct {
    const char *property, *api, *machine, *human;
} words[] = {
    {"FirmwareType", "EFI32", "EFI32", "EFI32"},
    {"BootMenuMode", "Disabled", "disabled", "disabled"},
    {"BootMenuMode", "MenuOnly", "menuonly", "menu only"},
    {"BootMenuMode", "MessageAndMenu", "messageandmenu", "message and menu"},
    {"APICMode", "APIC", "apic", "APIC"},
    {"APICMode", "X2APIC", "x2apic", "x2APIC"},
    {"ParavirtProvider", "None", "none", "None"},
    {"ParavirtProvider", "Default", "default", "Default"},
    {"ParavirtProvider", "Legacy", "legacy", "Legacy"},
    {"ParavirtProvider", "Minimal", "minimal", "Minimal"},
    {"ParavirtProvider", "HyperV", "hyperv", "HyperV"},
    {"ParavirtProvider", "KVM", "kvm", "KVM"},
    {"EffectiveParavirtProvider", "None", "none", "None"},
    {"EffectiveParavirtProvider", "Minimal", "minimal", "Minimal"},
    {"EffectiveParavirtProvider", "HyperV", "hyperv", "HyperV"},
    {"EffectiveParavirtProvider", "KVM", "kvm", "KVM"},
    {"GraphicsControllerType", "Null", "null", "Null"},
    {"GraphicsControllerType", "VBoxVGA", "vboxvga", "VBoxVGA"},
    {"GraphicsControllerType", "VMSVGA", "vmsvga", "VMSVGA"},
    {"GraphicsControllerType", "VBoxSVGA", "vboxsvga", "VBoxSVGA"},
    {"IommuType", "None", "none", "None"},
    {"IommuType", "Automatic", "automatic", "Automatic"},
    {"IommuType", "AMD", "amd", "AMD"},
    {"IommuType", "Intel", "intel", "Intel"},
};

static char *word_of(const char *property, const char *api, bool machine_readable)
{
    for (unsigned k = 0; k < G_N_ELEMENTS(words); k++)
        if (strcmp(words[k].property, property) == 0 && strcmp(words[k].api, api) == 0)
            return g_strdup(machine_readable ? words[k].machine : words[k].human);
    return strcmp(property, "FirmwareType") == 0 ? g_strdup(api) : g_ascii_strdown(api, -1);
}

/* ---- the table ---- */

enum row_kind { ROW_TEXT, ROW_BOOL, ROW_NUMBER, ROW_WORD, ROW_SPECIAL };
struct info_row {
    enum row_kind kind;
    const char *key, *label;
    const char *property; /* or unit behind it */
    const char *unit;
    void (*special)(const struct info *i);
};

static void show_encryption(const struct info *i)
{
    (void)i;
    printf("Encryption:     disabled\n"); /* this form, this column: VirtualBox 7.0 */
}

static void show_groups(const struct info *i)
{
    g_autoptr(GVariant) list = field_value(i, "Groups", G_VARIANT_TYPE("as"));
    g_autofree const char **names = list != NULL ? g_variant_get_strv(list, NULL) : NULL;
    g_autofree char *joined = names != NULL ? g_strjoinv(",", (char **)names) : g_strdup("/");

    info_text(i, "groups", "Groups", joined);
}

static void show_cpuid(const struct info *i)
{
    g_autoptr(GVariant) list = field_value(i, "CPUIDLeaves", G_VARIANT_TYPE("a(uuuuuu)"));
    gsize count = list != NULL ? g_variant_n_children(list) : 0;

    if (!i->machine_readable)
        info_text(i, "", "CPUID overrides", count == 0 ? "None" : "Leaf no.      EAX      EBX      ECX      EDX");
    for (gsize k = 0; k < count; k++) {
        guint32 leaf, subleaf, eax, ebx, ecx, edx;
        g_variant_get_child(list, k, "(uuuuuu)", &leaf, &subleaf, &eax, &ebx, &ecx, &edx);
        if (i->machine_readable)
            printf("cpuid=%08x,%08x,%08x,%08x,%08x,%08x\n", leaf, subleaf, eax, ebx, ecx, edx);
        else
            printf("%-28s %08x/%03x  %08x %08x %08x %08x\n", "", leaf, subleaf, eax, ebx, ecx, edx);
    }
}

static void show_boot(const struct info *i)
{
    static const char *const boot[][3] = {{"Null", "none", "Not Assigned"},
                                          {"Floppy", "floppy", "Floppy"},
                                          {"DVD", "dvd", "DVD"},
                                          {"HardDisk", "disk", "HardDisk"},
                                          {"Network", "net", "Network"}};
    g_autoptr(GVariant) list = field_value(i, "BootOrder", G_VARIANT_TYPE("as"));
    g_autofree const char **order = list != NULL ? g_variant_get_strv(list, NULL) : NULL;

    for (unsigned k = 0; order != NULL && order[k] != NULL; k++) {
        char key[16], label[24];
        unsigned n = 0;
        while (n + 1 < G_N_ELEMENTS(boot) && strcmp(boot[n][0], order[k]) != 0)
            n++;
        g_snprintf(key, sizeof key, "boot%u", k + 1);
        g_snprintf(label, sizeof label, "Boot Device %u", k + 1);
        info_text(i, key, label, boot[n][i->machine_readable ? 1 : 2]);
    }
}

static void show_nvram(const struct info *i)
{
    g_autofree char *folder = g_path_get_dirname(field_str(i, "SettingsFilePath"));
    g_autofree char *file = g_strconcat(field_str(i, "Name"), ".nvram", NULL);
    g_autofree char *path = g_build_filename(folder, file, NULL);

    info_text(i, "BIOS NVRAM File", "BIOS NVRAM File", path);
}

static void show_clock(const struct info *i)
{
    bool utc = field_bool(i, "RTCUseUTC");

    if (i->machine_readable)
        info_bool(i, "rtcuseutc", "RTC", utc);
    else
        info_text(i, "rtcuseutc", "RTC", utc ? "UTC" : "local time");
}

static void show_profile(const struct info *i)
{
    info_text(i, "cpu-profile", "CPUProfile", field_str(i, "CPUProfile"));
}

static void show_paravirt_debug(const struct info *i)
{
    if (*field_str(i, "ParavirtDebug") != '\0')
        info_text(i, "paravirtdebug", "Paravirt. Debug", field_str(i, "ParavirtDebug"));
}

static void show_state(const struct info *i)
{
    gint64 ms = field_int(i, "LastStateChange");
    g_autoptr(GDateTime) when = g_date_time_new_from_unix_utc(ms / 1000);
    g_autofree char *seconds = when != NULL ? g_date_time_format(when, "%Y-%m-%dT%H:%M:%S") : g_strdup("");
    g_autofree char *text = g_strdup_printf("%s.%03d000000", seconds, (int)(ms % 1000));
    const char *word = state_word(field_str(i, "State"), !i->machine_readable);
    g_autofree char *since = g_strdup_printf("%s (since %s)", word, text);

    info_text(i, "VMState", "State", i->machine_readable ? word : since);
    if (!i->machine_readable)
        return;
    printf("VMStateChangeTime=\"%s\"\n", text);
    if (*field_str(i, "StateFilePath") != '\0')
        info_text(i, "VMStateFile", "", field_str(i, "StateFilePath"));
}

static void show_teleporter_password(const struct info *i)
{
    info_text(i, "teleporterpassword", "Teleporter Password", "");
}

#define TEXT(key, label, property)                                                                                     \
    {                                                                                                                  \
        ROW_TEXT, key, label, property, NULL, NULL                                                                     \
    }
#define FLAG(key, label, property)                                                                                     \
    {                                                                                                                  \
        ROW_BOOL, key, label, property, NULL, NULL                                                                     \
    }
#define NUMBER(key, label, property, unit)                                                                             \
    {                                                                                                                  \
        ROW_NUMBER, key, label, property, unit, NULL                                                                   \
    }
#define WORD(key, label, property)                                                                                     \
    {                                                                                                                  \
        ROW_WORD, key, label, property, NULL, NULL                                                                     \
    }
#define SPECIAL(function)                                                                                              \
    {                                                                                                                  \
        ROW_SPECIAL, NULL, NULL, NULL, NULL, function                                                                  \
    }

static const struct info_row info_rows[] = {
    TEXT("name", "Name", "Name"),
    SPECIAL(show_encryption),
    SPECIAL(show_groups),
    TEXT("ostype", "Guest OS", "OSTypeDescription"),
    TEXT("UUID", "UUID", "Id"),
    TEXT("CfgFile", "Config file", "SettingsFilePath"),
    TEXT("SnapFldr", "Snapshot folder", "SnapshotFolder"),
    TEXT("LogFldr", "Log folder", "LogFolder"),
    TEXT("hardwareuuid", "Hardware UUID", "HardwareUUID"),
    NUMBER("memory", "Memory size", "MemorySize", "MB"),
    FLAG("pagefusion", "Page Fusion", "PageFusionEnabled"),
    NUMBER("vram", "VRAM size", "VRAMSize", "MB"),
    NUMBER("cpuexecutioncap", "CPU exec cap", "CPUExecutionCap", "%"),
    FLAG("hpet", "HPET", "HPETEnabled"),
    SPECIAL(show_profile),
    WORD("chipset", "Chipset", "ChipsetType"),
    WORD("firmware", "Firmware", "FirmwareType"),
    NUMBER("cpus", "Number of CPUs", "CPUCount", ""),
    FLAG("pae", "PAE", "PAE"),
    FLAG("longmode", "Long Mode", "LongMode"),
    FLAG("triplefaultreset", "Triple Fault Reset", "TripleFaultReset"),
    FLAG("apic", "APIC", "APIC"),
    FLAG("x2apic", "X2APIC", "X2APIC"),
    FLAG("nested-hw-virt", "Nested VT-x/AMD-V", "NestedHWVirt"),
    NUMBER("cpuid-portability-level", "CPUID Portability Level", "CPUIDPortabilityLevel", ""),
    SPECIAL(show_cpuid),
    WORD("bootmenu", "Boot menu mode", "BootMenuMode"),
    SPECIAL(show_boot),
    FLAG("acpi", "ACPI", "ACPIEnabled"),
    FLAG("ioapic", "IOAPIC", "IOAPICEnabled"),
    WORD("biosapic", "BIOS APIC mode", "APICMode"),
    NUMBER("biossystemtimeoffset", "Time offset", "TimeOffset", "ms"),
    SPECIAL(show_nvram),
    SPECIAL(show_clock),
    FLAG("hwvirtex", "Hardware Virtualization", "HWVirtExEnabled"),
    FLAG("nestedpaging", "Nested Paging", "HWVirtExNestedPaging"),
    FLAG("largepages", "Large Pages", "HWVirtExLargePages"),
    FLAG("vtxvpid", "VT-x VPID", "HWVirtExVPID"),
    FLAG("vtxux", "VT-x Unrestricted Exec.", "HWVirtExUnrestrictedExecution"),
    FLAG("virtvmsavevmload", "AMD-V Virt. Vmsave/Vmload", "HWVirtExVirtVmsaveVmload"),
    WORD("iommu", "IOMMU", "IommuType"),
    WORD("paravirtprovider", "Paravirt. Provider", "ParavirtProvider"),
    WORD("effparavirtprovider", "Effective Paravirt. Prov.", "EffectiveParavirtProvider"),
    SPECIAL(show_paravirt_debug),
    SPECIAL(show_state),
    WORD("graphicscontroller", "Graphics Controller", "GraphicsControllerType"),
    NUMBER("monitorcount", "Monitor count", "MonitorCount", ""),
    FLAG("accelerate3d", "3D Acceleration", "Accelerate3DEnabled"),
    FLAG("accelerate2dvideo", "2D Video Acceleration", "Accelerate2DVideoEnabled"),
    FLAG("teleporterenabled", "Teleporter Enabled", "TeleporterEnabled"),
    NUMBER("teleporterport", "Teleporter Port", "TeleporterPort", ""),
    TEXT("teleporteraddress", "Teleporter Address", "TeleporterAddress"),
    SPECIAL(show_teleporter_password),
    FLAG("tracing-enabled", "Tracing Enabled", "TracingEnabled"),
    FLAG("tracing-allow-vm-access", "Allow Tracing to Access VM", "AllowTracingToAccessVM"),
    TEXT("tracing-config", "Tracing Configuration", "TracingConfig"),
    FLAG("autostart-enabled", "Autostart Enabled", "AutostartEnabled"),
    NUMBER("autostart-delay", "Autostart Delay", "AutostartDelay", ""),
    TEXT("defaultfrontend", "Default Frontend", "DefaultFrontend"),
    WORD("vmprocpriority", "VM process priority", "VMProcessPriority"),
};

static void show_row(const struct info *i, const struct info_row *row)
{
    g_autofree char *word = NULL;

    switch (row->kind) {
    case ROW_TEXT: info_text(i, row->key, row->label, field_str(i, row->property)); break;
    case ROW_BOOL: info_bool(i, row->key, row->label, field_bool(i, row->property)); break;
    case ROW_NUMBER: info_number(i, row->key, row->label, field_int(i, row->property), row->unit); break;
    case ROW_WORD:
        word = word_of(row->property, field_str(i, row->property), i->machine_readable);
        info_text(i, row->key, row->label, word);
        break;
    default: row->special(i); break;
    }
}

static void show_inaccessible(const struct info *i)
{
    if (i->machine_readable) {
        printf("name=\"<inaccessible>\"\nUUID=\"%s\"\n", field_str(i, "Id"));
        return;
    }
    printf("Name:            <inaccessible!>\nUUID:            %s\nConfig file:     %s\nAccess error details:\n%s\n\n",
           field_str(i, "Id"), field_str(i, "SettingsFilePath"), field_str(i, "AccessError"));
}

int show_machine(struct cmd *c, const char *object, bool machine_readable)
{
    g_autoptr(GVariant) d = cmd_describe(c, object, "IMachine");

    return d != NULL ? show_machine_info(c, d, machine_readable) : RC_FAILURE;
}

int show_machine_info(struct cmd *c, GVariant *d, bool machine_readable)
{
    g_autoptr(GVariantDict) fields = g_variant_dict_new(d);
    struct info i = {d, fields, machine_readable, false, c};

    if (as_json(c, d))
        return RC_OK;
    if (!field_bool(&i, "Accessible")) {
        show_inaccessible(&i);
        return RC_OK;
    }
    i.running = state_online(field_str(&i, "State"));
    for (unsigned k = 0; k < G_N_ELEMENTS(info_rows); k++)
        show_row(&i, &info_rows[k]);
    info_lists(&i);
    return RC_OK;
}

/* ---- the command ---- */

enum { MACHINE_READABLE = 1, DETAILS, LOG, PASSWORD, PASSWORD_ID };
static const struct option options[] = {
    {DETAILS, "--details|-D", OPTION_NONE, false, NULL, "Accepted"},
    {MACHINE_READABLE, "--machinereadable|-m|--machine-readable", OPTION_NONE, false, NULL, "KEY=\"VALUE\" lines"},
    {LOG, "--log|-l", OPTION_U32, false, "index", "Print VBox.log (0), VBox.log.1 (1) ..."},
    {PASSWORD, "--password|-p", OPTION_TEXT, false, "file", "Password of an encrypted machine"},
    {PASSWORD_ID, "--password-id|-i", OPTION_TEXT, false, "id", "Its identifier"},
    {0},
};

static int show_log(struct cmd *c, const char *machine, guint32 index)
{
    gint64 offset_bytes = 0;

    for (gsize bytes = 1; bytes != 0; offset_bytes += (gint64)bytes) {
        GVariant *reply = NULL;
        if (!TRY(c, imachine_read_log(c->client, machine, index, offset_bytes, 1 << 20, &reply, &error)))
            return RC_FAILURE;
        g_autoptr(GVariant) data = reply;
        const char *text = g_variant_get_fixed_array(data, &bytes, 1);
        for (gsize k = 0; k < bytes; k++)
            if (text[k] != '\r')
                putchar(text[k]);
    }
    return RC_OK;
}

static int showvminfo(struct cmd *c)
{
    const char *name = NULL;
    bool machine_readable = false, details = false, log = false;
    guint32 index = 0;
    struct value v;

    for (int id; (id = cmd_next(c, &v)) != CMD_END;) {
        switch (id) {
        case MACHINE_READABLE: machine_readable = true; break;
        case LOG: log = true, index = (guint32)v.number; break;
        case DETAILS: details = true; break;
        case PASSWORD:
        case PASSWORD_ID: break;
        case CMD_WORD:
            if (name != NULL)
                return cmd_syntax(c, "Invalid parameter '%s'", v.text);
            name = v.text;
            break;
        default: return RC_SYNTAX;
        }
    }
    if (name == NULL)
        return cmd_syntax(c, "VM name or UUID required");
    g_autofree char *machine = cmd_find_machine(c, name);
    if (machine == NULL)
        return RC_FAILURE;
    if (log && (machine_readable || details))
        return cmd_syntax(c, "Option --log is exclusive");
    return log ? show_log(c, machine, index) : show_machine(c, machine, machine_readable);
}

const struct command showvminfo_command = {
    "showvminfo", "Show configuration or log of a virtual machine",
    (const char *const[]){"<uuid | vmname> [--details] [--machinereadable]", "<uuid | vmname> <--log=index>", NULL},
    options, showvminfo};
