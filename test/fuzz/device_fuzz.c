/*
 * device_fuzz.c - libFuzzer target for every device: the input decides what device_generic_test.c does by chance.
 *
 * The device (FUZZED, set when compiling) is made with media as the input says; then ports, registers, configuration,
 * memory, media, time, resets; in between its state is saved, spoilt by the input and loaded. Zeros follow the input.
 */
#include <glib.h>
#include <stdint.h>

static uint32_t next_number(void);
#define g_rand_int(numbers) ((void)(numbers), next_number())
#define main                device_generic_main /* unused here */
#include "devices/device_generic_test.c"

#define OPS_MAX 400

static struct {
    const uint8_t *at;
    size_t left;
} input;

static uint32_t next_number(void)
{
    uint32_t number = 0;
    const size_t n = MIN(input.left, sizeof(number));

    memcpy(&number, input.at, n);
    input.at += n;
    input.left -= n;
    return number;
}

/* As a machine that is restored; false = the state was refused, and the machine goes. */
static bool load_spoilt(struct fuzz *f)
{
    g_autoptr(GByteArray) unit = NULL;

    pdm_suspend(rig_pdm(f->r));
    unit = rig_save(f->r, rig_dev(f->r));
    pdm_resume(rig_pdm(f->r));
    spoil(unit);
    return rig_load(f->r, rig_dev(f->r), unit->data, unit->len, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    const struct pdm_devreg *reg = devices_find(FUZZED);
    struct fuzz f;
    bool lives = true;

    g_assert_nonnull(reg);
    input.at = data;
    input.left = bytes;
    make(&f, reg);
    for (unsigned n = 0; lives && input.left && n < OPS_MAX; n++) {
        poke(&f, 1);
        if (next_number() % 64 == 63)
            lives = load_spoilt(&f);
    }
    unmake(&f);
    return 0;
}
