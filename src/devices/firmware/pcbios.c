/*
 * pcbios.c - puts the BIOS image where the processor starts.
 *
 * The image ends at 4 GiB; its last 128 KiB also lie at E0000h, where the chipset's shadowing decides what is seen.
 * Source: Intel 82441FX data sheet 4.1 (memory map). The image is Debian's SeaBIOS, found at run time.
 * Locks: none; it acts at set-up only.
 */
#include "devices/firmware/rom_file.h"
#include "vmm/pdm/dev.h"

#define FOUR_GIB    (UINT64_C(1) << 32)
#define LEGACY_GPA  0xe0000u
#define LEGACY_SIZE 0x20000u

static const char *const bios_paths[] = {
    "/usr/share/seabios/bios-256k.bin",
    "/usr/share/qemu/bios-256k.bin",
    "/usr/share/seabios/bios.bin",
    NULL,
};
static const struct rom_search bios_search = {
    .what = "the PC BIOS",
    .package = "seabios",
    .paths = bios_paths,
    .min_bytes = LEGACY_SIZE,
    .max_bytes = 16 << 20,
    .multiple_bytes = 64 << 10,
};

static bool pcbios_construct(struct pdm_dev *dev, GError **error)
{
    size_t size = 0;
    g_autofree uint8_t *image = rom_file_load(&bios_search, pdm_cfg_str(dev, "BiosRom"), &size, error);

    return image && pdm_rom_add(dev, "bios", FOUR_GIB - size, image, size, error) &&
           pdm_rom_add(dev, "bios-legacy", LEGACY_GPA, image + size - LEGACY_SIZE, LEGACY_SIZE, error);
}

static const struct pdm_cfg_key pcbios_config[] = {
    {.name = "BiosRom", .type = PDM_CFG_STR}, /* path; empty = search */
    PDM_CFG_END,
};

const struct pdm_devreg pcbios_device = {
    .name = "pcbios",
    .desc = "PC BIOS image",
    .max_instances = 1,
    .state_size = 1,
    .config = pcbios_config,
    .construct = pcbios_construct,
};
