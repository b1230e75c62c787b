/*
 * save.c - the whole machine to a file and back.
 *
 * Units, in order: "tm" (clock and time stamp counters), "pgm" (A20), "cpum" one per vCPU, "ram" as many as it takes,
 * then one per device. A state is only loaded into a machine of the same configuration (digest of the CFGM tree), and
 * only a machine that got every unit it has runs on; everything in the file is checked by who reads it. RAM comes last:
 * it is noted where each piece stands in the file, and fetched while the machine runs (ssm/memory.h); devices reach
 * for RAM when all units are loaded, not before. Thread: control thread, vCPUs parked, devices suspended and idle.
 */
#include <string.h>
#include <unistd.h>

#include "rt/fio_memory.h"
#include "rt/log.h"
#include "vmm/iem/iem.h"
#include "vmm/raw/raw.h"
#include "vmm/rem/rem.h"
#include "vmm/ssm/memory.h"
#include "vmm/trpm/trpm.h"
#include "vmm/vm/vm_int.h"

#define BUSY_TRIES      1000u /* milliseconds the drivers get to finish what is in flight */
#define VM_UNIT_VERSION 1u

static bool wait_idle(struct vm *vm, GError **error)
{
    for (unsigned k = 0; pdm_busy(vm->pdm); k++) {
        if (k == BUSY_TRIES) {
            g_set_error(error, VM_ERROR, 0, "A disk has not finished its requests for %u ms; try again later",
                        BUSY_TRIES);
            return false;
        }
        usleep(1000);
    }
    return true;
}

/* ---- saving ---- */

struct saver {
    struct ssm_out *out;
    bool ok;
    GError **error;
};

static void put_unit(struct saver *s, const char *name, unsigned instance, uint32_t version, struct ssm_writer *w)
{
    if (s->ok)
        s->ok = ssm_out_written(s->out, name, instance, version, w, s->error);
}

static void save_units(struct vm *vm, struct saver *s, bool with_ram)
{
    struct ssm_writer w;
    uint64_t bytes;
    void *ram = pgm_ram_hva(vm->pgm, &bytes);

    ssm_writer_init(&w);
    ssm_put_u64(&w, tm_now_ns(vm->tm, TM_VIRTUAL_SYNC));
    for (unsigned k = 0; k < vm->cpus; k++)
        ssm_put_u64(&w, tm_tsc(vm->tm, k));
    put_unit(s, "tm", 0, VM_UNIT_VERSION, &w);
    ssm_writer_fini(&w);
    ssm_writer_init(&w);
    ssm_put_u8(&w, pgm_a20(vm->pgm));
    put_unit(s, "pgm", 0, VM_UNIT_VERSION, &w);
    ssm_writer_fini(&w);
    for (unsigned k = 0; k < vm->cpus; k++) {
        ssm_writer_init(&w);
        ssm_put_state(&w, &cpum_state, &vm->cpu[k]->ctx);
        ssm_put_u32(&w, ff_get(&vm->cpu[k]->ff) & ~(uint32_t)(FF_REQUEST | FF_TLB_SYNC));
        trpm_save(vm->cpu[k], &w);
        put_unit(s, "cpum", k, cpum_state.version, &w);
        ssm_writer_fini(&w);
    }
    if (s->ok && with_ram)
        s->ok = ssm_out_memory(s->out, "ram", ram, bytes, pgm_ram_fd(vm->pgm), s->error);
    if (s->ok)
        s->ok = pdm_save_all(vm->pdm, s->out, s->error);
}

static bool save_to(struct vm *vm, const struct fio *io, const char *path, bool with_ram, GError **error)
{
    g_autofree char *digest = cfgm_digest(vm->root);

    if (!wait_idle(vm, error))
        return false;
    struct saver s = {.out = ssm_out_new(io, path, digest, error), .ok = true, .error = error};
    if (s.out == NULL)
        return false;
    if (vm->fill != NULL)
        ssm_fill_wait(vm->fill);
    save_units(vm, &s, with_ram);
    if (!s.ok) {
        ssm_out_abandon(s.out);
        return false;
    }
    return ssm_out_commit(s.out, error);
}

bool vm_save_now(struct vm *vm, const char *path, GError **error)
{
    return save_to(vm, fio_system(), path, true, error);
}

GBytes *vm_save_rest_now(struct vm *vm, GError **error)
{
    struct fio_memory file;

    fio_memory_init(&file, NULL, 0);
    bool ok = save_to(vm, &file.io, "state", false, error);
    GBytes *state = fio_memory_fini(&file);
    if (!ok)
        g_clear_pointer(&state, g_bytes_unref);
    return state;
}

uint8_t *vm_ram(struct vm *vm, uint64_t *ret_bytes)
{
    return pgm_ram_hva(vm->pgm, ret_bytes);
}

int vm_ram_fd(struct vm *vm)
{
    return pgm_ram_fd(vm->pgm);
}

char *vm_digest(struct vm *vm)
{
    return cfgm_digest(vm->root);
}

unsigned vm_ram_written(struct vm *vm, uint64_t *ret_bits)
{
    if (vm->fill != NULL)
        ssm_fill_wait(vm->fill);
    return pgm_ram_dirty_collect(vm->pgm, ret_bits);
}

/* ---- loading ---- */

struct loader {
    struct vm *vm;
    unsigned cpus, others; /* units seen */
};

static bool load_tm(struct loader *l, const struct ssm_unit *u, GError **error)
{
    struct ssm_reader r;

    ssm_reader_init(&r, u->bytes, u->size);
    uint64_t now_ns = ssm_get_u64(&r);
    if (now_ns > (uint64_t)INT64_MAX)
        ssm_get_fail(&r, "clock");
    if (ssm_reader_ok(&r))
        tm_set_ns(l->vm->tm, now_ns);
    for (unsigned k = 0; k < l->vm->cpus && ssm_reader_ok(&r); k++)
        tm_tsc_set(l->vm->tm, k, ssm_get_u64(&r));
    l->others++;
    return ssm_reader_finish(&r, u->name, error);
}

static bool load_pgm(struct loader *l, const struct ssm_unit *u, GError **error)
{
    struct ssm_reader r;

    ssm_reader_init(&r, u->bytes, u->size);
    pgm_a20_set(l->vm->pgm, ssm_get_u8(&r) != 0);
    l->others++;
    return ssm_reader_finish(&r, u->name, error);
}

static bool load_cpum(struct loader *l, const struct ssm_unit *u, GError **error)
{
    struct ssm_reader r;

    if (u->instance >= l->vm->cpus || u->instance != l->cpus) {
        g_set_error(error, SSM_ERROR, SSM_CORRUPT, "Unit 'cpum' %u is out of place", u->instance);
        return false;
    }
    struct vcpu *c = l->vm->cpu[l->cpus++];
    if (!ssm_version_ok(&cpum_state, u->version, u->name, error))
        return false;
    ssm_reader_init(&r, u->bytes, u->size);
    ssm_get_state(&r, &cpum_state, &c->ctx, u->version);
    uint32_t flags = ssm_get_u32(&r);
    ff_set(&c->ff, flags & (FF_INTR | FF_NMI | FF_INIT | FF_SIPI | FF_TRAP | FF_SHADOW));
    if (u->version >= 2)
        trpm_load(c, &r);
    if (!ssm_reader_finish(&r, u->name, error))
        return false;
    if (!cpum_loaded(c)) {
        g_set_error(error, SSM_ERROR, SSM_IMPOSSIBLE, "Unit 'cpum' %u: no processor can be in that state", u->instance);
        return false;
    }
    iem_flush(c);
    rem_flush(c);
    raw_flush(c);
    pgm_mmu_flush(&c->mmu, true);
    return true;
}

static bool load_unit(struct loader *l, struct ssm_in *in, struct ssm_unit *u, GError **error)
{
    if (strcmp(u->name, "ram") == 0 && l->vm->fill != NULL)
        return ssm_fill_unit(l->vm->fill, u, error);
    if (!ssm_in_read(in, u, error))
        return false;
    if (strcmp(u->name, "tm") == 0)
        return load_tm(l, u, error);
    if (strcmp(u->name, "pgm") == 0)
        return load_pgm(l, u, error);
    if (strcmp(u->name, "cpum") == 0)
        return load_cpum(l, u, error);
    return pdm_load_unit(l->vm->pdm, u, error);
}

static bool load_units(struct loader *l, struct ssm_in *in, GError **error)
{
    struct ssm_unit u;
    enum ssm_next next;

    while ((next = ssm_in_next(in, &u, error)) == SSM_NEXT_UNIT)
        if (!load_unit(l, in, &u, error))
            return false;
    if (next == SSM_NEXT_ERROR)
        return false;
    if (l->cpus != l->vm->cpus || l->others != 2) {
        g_set_error(error, SSM_ERROR, SSM_CORRUPT, "The saved state lacks a processor, the clock or the memory map");
        return false;
    }
    return true;
}

/* On one of the threads that fill. */
static void fill_done(void *user, const char *why)
{
    vm_ask(user, REQ_FILLED, 0, false, why);
}

void vm_filled(struct vm *vm)
{
    pgm_fill_set(vm->pgm, NULL, NULL);
    ssm_fill_finish(vm->fill);
    log_rel("VM: all memory of the saved state is there");
}

static void need_memory(void *user, uint64_t off)
{
    ssm_fill_need(user, off);
}

bool vm_load_now(struct vm *vm, const char *path, GError **error)
{
    g_autofree char *digest = cfgm_digest(vm->root);
    struct loader l = {.vm = vm};
    struct ssm_in *in = ssm_in_begin(fio_system(), path, digest, error);

    if (in == NULL)
        return false;
    uint64_t bytes;
    void *ram = pgm_ram_hva(vm->pgm, &bytes);
    vm->fill = ssm_fill_new(ram, bytes);
    pdm_load_begin(vm->pdm);
    bool ok = load_units(&l, in, error) && ssm_in_verify(in, error); /* memory is verified beside the devices */
    if (ok) {
        pgm_fill_set(vm->pgm, need_memory, vm->fill);
        ssm_fill_start(vm->fill, in, fill_done, vm);
        ok = pdm_load_end(vm->pdm, error);
    } else {
        ssm_in_close(in);
    }
    log_rel("VM: state %s '%s'", ok ? "loaded from" : "NOT loaded from", path);
    return ok;
}

bool vm_load_rest_now(struct vm *vm, GBytes *state, GError **error)
{
    g_autofree char *digest = cfgm_digest(vm->root);
    struct loader l = {.vm = vm};
    struct fio_memory file;
    gsize bytes;
    const void *p = g_bytes_get_data(state, &bytes);

    fio_memory_init(&file, p, bytes);
    struct ssm_in *in = ssm_in_open(&file.io, "state", digest, error);
    bool ok = in != NULL;
    if (ok) {
        pdm_load_begin(vm->pdm);
        ok = load_units(&l, in, error) && pdm_load_end(vm->pdm, error);
        ssm_in_close(in);
    }
    g_bytes_unref(fio_memory_fini(&file));
    return ok;
}
