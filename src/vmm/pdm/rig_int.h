/* rig_int.h - the fake machine's insides, for the rig's own files. */
#ifndef VMM_PDM_RIG_INT_H
#define VMM_PDM_RIG_INT_H

#include "vmm/pdm/pdm_int.h"
#include "vmm/pdm/rig.h"

#define RIG_RECORDER "rig" /* CFGM name of the device that stands in for missing partners */
#define RIG_TSC_HZ   1000000000u

enum rig_kind { RIG_MMIO, RIG_DEVRAM, RIG_ROM };
struct rig_range {
    enum rig_kind kind;
    uint64_t size_bytes, gpa;
    uint64_t order; /* when it was mapped; 0 = not mapped */
    void *mmio_user;
    uint8_t *bytes; /* DEVRAM, ROM */
    bool *dirty;    /* DEVRAM, by page */
};

struct rig_timer {
    struct rig *rig;
    void (*expired)(void *arg);
    void *arg;
    uint64_t when_ns, armed; /* armed: sequence number, orders equal times */
};

struct rig_fault {
    int op;
    uint64_t off, bytes;
    unsigned count;
    int status;
};

struct rig_media {
    struct pdm_block block;
    struct rig *rig;
    uint8_t *bytes;
    GPtrArray *waiting; /* struct pdm_block_req */
    struct rig_fault fault;
    bool hold;
    unsigned reads; /* that could be done at once */
    uint64_t flushes;
    int (*serve)(void *ctx, const struct pdm_block_req *req); /* NULL: bytes are the disk */
    void *serve_ctx;
};

struct rig_char {
    struct pdm_char chars;
    GByteArray *sent;
    size_t room;
    unsigned accepts;
};

struct rig {
    struct pdm *pdm;
    struct pdm_host host;
    struct cfgm_node *root;
    GPtrArray *regs;     /* const struct pdm_devreg, as added */
    GArray *numbers;     /* unsigned: their instances */
    GPtrArray *attached; /* struct rig_attachment */
    bool started;

    uint64_t low_bytes, high_bytes;
    GHashTable *pages; /* gpa >> 12 -> bytes, RAM as touched */
    GPtrArray *ranges; /* struct rig_range */
    uint64_t map_order;
    uint64_t stored_bytes; /* reported by pdm_mem_stored() */
    uint8_t shadow[256];
    bool a20;

    uint64_t now_ns, armed;
    int64_t utc_ns;
    GPtrArray *timers;

    unsigned cpus;
    int cpu;
    GArray *powers, *messages, *events, *eois;
    GString *log;
    GPtrArray *media, *chars;

    pdm_irq lines[PDM_ISA_LINES]; /* the recorder's sources */
    uint64_t rises_seen[PDM_ISA_LINES];
    struct rig_channel {
        uint8_t *buf;
        uint32_t bytes;
        uint8_t mode;
        bool dreq;
    } channels[PDM_DMA_CHANNELS];
};

struct rig_attachment {
    char *device;
    unsigned instance, lun;
    struct rig_media *media;
    struct rig_char *chars;
};

extern const struct pdm_devreg rig_recorder;

/* rig_mem.c */
void rig_mem_host(struct pdm_host *host);
void rig_ranges_clear(struct rig *r);
/* rig_time.c */
void rig_time_host(struct pdm_host *host);
/* rig_drv.c */
bool rig_drivers_attach(struct rig *r, GError **error);
bool rig_drivers_run(struct rig *r);
void rig_media_free(void *p);
void rig_char_free(void *p);
void rig_attachment_free(void *p);

#endif
