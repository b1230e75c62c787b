/*
 * model.c - which family and model the "host" profile shows.
 *
 * Programs that bring code for several processors (functions GCC cloned for arch=..., mathematical libraries) choose it
 * by family and model and then take that model's instructions for granted. A model that always has AVX-512, shown
 * without it, makes them die of #UD; so a model of the same family shows up that has never had it.
 *
 * Sources: SDM vol. 4 table 2-1 (06_4FH: Xeon E5 and E7 v4, the last for servers before AVX-512); AMD 56683, revision
 * guide for family 19h models 00h-0Fh.
 */
#include "vmm/cpum/cpum_int.h"

#define INTEL_06_4FH_1 0x000406f1u
#define AMD_19H_01H_1  0x00a00f11u

uint32_t cpum_model_shown(enum cpum_vendor vendor, uint32_t host, bool host_avx512)
{
    if (!host_avx512)
        return host;
    return vendor == CPUM_VENDOR_AMD ? AMD_19H_01H_1 : INTEL_06_4FH_1;
}
