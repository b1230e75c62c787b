/*
 * tsc.c - the guest's time stamp counters.
 *
 * Guest TSC = host TSC - offset of the vCPU; it stands still while the machine is paused. Frequency: CPUID leaf 15h
 * (SDM vol. 3, 19.7.3), else the hypervisor's leaf 40000010h (the convention VMware published), else measured against
 * CLOCK_MONOTONIC_RAW. A host without an invariant TSC (CPUID 80000007h EDX bit 8) gets one made from the monotonic
 * clock at 1 GHz.
 */
#include "vmm/tm/tm_int.h"

#include <cpuid.h>
#include <time.h>

#include "rt/log.h"

#define MEASURE_NS       20000000
#define TRIES            8
#define CPUID_HYPERVISOR (1u << 31) /* leaf 1 ECX */

static uint64_t raw_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC_RAW, &ts);
    return (uint64_t)ts.tv_sec * NS_SEC + (uint64_t)ts.tv_nsec;
}

static uint64_t host_tsc(const struct tm_machine *tm)
{
    return tm->native_tsc ? __builtin_ia32_rdtsc() : tm_host_ns(tm);
}

/* Both clocks at one moment: of several tries the one in which least time passed. */
static void sample(uint64_t *ret_ns, uint64_t *ret_tsc)
{
    uint64_t best = UINT64_MAX;

    for (int i = 0; i < TRIES; i++) {
        uint64_t t0 = __builtin_ia32_rdtsc(), ns = raw_ns(), t1 = __builtin_ia32_rdtsc();
        if (t1 - t0 < best) {
            best = t1 - t0;
            *ret_ns = ns;
            *ret_tsc = t0 + (t1 - t0) / 2;
        }
    }
}

static uint64_t measure_hz(void)
{
    uint64_t ns0 = 0, ns1 = 0, tsc0 = 0, tsc1 = 0;

    sample(&ns0, &tsc0);
    g_usleep(MEASURE_NS / 1000);
    sample(&ns1, &tsc1);
    return (uint64_t)((unsigned __int128)(tsc1 - tsc0) * NS_SEC / MAX(ns1 - ns0, 1u));
}

/* Return: 0 = not told. */
static uint64_t told_hz(void)
{
    unsigned a, b, c, d;

    if (__get_cpuid_count(0x15, 0, &a, &b, &c, &d) && a && b && c)
        return (uint64_t)c * b / a;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & CPUID_HYPERVISOR))
        return 0;
    __cpuid(0x40000000, a, b, c, d);
    if (a < 0x40000010)
        return 0;
    __cpuid(0x40000010, a, b, c, d);
    return (uint64_t)a * 1000;
}

static bool host_tsc_invariant(void)
{
    unsigned a, b, c, d;

    return __get_cpuid(0x80000007, &a, &b, &c, &d) && (d & 1u << 8);
}

void tm_tsc_init(struct tm_machine *tm)
{
    tm->tsc_hz = NS_SEC;
    if (!tm->stepped && host_tsc_invariant()) {
        tm->native_tsc = true;
        tm->tsc_hz = told_hz();
        if (tm->tsc_hz < NS_SEC / 100)
            tm->tsc_hz = measure_hz();
    }
    atomic_store(&tm->tsc_stopped_at, host_tsc(tm));
    for (unsigned i = 0; i < tm->cpus; i++)
        atomic_store(&tm->tsc_offset[i], tm->tsc_stopped_at);
    if (!tm->stepped)
        log_rel("TM: cTSCTicksPerSecond=%llu (%s)", (unsigned long long)tm->tsc_hz,
                tm->native_tsc ? "host TSC with offset" : "from the monotonic clock");
}

void tm_tsc_stop(struct tm_machine *tm)
{
    atomic_store(&tm->tsc_stopped_at, host_tsc(tm));
    atomic_store(&tm->tsc_running, false);
}

void tm_tsc_start(struct tm_machine *tm)
{
    uint64_t missed = host_tsc(tm) - atomic_load(&tm->tsc_stopped_at);

    for (unsigned i = 0; i < tm->cpus; i++)
        atomic_fetch_add(&tm->tsc_offset[i], missed);
    atomic_store(&tm->tsc_running, true);
}

static uint64_t host_now(struct tm_machine *tm)
{
    if (atomic_load_explicit(&tm->tsc_running, memory_order_acquire))
        return host_tsc(tm);
    return atomic_load(&tm->tsc_stopped_at);
}

uint64_t tm_tsc(struct tm_machine *tm, unsigned cpu)
{
    return cpu < tm->cpus ? host_now(tm) - atomic_load_explicit(&tm->tsc_offset[cpu], memory_order_relaxed) : 0;
}

const _Atomic uint64_t *tm_tsc_offset(const struct tm_machine *tm, unsigned cpu)
{
    return tm->native_tsc && cpu < tm->cpus ? &tm->tsc_offset[cpu] : NULL;
}

void tm_tsc_set(struct tm_machine *tm, unsigned cpu, uint64_t val)
{
    if (cpu < tm->cpus)
        atomic_store(&tm->tsc_offset[cpu], host_now(tm) - val);
}

uint64_t tm_tsc_hz(const struct tm_machine *tm)
{
    return tm->tsc_hz;
}
