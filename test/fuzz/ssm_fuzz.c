/*
 * ssm_fuzz.c - libFuzzer target for the file of a saved state and its units of memory: the input edits a good file, or
 * is one; the checksums are made right; what the file says is read as by a machine.
 */
#define main ssm_test_main /* unused here */
#include "vmm/ssm/ssm_test.c"

#define WHOLE 0xffu /* the first byte: the rest is the file */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

/* Three bytes where, one what. */
static void edit(uint8_t *file, gsize size, const uint8_t *data, size_t bytes)
{
    for (; bytes >= 4; data += 4, bytes -= 4)
        file[(data[0] | data[1] << 8 | data[2] << 16) % size] = data[3];
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    static uint8_t *memory;
    static GBytes *good;
    g_autofree uint8_t *file = NULL;
    gsize size;

    if (!good) {
        struct fio_crash *disk = fio_crash_new();

        good = small_file(disk);
        fio_crash_free(disk);
        memory = g_malloc0(MEMORY_PAGES * PAGE);
    }
    if (bytes == 0)
        return 0;
    if (data[0] == WHOLE) {
        size = bytes - 1;
        file = g_memdup2(data + 1, size);
    } else {
        file = g_memdup2(g_bytes_get_data(good, &size), g_bytes_get_size(good));
        edit(file, size, data + 1, bytes - 1);
    }
    if (size > sizeof(struct ssm_header) + sizeof(struct ssm_trailer))
        fix(file, size);
    read_bytes(file, size, memory);
    return 0;
}
