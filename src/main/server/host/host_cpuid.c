/*
 * host_cpuid.c - IHost: what the host's processors say of themselves.
 *
 * CPUID as the host's kernel lets it through; all processors are alike, so the one the service runs on answers for all.
 */
#include <cpuid.h>

#include "main/server/host/host.h"

#define LEAVES_MAX 64u

static void add_leaves(GVariantBuilder *b, unsigned first)
{
    unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;

    __cpuid(first, eax, ebx, ecx, edx);
    unsigned last = eax;
    for (unsigned leaf = first; last >= first && leaf <= last && leaf - first < LEAVES_MAX; leaf++) {
        __cpuid_count(leaf, 0, eax, ebx, ecx, edx);
        g_variant_builder_add(b, "(uuuuu)", leaf, eax, ebx, ecx, edx);
    }
}

bool host_get_cpuids(struct bus_call *call, GVariant **ret, GError **error)
{
    GVariantBuilder b;

    (void)call, (void)error;
    g_variant_builder_init(&b, G_VARIANT_TYPE("a(uuuuu)"));
    add_leaves(&b, 0);
    add_leaves(&b, 0x80000000u);
    *ret = g_variant_new("(a(uuuuu))", &b);
    return true;
}

bool host_get_cpuid(struct bus_call *call, GVariant **ret, GError **error)
{
    guint32 leaf, sub_leaf;
    unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;

    if (!host_cpu_exists(call, error))
        return false;
    g_variant_get(call->args, "(uuu)", NULL, &leaf, &sub_leaf);
    __cpuid_count(leaf, sub_leaf, eax, ebx, ecx, edx);
    *ret = g_variant_new("(uuuu)", eax, ebx, ecx, edx);
    return true;
}
