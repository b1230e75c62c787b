/*
 * efi_flash.c - the flash an EFI machine starts from: code at the top of 4 GiB, read only, the machine's variables
 * below it.
 *
 * The code and the template of the variables are Debian's OVMF, found at run time; the two must be a pair. The
 * variables live in the machine's NVRAM file, made from the template when it does not exist. The file is replaced as a
 * whole, at once and without making the guest wait, each time the firmware has finished a change and put the part back
 * into reading; whatever is still on its way is waited for when the machine stops, is saved or resets.
 * Locks: every callback runs under the device lock.
 * Invariant 1: code and variables together end at 4 GiB.
 */
#include <string.h>

#include "devices/firmware/cfi_flash.h"
#include "devices/firmware/rom_file.h"
#include "vmm/pdm/dev.h"

#define FOUR_GIB (UINT64_C(1) << 32)
enum { MAX_VARS_BYTES = 4 << 20 };

struct efi_flash {
    struct cfi_flash chip;
    pdm_region region;
    pdm_file file;
    bool kept; /* there is a file */
    uint64_t writes;
};

static const char *const code_paths[] = {
    "/usr/share/OVMF/OVMF_CODE_4M.fd",
    "/usr/share/OVMF/OVMF_CODE.fd",
    NULL,
};
static const struct rom_search code_search = {.what = "the EFI firmware",
                                              .package = "ovmf",
                                              .paths = code_paths,
                                              .min_bytes = 256 << 10,
                                              .max_bytes = 16 << 20,
                                              .multiple_bytes = 4096};
static const struct rom_search vars_search = {.what = "the EFI variables",
                                              .package = "ovmf",
                                              .paths = (const char *const[]){NULL},
                                              .min_bytes = CFI_FLASH_BLOCK_BYTES,
                                              .max_bytes = MAX_VARS_BYTES,
                                              .multiple_bytes = CFI_FLASH_BLOCK_BYTES};

/* .../OVMF_CODE_4M.fd goes with .../OVMF_VARS_4M.fd. */
static char *template_of(const char *code_path)
{
    g_auto(GStrv) parts = g_strsplit(code_path, "OVMF_CODE", 2);

    return parts[1] ? g_strjoin("OVMF_VARS", parts[0], parts[1], NULL) : NULL;
}

static const char *code_path(struct pdm_dev *dev)
{
    const char *configured = pdm_cfg_str(dev, "EfiRom");

    if (*configured)
        return configured;
    for (unsigned i = 0; code_paths[i]; i++)
        if (g_file_test(code_paths[i], G_FILE_TEST_EXISTS))
            return code_paths[i];
    return ""; /* the loader says what is missing */
}

static bool load_variables(struct pdm_dev *dev, GError **error)
{
    struct efi_flash *s = pdm_state(dev);
    const char *nvram = pdm_cfg_str(dev, "NvramPath");
    g_autofree char *template = template_of(code_path(dev));
    g_autofree uint8_t *initial = NULL;
    size_t size;

    if (!template) {
        g_set_error(error, PDM_ERROR, 0, "flash: EfiRom must name a file OVMF_CODE*.fd, to find its OVMF_VARS*.fd");
        return false;
    }
    initial = rom_file_load(&vars_search, template, &size, error);
    if (!initial)
        return false;
    s->chip.size = size;
    if (!*nvram || !g_file_test(nvram, G_FILE_TEST_EXISTS)) {
        s->chip.bytes = g_steal_pointer(&initial);
        return true;
    }
    s->chip.bytes = rom_file_load(&vars_search, nvram, &size, error);
    if (s->chip.bytes && size != s->chip.size) {
        g_set_error(
            error, PDM_ERROR, 0,
            "%s has %zu bytes, but the variables of %s have %zu. Move the file away to start with fresh variables",
            nvram, size, code_path(dev), s->chip.size);
        return false;
    }
    return s->chip.bytes != NULL;
}

static void hand_over(struct pdm_dev *dev)
{
    struct efi_flash *s = pdm_state(dev);

    if (!s->chip.dirty || !s->kept)
        return;
    s->chip.dirty = false;
    pdm_file_changed(dev, s->file);
}

static void store_variables(struct pdm_dev *dev)
{
    const struct efi_flash *s = pdm_state(dev);

    hand_over(dev);
    if (s->kept)
        pdm_file_flush(dev, s->file);
}

static uint64_t vars_read(struct pdm_dev *dev, uint64_t off, unsigned size)
{
    const struct efi_flash *s = pdm_state(dev);

    return cfi_flash_read(&s->chip, off, size);
}

static void vars_write(struct pdm_dev *dev, uint64_t off, uint64_t val, unsigned size)
{
    struct efi_flash *s = pdm_state(dev);

    cfi_flash_write(&s->chip, off, val, size);
    s->writes++;
    if (cfi_flash_settled(&s->chip))
        hand_over(dev);
}

static void flash_reset(struct pdm_dev *dev)
{
    struct efi_flash *s = pdm_state(dev);

    cfi_flash_reset(&s->chip);
    store_variables(dev);
}

static bool flash_construct(struct pdm_dev *dev, GError **error)
{
    struct efi_flash *s = pdm_state(dev);
    size_t code_bytes = 0;
    g_autofree uint8_t *code = rom_file_load(&code_search, code_path(dev), &code_bytes, error);
    struct pdm_mmio vars = {
        .name = "efi-variables", .min_size = 1, .max_size = 8, .read = vars_read, .write = vars_write};

    if (!code || !load_variables(dev, error))
        return false;
    vars.size_bytes = s->chip.size;
    vars.base_gpa = FOUR_GIB - code_bytes - s->chip.size; /* inv 1 */
    s->kept = *pdm_cfg_str(dev, "NvramPath");
    if (s->kept)
        pdm_file_new(dev, pdm_cfg_str(dev, "NvramPath"), s->chip.bytes, s->chip.size, &s->file);
    pdm_stat(dev, &s->writes, "Writes", "times");
    return pdm_rom_add(dev, "efi-code", FOUR_GIB - code_bytes, code, code_bytes, error) &&
           pdm_mmio_add(dev, &vars, &s->region, error);
}

static void flash_destruct(struct pdm_dev *dev)
{
    struct efi_flash *s = pdm_state(dev);

    g_clear_pointer(&s->chip.bytes, g_free);
}

static void flash_save_extra(const void *state, struct ssm_writer *w)
{
    const struct efi_flash *s = state;

    ssm_put_u32(w, (uint32_t)s->chip.size);
    ssm_put_bytes(w, s->chip.bytes, s->chip.size);
}

static void flash_load_extra(void *state, struct ssm_reader *r, uint32_t version)
{
    struct efi_flash *s = state;

    (void)version;
    if (ssm_get_u32(r) != s->chip.size) {
        ssm_get_fail(r, "size of the EFI variables");
        return;
    }
    ssm_get_bytes(r, s->chip.bytes, s->chip.size);
    s->chip.dirty = true;
}

static const struct ssm_field chip_fields[] = {
    SSM_U8(struct cfi_flash, mode),
    SSM_U8(struct cfi_flash, armed),
    SSM_U8(struct cfi_flash, status),
    SSM_END,
};
static const struct ssm_field flash_fields[] = {SSM_STRUCT(struct efi_flash, chip, chip_fields), SSM_END};
static const struct ssm_desc flash_desc = {
    .version = 1, .oldest = 1, .fields = flash_fields, .save_extra = flash_save_extra, .load_extra = flash_load_extra};

static const struct pdm_cfg_key flash_config[] = {
    {.name = "EfiRom", .type = PDM_CFG_STR},    /* path of OVMF_CODE*.fd; empty = search */
    {.name = "NvramPath", .type = PDM_CFG_STR}, /* the machine's variables; empty = not kept */
    PDM_CFG_END,
};

const struct pdm_devreg efi_flash_device = {
    .name = "flash",
    .desc = "EFI firmware and variables",
    .max_instances = 1,
    .state_size = sizeof(struct efi_flash),
    .config = flash_config,
    .state = &flash_desc,
    .construct = flash_construct,
    .destruct = flash_destruct,
    .reset = flash_reset,
    .suspend = store_variables,
    .power_off = store_variables,
};
