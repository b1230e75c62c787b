/*
 * console_board.c - what the settings, options and extra data say of a machine's board and engine.
 */
#include <string.h>

#include "machine/pc.h"
#include "main/vmproc/console_int.h"

#define MAX_CPUS     32
#define RAW_MODE_KEY "VBoxInternal/RawMode"
#define LOCKSTEP_KEY "VBoxInternal/EM/Lockstep"

static void fill_ports(struct pc_settings *pc, const struct settings_hardware *s, bool terminal)
{
    for (unsigned k = 0; k < G_N_ELEMENTS(s->uart); k++) {
        const struct settings_uart *u = &s->uart[k];
        pc->uart[k].enabled = u->enabled;
        pc->uart[k].io_base = (uint16_t)u->io_base;
        pc->uart[k].irq = (uint8_t)u->irq;
        pc->uart[k].type = settings_uart_type_names[u->type];
    }
    if (terminal && !pc->uart[0].enabled) {
        pc->uart[0].enabled = true;
        pc->uart[0].io_base = 0x3f8;
        pc->uart[0].irq = 4;
        pc->uart[0].type = "16550A";
    }
    for (unsigned k = 0; k < G_N_ELEMENTS(s->lpt); k++) {
        pc->lpt[k].enabled = s->lpt[k].enabled;
        pc->lpt[k].io_base = (uint16_t)s->lpt[k].io_base;
        pc->lpt[k].irq = (uint8_t)s->lpt[k].irq;
    }
}

static void fill(struct pc_settings *pc, const struct console *c)
{
    static const enum pc_boot boot[] = {[DEVICE_NONE] = PC_BOOT_NONE,
                                        [DEVICE_FLOPPY] = PC_BOOT_FLOPPY,
                                        [DEVICE_DVD] = PC_BOOT_DVD,
                                        [DEVICE_HARD_DISK] = PC_BOOT_DISK,
                                        [DEVICE_NETWORK] = PC_BOOT_NET};
    const struct settings_hardware *s = &c->settings->hardware;

    *pc = (struct pc_settings){
        .name = c->settings->name,
        .uuid = s->uuid != NULL ? s->uuid : c->settings->uuid,
        .cpus = s->cpu.count,
        .ram_mib = s->ram_mib,
        .vram_mib = s->vram_mib,
        .cpu_profile = s->cpu.profile,
        .pae = s->cpu.pae || s->cpu.long_mode != LONG_MODE_OFF, /* a 64-bit processor always has it */
        .long_mode = s->cpu.long_mode != LONG_MODE_OFF,
        .hpet = s->cpu.hpet,
        .acpi = s->firmware.acpi,
        .ioapic = s->firmware.ioapic || s->cpu.count > 1,
        .efi = s->firmware.type != FIRMWARE_BIOS,
        .rtc_utc = s->clock == CLOCK_UTC,
        .triple_fault_reset = s->cpu.triple_fault_reset,
        .time_offset_ms = s->firmware.time_offset_ms,
        .nvram_path = c->nvram_path,
        .ide_type = "PIIX4",
    };
    for (unsigned k = 0; k < G_N_ELEMENTS(pc->boot_order); k++)
        pc->boot_order[k] = boot[s->boot_order[k]];
    fill_ports(pc, s, c->options.serial_in >= 0);
}

/* Lockstep compares the recompiler with the interpreter; what runs natively is neither. */
static bool wants_lockstep(const struct console *c)
{
    const char *word = settings_property_get(c->settings->extra_data, LOCKSTEP_KEY);

    return c->options.lockstep || (word != NULL && strcmp(word, "0") != 0);
}

/* Option, else extra data, else where it pays. */
static bool read_raw_mode(const struct console *c, unsigned *ret, GError **error)
{
    static const char *const words[] = {"off", "on", "always", "0", "1", "2"};
    const char *word = c->options.raw_mode;

    if (word == NULL)
        word = settings_property_get(c->settings->extra_data, RAW_MODE_KEY);
    if (word == NULL)
        word = wants_lockstep(c) ? "off" : "on";
    for (unsigned n = 0; n < G_N_ELEMENTS(words); n++)
        if (g_ascii_strcasecmp(word, words[n]) == 0) {
            *ret = n % 3;
            return true;
        }
    g_set_error(error, CONSOLE_ERROR, 0, "Raw mode '%s': use off, on or always (--raw-mode, or extra data %s)", word,
                RAW_MODE_KEY);
    return false;
}

bool console_board(const struct console *c, struct pc_settings *ret, GError **error)
{
    fill(ret, c);
    return read_raw_mode(c, &ret->raw_mode, error);
}

bool console_board_possible(const struct settings_machine *m, GError **error)
{
    const struct settings_hardware *h = &m->hardware;
    const struct {
        bool wanted;
        const char *what;
    } missing[] = {
        {h->firmware.type == FIRMWARE_EFI32,
         "Firmware/@type is EFI32; only 64-bit EFI firmware is available. Use EFI64 or BIOS"},
        {h->chipset == CHIPSET_ICH9, "Chipset/@type is ICH9; this machine type is not available. Use PIIX3"},
        {h->chipset == CHIPSET_ARMV8 || h->arch != ARCH_X86, "The machine is no x86 PC"},
        {h->cpu.count > MAX_CPUS, "CPU/@count must be between 1 and 32 here"},
        {h->vram_mib == 0, "Display/@VRAMSize must be at least 1"},
    };

    for (unsigned k = 0; k < G_N_ELEMENTS(missing); k++) {
        if (missing[k].wanted) {
            g_set_error(error, CONSOLE_ERROR, 0, "Error in '%s' -- %s", m->file.path, missing[k].what);
            return false;
        }
    }
    return true;
}
