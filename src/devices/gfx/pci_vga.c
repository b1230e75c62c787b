/*
 * pci_vga.c - joins the VGA to its ports, its memory window, PCI and the display.
 *
 * Sources: IBM PS/2 Hardware Interface Technical Reference; Bochs VBE display interface; QEMU's specification of its
 * standard VGA (docs/specs/standard-vga): ids, BAR 2 layout; PCI firmware specification 3.0, 5.1 (ROM header).
 * BAR 0: video memory. BAR 2 (identity "bochs"): VGA ports 3C0h-3DFh at 400h, display interface at 500h.
 *
 * Two identities. "bochs" (1234:1111) is the default: SeaBIOS's VGA BIOS, OVMF's QemuVideoDxe and Linux's bochs-drm
 * know it. "vbox" (80ee:beef) is VirtualBox's; guests that need its host-guest interface find it missing and stay
 * with VGA or VBE. The VGA BIOS image is given the ids of the function it is used for.
 * Left out: EDID in BAR 2 (reads 0), QEMU's extended registers at 600h (read 0, hence absent), 8-bit accesses to the
 * display interface.
 * Locks: every callback runs under the device lock; display_update() gives it up while it asks which pages changed.
 */
#include <string.h>

#include "devices/gfx/vga_draw.h"
#include "vmm/pdm/dev.h"

#define PORT_BASE      0x3b0 /* offsets of VGA ports count from here */
#define VBE_PORT_INDEX 0     /* 1CEh */
#define MMIO_BYTES     0x1000
#define MMIO_PORTS     0x400 /* -41Fh: 3C0h-3DFh */
#define MMIO_VBE       0x500
#define ROM_MAX        0x10000
#define ROM_BLOCK      512
#define ROM_PCIR       0x18 /* offset of the pointer to the PCI data structure */
#define PCIR_VENDOR    4
#define PCIR_DEVICE    6
#define PCIR_BYTES     0x18

struct identity {
    const char *name;
    uint16_t vendor, device, subsys_vendor, subsys;
    uint8_t revision;
    bool mmio;
};
static const struct identity identities[] = {
    {"bochs", 0x1234, 0x1111, 0x1af4, 0x1100, 2, true},
    {"vbox", 0x80ee, 0xbeef, 0x0000, 0x0000, 0, false},
};

struct pci_vga {
    struct vga vga;
    pdm_region vram;
    uint8_t *rom;
    size_t rom_bytes;
    /* for display_update(): what the last picture was drawn from; wiring, never saved */
    uint64_t *dirty;
    uint64_t phase;
    bool stale; /* a register, or memory through the window, changed since */
};

#define VRAM_PAGES(s) ((s)->vga.vram_bytes / 4096u)

/* ---- ports and windows ---- */

static uint32_t ports_read(struct pdm_dev *dev, uint16_t off, unsigned size)
{
    struct pci_vga *s = pdm_state(dev);

    (void)size;
    return vga_port_read(&s->vga, (uint16_t)(PORT_BASE + off), pdm_now_ns(dev));
}

static void ports_write(struct pdm_dev *dev, uint16_t off, uint32_t val, unsigned size)
{
    struct pci_vga *s = pdm_state(dev);

    (void)size;
    s->stale = true;
    vga_port_write(&s->vga, (uint16_t)(PORT_BASE + off), (uint8_t)val);
}

/* 1CEh index; 1CFh data, 1D0h the same, aligned. A double word from data is the memory size (VirtualBox). */
static uint32_t dispi_read(struct pdm_dev *dev, uint16_t off, unsigned size)
{
    const struct pci_vga *s = pdm_state(dev);

    if (off == VBE_PORT_INDEX)
        return s->vga.vbe.index;
    if (size == 4)
        return s->vga.vram_bytes;
    return vbe_read(&s->vga, s->vga.vbe.index);
}

static void dispi_write(struct pdm_dev *dev, uint16_t off, uint32_t val, unsigned size)
{
    struct pci_vga *s = pdm_state(dev);

    (void)size;
    s->stale = true;
    if (off == VBE_PORT_INDEX)
        s->vga.vbe.index = (uint16_t)val;
    else
        vbe_write(&s->vga, s->vga.vbe.index, (uint16_t)val);
}

static uint64_t window_read(struct pdm_dev *dev, uint64_t off, unsigned size)
{
    struct pci_vga *s = pdm_state(dev);

    (void)size; /* 1, by max_size */
    return vga_mem_read(&s->vga, (uint32_t)off);
}

static void window_write(struct pdm_dev *dev, uint64_t off, uint64_t val, unsigned size)
{
    struct pci_vga *s = pdm_state(dev);

    (void)size;
    s->stale = true;
    vga_mem_write(&s->vga, (uint32_t)off, (uint8_t)val);
}

static uint64_t mmio_read(struct pdm_dev *dev, uint64_t off, unsigned size)
{
    struct pci_vga *s = pdm_state(dev);

    if (off >= MMIO_PORTS && off < MMIO_PORTS + 0x20)
        return ports_read(dev, (uint16_t)(off - MMIO_PORTS + 0x10), 1);
    if (size == 2 && off >= MMIO_VBE && off < MMIO_VBE + 2 * VBE_COUNT)
        return vbe_read(&s->vga, (unsigned)(off - MMIO_VBE) / 2);
    return 0;
}

static void mmio_write(struct pdm_dev *dev, uint64_t off, uint64_t val, unsigned size)
{
    struct pci_vga *s = pdm_state(dev);

    s->stale = true;
    if (off >= MMIO_PORTS && off < MMIO_PORTS + 0x20) {
        for (unsigned i = 0; i < size; i++) /* index and data in one go */
            ports_write(dev, (uint16_t)(off + i - MMIO_PORTS + 0x10), (uint8_t)(val >> 8 * i), 1);
    } else if (size == 2 && off >= MMIO_VBE && off < MMIO_VBE + 2 * VBE_COUNT) {
        vbe_write(&s->vga, (unsigned)(off - MMIO_VBE) / 2, (uint16_t)val);
    }
}

/* ---- display ---- */

static void display_render(struct pdm_dev *dev, struct pdm_frame *f)
{
    const struct pci_vga *s = pdm_state(dev);
    const struct vga_picture p = vga_picture(&s->vga);

    if (!pdm_frame_size(f, p.width, p.height))
        return;
    f->blank = p.blank;
    vga_draw(&s->vga, pdm_now_ns(dev), f->pixels, f->stride_bytes / sizeof *f->pixels);
}

/* Everything is drawn anew when anything but the frame buffer changed, or something blinks. */
static void display_update(struct pdm_dev *dev, struct pdm_frame *f, struct pdm_band *ret_band)
{
    struct pci_vga *s = pdm_state(dev);
    const unsigned written = pdm_ram_dirty(dev, s->vram, s->dirty, VRAM_PAGES(s));
    const uint64_t phase = vga_blink_phase(pdm_now_ns(dev));
    const struct vga_picture p = vga_picture(&s->vga);
    const bool linear = vbe_linear(&s->vga) && !p.blank;
    bool all = s->stale || f->width != p.width || f->height != p.height || f->blank != p.blank;

    *ret_band = (struct pdm_band){0};
    all = all || (written && !linear) || (phase != s->phase && vga_is_text(&s->vga));
    if (!pdm_frame_size(f, p.width, p.height))
        return;
    if (all) {
        f->blank = p.blank;
        vga_draw(&s->vga, pdm_now_ns(dev), f->pixels, f->stride_bytes / sizeof *f->pixels);
        ret_band->lines = p.height;
    } else if (written) {
        vga_draw_linear(&s->vga, s->dirty, f->pixels, f->stride_bytes / sizeof *f->pixels, &ret_band->first,
                        &ret_band->lines);
    }
    s->stale = false;
    s->phase = phase;
}

static char *display_text(struct pdm_dev *dev)
{
    const struct pci_vga *s = pdm_state(dev);

    return vga_text(&s->vga);
}

/* ---- VGA BIOS ---- */

static unsigned word_at(const uint8_t *p)
{
    return p[0] | (unsigned)p[1] << 8;
}

/* Is @rom an option ROM of this many bytes with a PCI data structure inside? Returns that structure or NULL. */
static uint8_t *rom_pcir(uint8_t *rom, size_t bytes)
{
    unsigned at;

    if (bytes < ROM_BLOCK || bytes > ROM_MAX || rom[0] != 0x55 || rom[1] != 0xaa || rom[2] * ROM_BLOCK > bytes)
        return NULL;
    at = word_at(rom + ROM_PCIR);
    if (at + PCIR_BYTES > bytes || memcmp(rom + at, "PCIR", 4))
        return NULL;
    return rom + at;
}

/* Gives the image the function's ids, and its checksum back: the last byte makes the sum 0 */
static void rom_adopt(uint8_t *rom, uint8_t *pcir, const struct identity *id)
{
    const size_t bytes = (size_t)rom[2] * ROM_BLOCK;
    uint8_t sum = 0;

    pcir[PCIR_VENDOR] = (uint8_t)id->vendor;
    pcir[PCIR_VENDOR + 1] = (uint8_t)(id->vendor >> 8);
    pcir[PCIR_DEVICE] = (uint8_t)id->device;
    pcir[PCIR_DEVICE + 1] = (uint8_t)(id->device >> 8);
    for (size_t i = 0; i < bytes; i++)
        sum = (uint8_t)(sum + rom[i]);
    rom[bytes - 1] = (uint8_t)(rom[bytes - 1] - sum);
}

static bool rom_load(struct pdm_dev *dev, const struct identity *id, GError **error)
{
    struct pci_vga *s = pdm_state(dev);
    const char *path = pdm_cfg_str(dev, "BiosRom");
    g_autoptr(GError) cause = NULL;
    g_autofree char *file = NULL;
    uint8_t *pcir;
    gsize bytes;

    if (!*path)
        return true;
    if (!g_file_get_contents(path, &file, &bytes, &cause)) {
        g_set_error(error, PDM_ERROR, 0, "cannot read the VGA BIOS: %s; it is part of the package seabios",
                    cause->message);
        return false;
    }
    pcir = rom_pcir((uint8_t *)file, bytes);
    if (!pcir) {
        g_set_error(error, PDM_ERROR, 0,
                    "\"%s\" (%zu bytes) is no VGA BIOS for a PCI card; reinstall the package seabios", path, bytes);
        return false;
    }
    rom_adopt((uint8_t *)file, pcir, id);
    s->rom_bytes = 2048;
    while (s->rom_bytes < bytes)
        s->rom_bytes *= 2;
    s->rom = g_malloc0(s->rom_bytes);
    memcpy(s->rom, file, bytes);
    return true;
}

/* ---- life ---- */

static const struct identity *find_identity(struct pdm_dev *dev, GError **error)
{
    const char *name = pdm_cfg_str(dev, "Identity");

    for (unsigned i = 0; i < G_N_ELEMENTS(identities); i++)
        if (!strcmp(name, identities[i].name))
            return &identities[i];
    g_set_error(error, PDM_ERROR, 0, "VGA: identity \"%s\" is unknown; choose bochs or vbox", name);
    return NULL;
}

static bool add_ports(struct pdm_dev *dev, GError **error)
{
    static const struct {
        uint16_t base, count;
    } ranges[] = {{0x3b4, 2}, {0x3ba, 1}, {0x3c0, 16}, {0x3d4, 2}, {0x3da, 1}};
    const struct pdm_io dispi = {.name = "vbe-dispi",
                                 .base = 0x1ce,
                                 .count = 5, /* a double word at 1CFh ends at 1D2h */
                                 .min_size = 2,
                                 .max_size = 4,
                                 .read = dispi_read,
                                 .write = dispi_write};

    for (unsigned i = 0; i < G_N_ELEMENTS(ranges); i++) {
        const struct pdm_io io = {.name = "vga",
                                  .base = ranges[i].base,
                                  .count = ranges[i].count,
                                  .off_base = (uint16_t)(ranges[i].base - PORT_BASE),
                                  .min_size = 1,
                                  .max_size = 1,
                                  .read = ports_read,
                                  .write = ports_write};

        if (!pdm_io_add(dev, &io, error))
            return false;
    }
    return pdm_io_add(dev, &dispi, error);
}

static bool add_function(struct pdm_dev *dev, const struct identity *id, GError **error)
{
    struct pci_vga *s = pdm_state(dev);
    const struct pdm_mmio mmio = {.name = "vga-mmio",
                                  .size_bytes = MMIO_BYTES,
                                  .base_unmapped = true,
                                  .min_size = 1,
                                  .max_size = 4,
                                  .read = mmio_read,
                                  .write = mmio_write};
    struct pdm_pci pci = {.vendor = id->vendor,
                          .device = id->device,
                          .subsys_vendor = id->subsys_vendor,
                          .subsys = id->subsys,
                          .revision = id->revision,
                          .base_class = 0x03, /* VGA-compatible display controller */
                          .bus_default_slot = 2,
                          .rom = s->rom,
                          .rom_bytes = (uint32_t)s->rom_bytes};

    pci.bars[0] = (struct pdm_pci_bar){
        .kind = PDM_BAR_RAM, .size_bytes = s->vga.vram_bytes, .prefetchable = true, .region = s->vram};
    if (id->mmio) {
        pci.bars[2] = (struct pdm_pci_bar){.kind = PDM_BAR_MMIO, .size_bytes = MMIO_BYTES};
        if (!pdm_mmio_add(dev, &mmio, &pci.bars[2].region, error))
            return false;
    }
    return pdm_pci_register(dev, &pci, error);
}

static bool vga_construct(struct pdm_dev *dev, GError **error)
{
    struct pci_vga *s = pdm_state(dev);
    const struct pdm_mmio window = {.name = "vga-window",
                                    .base_gpa = VGA_WINDOW_GPA,
                                    .size_bytes = VGA_WINDOW_LEN,
                                    .min_size = 1,
                                    .max_size = 1,
                                    .read = window_read,
                                    .write = window_write};
    const struct identity *id = find_identity(dev, error);
    uint32_t bytes = 1 << 20;
    void *vram;

    if (!id)
        return false;
    while (bytes < pdm_cfg_u64(dev, "VRamSize")) /* a BAR is a power of two */
        bytes *= 2;
    if (!rom_load(dev, id, error) || !pdm_ram_add(dev, "vram", bytes, &s->vram, &vram, error))
        return false;
    vga_init(&s->vga, vram, bytes);
    s->dirty = g_new0(uint64_t, (VRAM_PAGES(s) + 63) / 64);
    return add_ports(dev, error) && pdm_mmio_add(dev, &window, &(pdm_region){0}, error) && add_function(dev, id, error);
}

static void vga_destruct(struct pdm_dev *dev)
{
    struct pci_vga *s = pdm_state(dev);

    g_free(s->dirty);
    g_free(s->rom);
}

static void vga_dev_reset(struct pdm_dev *dev)
{
    struct pci_vga *s = pdm_state(dev);

    vga_reset(&s->vga);
    s->stale = true;
}

static bool vga_state_check(void *state)
{
    struct pci_vga *s = state;

    s->stale = true;
    vbe_fit(&s->vga); /* vga.h inv 2 */
    return vga_check(&s->vga);
}

#define VERSION_PAGES 2u /* of the unit: without pages of zeros */

static void vram_save(const void *state, struct ssm_writer *w)
{
    const struct pci_vga *s = state;

    ssm_put_u32(w, s->vga.vram_bytes);
    ssm_put_pages(w, s->vga.vram, s->vga.vram_bytes);
}

static void vram_load(void *state, struct ssm_reader *r, uint32_t version)
{
    struct pci_vga *s = state;

    if (ssm_get_u32(r) != s->vga.vram_bytes)
        ssm_get_fail(r, "size of the video memory");
    else if (version < VERSION_PAGES)
        ssm_get_bytes(r, s->vga.vram, s->vga.vram_bytes);
    else
        ssm_get_pages(r, s->vga.vram, s->vga.vram_bytes);
}

static const struct ssm_field vga_fields[] = {
    SSM_U8(struct pci_vga, vga.misc),
    SSM_U8(struct pci_vga, vga.feature),
    SSM_U8(struct pci_vga, vga.enable),
    SSM_U8(struct pci_vga, vga.sr_index),
    SSM_U8S(struct pci_vga, vga.sr),
    SSM_U8(struct pci_vga, vga.gr_index),
    SSM_U8S(struct pci_vga, vga.gr),
    SSM_U8(struct pci_vga, vga.cr_index),
    SSM_U8S(struct pci_vga, vga.cr),
    SSM_U8(struct pci_vga, vga.ar_index),
    SSM_U8S(struct pci_vga, vga.ar),
    SSM_BOOL(struct pci_vga, vga.ar_data),
    SSM_U8(struct pci_vga, vga.dac_mask),
    SSM_U8(struct pci_vga, vga.dac_read),
    SSM_U8(struct pci_vga, vga.dac_write),
    SSM_U8(struct pci_vga, vga.dac_part),
    SSM_BOOL(struct pci_vga, vga.dac_reading),
    SSM_U8S(struct pci_vga, vga.dac),
    SSM_U8S(struct pci_vga, vga.dac_latch),
    SSM_U8S(struct pci_vga, vga.latch),
    SSM_U16(struct pci_vga, vga.vbe.index),
    SSM_UINTS(struct pci_vga, vga.vbe.reg),
    SSM_END,
};
static const struct ssm_desc vga_state = {.version = VERSION_PAGES,
                                          .oldest = 1,
                                          .fields = vga_fields,
                                          .check = vga_state_check,
                                          .save_extra = vram_save,
                                          .load_extra = vram_load};

static const struct pdm_cfg_key vga_config[] = {
    {.name = "VRamSize", .type = PDM_CFG_U64, .min = 1 << 20, .max = 256 << 20, .def = 16 << 20},
    {.name = "Identity", .type = PDM_CFG_STR, .def_str = "bochs"},
    {.name = "BiosRom", .type = PDM_CFG_STR, .def_str = "/usr/share/seabios/vgabios-stdvga.bin"},
    PDM_CFG_END,
};

static const struct pdm_display_port vga_display = {
    .render = display_render, .update = display_update, .text = display_text};

const struct pdm_devreg pci_vga_device = {
    .name = "vga",
    .desc = "VGA with Bochs display interface",
    .max_instances = 1,
    .state_size = sizeof(struct pci_vga),
    .config = vga_config,
    .state = &vga_state,
    .construct = vga_construct,
    .destruct = vga_destruct,
    .reset = vga_dev_reset,
    .display_port = &vga_display,
};
