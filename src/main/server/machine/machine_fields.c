/*
 * machine_fields.c - IMachine's properties: which member of the settings each one is, and its limits.
 */
#include <string.h>

#include "main/server/machine/machine.h"

#define M          struct settings_machine
#define HW(member) hardware.member

static const struct part *part_of(const struct bus_call *call)
{
    return call->object;
}

/* ---- properties that are more than a member ---- */

static GVariant *get_name(const struct bus_call *call, const struct bus_property *row)
{
    const struct part *p = part_of(call);

    (void)row;
    return g_variant_new_string(p->s != NULL ? p->s->name : "");
}

static bool set_name(struct bus_call *call, const struct bus_property *row, GVariant *val, GError **error)
{
    struct part *p = call->object;
    const char *name = g_variant_get_string(val, NULL);

    (void)row;
    if (*name == '\0')
        return api_fail(error, E_INVALIDARG, "A machine's name cannot be empty");
    const struct machine *other = machine_find_name(p->service, name);
    if (other != NULL && other != p->machine)
        return api_fail(error, VBOX_E_OBJECT_IN_USE, "A machine named '%s' already exists", name);
    if (!part_change(p, PART_SAVED, error))
        return false;
    g_free(p->s->name);
    p->s->name = g_strdup(name);
    return true;
}

static GVariant *get_groups(const struct bus_call *call, const struct bus_property *row)
{
    const struct part *p = part_of(call);
    GVariantBuilder b;

    (void)row;
    g_variant_builder_init(&b, G_VARIANT_TYPE("as"));
    for (unsigned k = 0; p->s != NULL && k < p->s->groups->len; k++)
        g_variant_builder_add(&b, "s", ((const struct settings_group *)p->s->groups->pdata[k])->name);
    if (p->s == NULL || p->s->groups->len == 0)
        g_variant_builder_add(&b, "s", "/");
    return g_variant_builder_end(&b);
}

bool machine_set_groups(struct settings_machine *s, const char *const *names, GError **error)
{
    for (unsigned k = 0; names[k] != NULL; k++)
        if (names[k][0] != '/' || strstr(names[k], "//") != NULL ||
            (names[k][1] != '\0' && g_str_has_suffix(names[k], "/")))
            return api_fail(error, E_INVALIDARG, "Invalid machine group '%s'", names[k]);
    g_ptr_array_set_size(s->groups, 0);
    for (unsigned k = 0; names[k] != NULL; k++) {
        struct settings_group *g = settings_group_new();
        g_free(g->name);
        g->name = g_strdup(names[k]);
        g_ptr_array_add(s->groups, g);
    }
    return true;
}

static bool set_groups(struct bus_call *call, const struct bus_property *row, GVariant *val, GError **error)
{
    struct part *p = call->object;
    g_autofree const char **names = g_variant_get_strv(val, NULL);

    (void)row;
    return part_change(p, PART_SAVED, error) && machine_set_groups(p->s, names, error);
}

static bool set_os_type(struct bus_call *call, const struct bus_property *row, GVariant *val, GError **error)
{
    const struct guest_type *type = guest_type_find(g_variant_get_string(val, NULL));

    if (type == NULL)
        return api_fail(error, E_INVALIDARG, "Guest OS type '%s' is invalid", g_variant_get_string(val, NULL));
    g_autoptr(GVariant) spelled = g_variant_ref_sink(g_variant_new_string(type->id));
    return field_set(call, row, spelled, error);
}

static GVariant *get_long_mode(const struct bus_call *call, const struct bus_property *row)
{
    const struct part *p = part_of(call);

    (void)row;
    if (p->s == NULL || p->s->hardware.cpu.long_mode != LONG_MODE_LEGACY)
        return g_variant_new_boolean(p->s != NULL && p->s->hardware.cpu.long_mode == LONG_MODE_ON);
    return g_variant_new_boolean(p->s->os_type != NULL && g_str_has_suffix(p->s->os_type, "_64"));
}

static bool set_long_mode(struct bus_call *call, const struct bus_property *row, GVariant *val, GError **error)
{
    struct part *p = call->object;

    (void)row;
    if (!part_change(p, 0, error))
        return false;
    p->s->hardware.cpu.long_mode = g_variant_get_boolean(val) ? LONG_MODE_ON : LONG_MODE_OFF;
    return true;
}

static GVariant *get_clock(const struct bus_call *call, const struct bus_property *row)
{
    const struct part *p = part_of(call);

    (void)row;
    return g_variant_new_boolean(p->s != NULL && p->s->hardware.clock == CLOCK_UTC);
}

static bool set_clock(struct bus_call *call, const struct bus_property *row, GVariant *val, GError **error)
{
    struct part *p = call->object;
    const bool utc = g_variant_get_boolean(val);

    (void)row;
    if (!part_change(p, utc ? 0 : PART_ANY, error))
        return false;
    p->s->hardware.clock = utc ? CLOCK_UTC : CLOCK_LOCAL;
    return part_changed(p, error);
}

static GVariant *get_apic_mode(const struct bus_call *call, const struct bus_property *row)
{
    const struct part *p = part_of(call);

    (void)row;
    return g_variant_new_string(settings_apic_mode_names[p->s != NULL ? p->s->hardware.firmware.apic_mode : APIC_APIC]);
}

static GVariant *bare_uuid(const char *braced)
{
    char id[API_UUID_SIZE] = "";

    if (braced != NULL)
        api_uuid_parse(braced, id);
    return g_variant_new_string(id);
}

static GVariant *get_hardware_uuid(const struct bus_call *call, const struct bus_property *row)
{
    const struct part *p = part_of(call);

    (void)row;
    return p->s != NULL && p->s->hardware.uuid != NULL ? bare_uuid(p->s->hardware.uuid)
                                                       : g_variant_new_string(p->machine->id);
}

static bool set_hardware_uuid(struct bus_call *call, const struct bus_property *row, GVariant *val, GError **error)
{
    struct part *p = call->object;
    const char *text = g_variant_get_string(val, NULL);
    char id[API_UUID_SIZE];

    (void)row;
    if (*text != '\0' && !api_uuid_parse(text, id))
        return api_fail(error, E_INVALIDARG, "Invalid UUID '%s'", text);
    if (!part_change(p, 0, error))
        return false;
    g_free(p->s->hardware.uuid);
    p->s->hardware.uuid = *text != '\0' ? g_strdup_printf("{%s}", id) : NULL;
    return true;
}

static GVariant *get_snapshot_folder(const struct bus_call *call, const struct bus_property *row)
{
    const struct part *p = part_of(call);

    (void)row;
    return p->s != NULL ? g_variant_new_take_string(machine_snapshot_folder(p->s)) : g_variant_new_string("");
}

/* ---- properties of the object, not of its settings ---- */

enum {
    IS_ID,
    IS_FILE,
    IS_LOGS,
    IS_MODIFIED,
    IS_ACCESSIBLE,
    IS_ACCESS_ERROR,
    IS_SESSION_STATE,
    IS_SESSION_NAME,
    IS_SESSION_PID,
    IS_STATE,
    IS_CHANGED,
    IS_STATE_FILE,
    IS_SNAPSHOT,
    IS_SNAPSHOTS,
    IS_STATE_MODIFIED,
    IS_PARAVIRT
};

static const char *session_state(const struct machine *m)
{
    return m->launching ? "Spawning" : m->writer != NULL || m->vm != NULL ? "Locked" : "Unlocked";
}

/* What "Default" means: by the guest, as VirtualBox chooses. */
static const char *effective_paravirt(const struct settings_machine *s)
{
    const char *os = s->os_type != NULL ? s->os_type : "";

    if (s->hardware.paravirt == PARAVIRT_LEGACY)
        return "None";
    if (s->hardware.paravirt != PARAVIRT_DEFAULT)
        return settings_paravirt_names[s->hardware.paravirt];
    if (g_str_has_prefix(os, "Windows"))
        return "HyperV";
    static const char *const kvm[] = {"Linux",  "ArchLinux", "Debian",     "Fedora", "Gentoo",  "Mandriva", "OpenSUSE",
                                      "Oracle", "RedHat",    "Turbolinux", "Ubuntu", "Xandros", "SUSE"};
    for (unsigned k = 0; k < G_N_ELEMENTS(kvm); k++)
        if (g_str_has_prefix(os, kvm[k]))
            return "KVM";
    return g_str_has_prefix(os, "MacOS") ? "Minimal" : "None";
}

static GVariant *state_file(const struct settings_machine *s)
{
    return s != NULL && s->state_file != NULL
               ? g_variant_new_take_string(g_canonicalize_filename(s->state_file, s->file.folder))
               : g_variant_new_string("");
}

static guint32 session_pid(const struct machine *m)
{
    return (guint32)(m->vm != NULL ? vmproc_pid(m->vm) : m->writer != NULL ? bus_peer_pid(m->writer->peer) : 0);
}

static GVariant *get_own(const struct bus_call *call, const struct bus_property *row)
{
    const struct part *p = part_of(call);
    const struct machine *m = p->machine;
    const struct settings_machine *s = p->s;

    switch (GPOINTER_TO_INT(row->data)) {
    case IS_ID: return g_variant_new_string(m->id);
    case IS_FILE: return g_variant_new_string(m->path);
    case IS_LOGS: return g_variant_new_take_string(machine_log_folder(m));
    case IS_MODIFIED: return g_variant_new_boolean(p->session != NULL && p->session->modified);
    case IS_ACCESSIBLE: return g_variant_new_boolean(m->settings != NULL);
    case IS_ACCESS_ERROR: return g_variant_new_string(m->access_error != NULL ? m->access_error : "");
    case IS_SESSION_STATE: return g_variant_new_string(session_state(m));
    case IS_SESSION_NAME: return g_variant_new_string(m->vm != NULL && m->session_name != NULL ? m->session_name : "");
    case IS_SESSION_PID: return g_variant_new_uint32(session_pid(m));
    case IS_STATE: return g_variant_new_string(api_enum_name("MachineState", m->state));
    case IS_CHANGED: return g_variant_new_int64(m->changed_ms);
    case IS_STATE_FILE: return state_file(m->settings);
    case IS_SNAPSHOT: return bare_uuid(s != NULL ? s->current_snapshot : NULL);
    case IS_SNAPSHOTS: return g_variant_new_uint32(s != NULL ? s->snapshots->len : 0);
    case IS_STATE_MODIFIED: return g_variant_new_boolean(s != NULL && s->current_state_modified);
    default: return g_variant_new_string(s != NULL ? effective_paravirt(s) : "None");
    }
}

#define OWN(name, what)                                                                                                \
    {                                                                                                                  \
        name, get_own, NULL, GINT_TO_POINTER(what)                                                                     \
    }

const struct bus_property machine_properties[] = {
    {"Name", get_name, set_name, NULL},
    FIELD_T("Description", M, description, NULL, .when = PART_ANY),
    OWN("Id", IS_ID),
    {"Groups", get_groups, set_groups, NULL},
    {"OSTypeId", field_get, set_os_type, &(const struct field){.kind = FIELD_STR, .offset = offsetof(M, os_type)}},
    {"HardwareUUID", get_hardware_uuid, set_hardware_uuid, NULL},
    FIELD_U("CPUCount", M, HW(cpu.count), 1, 64, "virtual CPU count", ""),
    FIELD_B("CPUHotPlugEnabled", M, HW(cpu.hotplug)),
    FIELD_U("CPUExecutionCap", M, HW(cpu.execution_cap), 1, 100, "CPU execution cap", "%", .when = PART_LIVE),
    FIELD_U("CPUIDPortabilityLevel", M, HW(cpu.portability_level), 0, 3, "CPUID portability level", ""),
    FIELD_T("CPUProfile", M, HW(cpu.profile), "host"),
    FIELD_U("MemorySize", M, HW(ram_mib), 4, 2097152, "RAM size", " MB"),
    FIELD_U("MemoryBalloonSize", M, HW(balloon_mib), 0, 2097152, "memory balloon size", " MB", .when = PART_LIVE),
    FIELD_B("PageFusionEnabled", M, HW(page_fusion)),
    FIELD_E("GraphicsControllerType", M, HW(graphics), graphics, "GraphicsControllerType"),
    FIELD_U("VRAMSize", M, HW(vram_mib), 0, 256, "VRAM size", " MB"),
    FIELD_U("MonitorCount", M, HW(monitors), 1, 64, "monitor count", ""),
    FIELD_B("Accelerate3DEnabled", M, HW(accelerate_3d)),
    FIELD_B("Accelerate2DVideoEnabled", M, HW(accelerate_2d)),
    FIELD_E("FirmwareType", M, HW(firmware.type), firmware_type, "FirmwareType"),
    FIELD_E("PointingHIDType", M, HW(pointing), pointing, "PointingHIDType"),
    FIELD_E("KeyboardHIDType", M, HW(keyboard), keyboard, "KeyboardHIDType"),
    FIELD_E("ChipsetType", M, HW(chipset), chipset, "ChipsetType"),
    FIELD_E("IommuType", M, HW(iommu), iommu, "IommuType"),
    FIELD_B("HPETEnabled", M, HW(cpu.hpet)),
    FIELD_B("ACPIEnabled", M, HW(firmware.acpi)),
    FIELD_B("IOAPICEnabled", M, HW(firmware.ioapic)),
    FIELD_E("BootMenuMode", M, HW(firmware.boot_menu), boot_menu, "BIOSBootMenuMode"),
    {"APICMode", get_apic_mode, field_set,
     &(const struct field){.kind = FIELD_ENUM,
                           .offset = offsetof(M, HW(firmware.apic_mode)),
                           .words = settings_apic_mode_names,
                           .type = "APICMode"}},
    FIELD_B("LogoFadeIn", M, HW(firmware.logo_fade_in)),
    FIELD_B("LogoFadeOut", M, HW(firmware.logo_fade_out)),
    FIELD_U("LogoDisplayTime", M, HW(firmware.logo_time_ms), 0, 0, "", ""),
    FIELD_T("LogoImagePath", M, HW(firmware.logo_image), NULL),
    FIELD_B("PXEDebugEnabled", M, HW(firmware.pxe_debug)),
    FIELD_ROW("TimeOffset", .kind = FIELD_I64, .offset = offsetof(M, HW(firmware.time_offset_ms))),
    {"RTCUseUTC", get_clock, set_clock, NULL},
    FIELD_E("ParavirtProvider", M, HW(paravirt), paravirt, "ParavirtProvider"),
    OWN("EffectiveParavirtProvider", IS_PARAVIRT),
    FIELD_T("ParavirtDebug", M, HW(paravirt_debug), NULL),
    FIELD_B("PAE", M, HW(cpu.pae)),
    {"LongMode", get_long_mode, set_long_mode, NULL},
    FIELD_B("APIC", M, HW(cpu.apic)),
    FIELD_B("X2APIC", M, HW(cpu.x2apic)),
    FIELD_B("TripleFaultReset", M, HW(cpu.triple_fault_reset)),
    FIELD_B("NestedHWVirt", M, HW(cpu.nested_hw_virt)),
    FIELD_B("IBPBOnVMExit", M, HW(cpu.ibpb_exit)),
    FIELD_B("IBPBOnVMEntry", M, HW(cpu.ibpb_entry)),
    FIELD_B("SpecCtrl", M, HW(cpu.spec_ctrl)),
    FIELD_B("L1DFlushOnEMTScheduling", M, HW(cpu.l1d_flush_sched)),
    FIELD_B("L1DFlushOnVMEntry", M, HW(cpu.l1d_flush_entry)),
    FIELD_B("MDSClearOnEMTScheduling", M, HW(cpu.mds_clear_sched)),
    FIELD_B("MDSClearOnVMEntry", M, HW(cpu.mds_clear_entry)),
    FIELD_B("HWVirtExEnabled", M, HW(cpu.hw_virt)),
    FIELD_B("HWVirtExVPID", M, HW(cpu.vpid)),
    FIELD_B("HWVirtExNestedPaging", M, HW(cpu.nested_paging)),
    FIELD_B("HWVirtExUnrestrictedExecution", M, HW(cpu.unrestricted)),
    FIELD_B("HWVirtExLargePages", M, HW(cpu.large_pages)),
    FIELD_B("HWVirtExVirtVmsaveVmload", M, HW(cpu.vmsave_vmload)),
    {"SnapshotFolder", get_snapshot_folder, field_set,
     &(const struct field){.kind = FIELD_STR, .offset = offsetof(M, snapshot_folder)}},
    FIELD_E("ClipboardMode", M, HW(clipboard), sharing, "ClipboardMode", .when = PART_LIVE),
    FIELD_B("ClipboardFileTransfersEnabled", M, HW(clipboard_files), .when = PART_LIVE),
    FIELD_E("DnDMode", M, HW(drag_and_drop), sharing, "DnDMode", .when = PART_LIVE),
    FIELD_B("TeleporterEnabled", M, teleporter.enabled, .cleared_when = PART_ANY),
    FIELD_U("TeleporterPort", M, teleporter.port, 0, 65535, "teleporter port", "", .when = PART_SAVED),
    FIELD_T("TeleporterAddress", M, teleporter.address, NULL, .when = PART_SAVED),
    FIELD_B("TracingEnabled", M, debugging.tracing),
    FIELD_T("TracingConfig", M, debugging.tracing_config, NULL),
    FIELD_B("AllowTracingToAccessVM", M, debugging.tracing_vm_access),
    FIELD_B("AutostartEnabled", M, autostart.enabled, .when = PART_ANY),
    FIELD_U("AutostartDelay", M, autostart.delay_s, 0, 0, "", "", .when = PART_ANY),
    FIELD_E("AutostopType", M, autostart.autostop, autostop, "AutostopType", .when = PART_ANY),
    FIELD_T("DefaultFrontend", M, HW(frontend), NULL, .when = PART_SAVED),
    FIELD_E("VMProcessPriority", M, priority, priority, "VMProcPriority", .when = PART_ANY),
    FIELD_B("IOCacheEnabled", M, HW(io_cache)),
    FIELD_U("IOCacheSize", M, HW(io_cache_mib), 0, 0, "", ""),
    FIELD_T("IconData", M, icon, NULL, .when = PART_SAVED),
    FIELD_B("SMBIOSUuidLittleEndian", M, HW(firmware.smbios_uuid_le)),
    FIELD_B("AutoSerialNumGen", M, HW(firmware.auto_serial)),
    FIELD_E("TPMType", M, HW(tpm), tpm, "TpmType"),
    FIELD_T("TPMLocation", M, HW(tpm_location), NULL),
    FIELD_T("TeleporterPassword", M, teleporter.password, NULL, .when = PART_SAVED),
    FIELD_B("EmulatedUSBCardReaderEnabled", M, HW(card_reader), .when = PART_SAVED),
    FIELD_E("VMExecutionEngine", M, engine, engine, "VMExecutionEngine"),
    FIELD_E("GuestDebugProvider", M, debugging.provider, debug_provider, "GuestDebugProvider", .when = PART_ANY),
    FIELD_E("GuestDebugIoProvider", M, debugging.io, debug_io, "GuestDebugIoProvider", .when = PART_ANY),
    FIELD_T("GuestDebugAddress", M, debugging.address, NULL, .when = PART_ANY),
    FIELD_U("GuestDebugPort", M, debugging.port, 0, 65535, "debugger port", "", .when = PART_ANY),
    FIELD_B("RecordingEnabled", M, recording.enabled, .when = PART_ANY),
    OWN("SettingsFilePath", IS_FILE),
    OWN("LogFolder", IS_LOGS),
    OWN("SettingsModified", IS_MODIFIED),
    OWN("Accessible", IS_ACCESSIBLE),
    OWN("AccessError", IS_ACCESS_ERROR),
    OWN("SessionState", IS_SESSION_STATE),
    OWN("SessionName", IS_SESSION_NAME),
    OWN("SessionPID", IS_SESSION_PID),
    OWN("State", IS_STATE),
    OWN("LastStateChange", IS_CHANGED),
    OWN("StateFilePath", IS_STATE_FILE),
    OWN("CurrentSnapshot", IS_SNAPSHOT),
    OWN("SnapshotCount", IS_SNAPSHOTS),
    OWN("CurrentStateModified", IS_STATE_MODIFIED),
    {NULL, NULL, NULL, NULL},
};
