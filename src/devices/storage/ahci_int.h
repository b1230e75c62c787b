/* ahci_int.h - between ahci.c (registers) and ahci_cmd.c (commands). */
#ifndef DEVICES_STORAGE_AHCI_INT_H
#define DEVICES_STORAGE_AHCI_INT_H

#include "devices/storage/ahci.h"

/* PxIS, PxIE (AHCI 1.3.1, 3.3.5) */
enum {
    IS_DHR = 1u << 0,
    IS_PS = 1u << 1,
    IS_SDB = 1u << 3,
    IS_DP = 1u << 5,
    IS_PC = 1u << 6,
    IS_PRC = 1u << 22,
    IS_OF = 1u << 24,
    IS_TFE = 1u << 30,
};
/* PxCMD (3.3.7) */
enum {
    CMD_ST = 1u << 0,
    CMD_SUD = 1u << 1,
    CMD_POD = 1u << 2,
    CMD_CLO = 1u << 3,
    CMD_FRE = 1u << 4,
    CMD_CCS = 0x1fu << 8,
    CMD_FR = 1u << 14,
    CMD_CR = 1u << 15,
    CMD_HPCP = 1u << 18,
    CMD_ATAPI = 1u << 24,
    CMD_WRITABLE = CMD_ST | CMD_FRE | 0x03000000u,
};
/* PxSERR (3.3.12) */
enum { SERR_N = 1u << 16, SERR_X = 1u << 26 };

static inline bool ahci_present(const struct ahci_port *p)
{
    return p->drive.id.kind != ATA_KIND_NONE;
}

/** Sets bits of PxIS; what is enabled becomes the HBA's. */
void ahci_event(struct ahci *a, unsigned port, uint32_t bits);
/** The drive's registers become PxTFD. */
void ahci_follow(struct ahci_port *p);

#endif
