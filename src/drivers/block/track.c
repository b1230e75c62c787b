/*
 * track.c - which parts of a disk its guest changes, for whoever copies it meanwhile: a bit per BLOCK_TRACK_BYTES.
 *
 * Invariant 1: a request's bits are set when it has changed the disk (also if it failed half way) and before anybody
 *              hears that it is done. Who clears bits and reads the disk then, on the driver's thread, when no request
 *              is under way, has missed nothing: what changes later sets them again.
 * Requests of the background (merging) change no byte the guest sees, and are not noted.
 */
#include "drivers/block/block_int.h"

void track_note(struct block *b, const struct pdm_block_req *req)
{
    if (!b->changes || req->bytes == 0 || (req->op != PDM_BLOCK_WRITE && req->op != PDM_BLOCK_DISCARD))
        return;
    const uint64_t first = req->offset_bytes / BLOCK_TRACK_BYTES;
    const uint64_t last = (req->offset_bytes + req->bytes - 1) / BLOCK_TRACK_BYTES;

    for (uint64_t n = first; n <= last && n < b->change_bits; n++) {
        const uint64_t bit = UINT64_C(1) << (n % 64);

        if (!(__atomic_fetch_or(&b->changes[n / 64], bit, __ATOMIC_RELAXED) & bit))
            __atomic_add_fetch(&b->change_count, 1, __ATOMIC_RELAXED);
    }
}

bool block_track(struct pdm_block *pub, bool on)
{
    struct block *b = (struct block *)pub;

    g_clear_pointer(&b->changes, g_free);
    b->change_count = 0;
    b->change_bits = (b->pub.size_bytes + BLOCK_TRACK_BYTES - 1) / BLOCK_TRACK_BYTES;
    if (on)
        b->changes = g_try_new0(uint64_t, b->change_bits / 64 + 1);
    return !on || b->changes;
}

uint64_t block_tracked(struct pdm_block *pub, uint64_t word)
{
    struct block *b = (struct block *)pub;

    if (!b->changes || word > b->change_bits / 64)
        return 0;
    const uint64_t bits = __atomic_exchange_n(&b->changes[word], 0, __ATOMIC_RELAXED);
    __atomic_sub_fetch(&b->change_count, (uint64_t)__builtin_popcountll(bits), __ATOMIC_RELAXED);
    return bits;
}

uint64_t block_tracked_next(struct pdm_block *pub, uint64_t word)
{
    const struct block *b = (struct block *)pub;

    for (; b->changes && word <= b->change_bits / 64; word++)
        if (__atomic_load_n(&b->changes[word], __ATOMIC_RELAXED))
            return word;
    return UINT64_MAX;
}

uint64_t block_tracked_count(struct pdm_block *pub)
{
    return __atomic_load_n(&((struct block *)pub)->change_count, __ATOMIC_RELAXED);
}
