/*
 * virtio_scsi.c - a virtio SCSI host: up to 256 targets with one unit each.
 *
 * Source: VIRTIO 1.1 [V] 5.6. Modern registers only, as VirtualBox's (1af4:1048). Queue 0 is for task management, 1 for
 * events (units that come, go or change their medium), the others for commands.
 * Left out: protection information, asynchronous notification of the SCSI kind.
 * Locks: every callback, also the completions, runs under the device lock.
 * Invariant 1: a command's chain is given back exactly once, with a response cleared before it was filled.
 */
#include "devices/storage/scsi_bus.h"
#include "devices/virtio/virtio_pci.h"

#include <string.h>

#define UNITS_MAX      256u
#define Q_CONTROL      0u
#define Q_EVENT        1u
#define Q_COMMAND      2u
#define COMMAND_QUEUES 4u
#define SEGMENTS_MAX   (VIRTQ_SIZE_MAX - 2)
#define SENSE_DEFAULT  96u
#define CDB_DEFAULT    32u
#define RESPONSE_BYTES 12u /* before the sense data */
#define EVENTS_MAX     64u
#define EVENT_BYTES    16u

#define F_HOTPLUG (UINT64_C(1) << 1)
#define F_CHANGE  (UINT64_C(1) << 2)
/* [V 5.6.6.1.1] response codes */
enum { RSP_OK = 0, RSP_OVERRUN = 1, RSP_ABORTED = 2, RSP_BAD_TARGET = 3, RSP_FAILURE = 9 };
/* [V 5.6.6.2] task management */
enum { CTL_TMF = 0, CTL_AN_QUERY = 1, CTL_AN_SUBSCRIBE = 2 };
enum {
    TMF_ABORT_TASK = 0,
    TMF_ABORT_SET = 1,
    TMF_CLEAR_ACA = 2,
    TMF_CLEAR_SET = 3,
    TMF_NEXUS_RESET = 4,
    TMF_UNIT_RESET = 5,
    TMF_QUERY = 6,
    TMF_QUERY_SET = 7
};
enum { TMF_COMPLETE = 0, TMF_REJECTED = 10, TMF_SUCCEEDED = 11 };
/* [V 5.6.6.3] events */
enum { EV_TRANSPORT_RESET = 1, EV_ASYNC_NOTIFY = 2, EV_PARAM_CHANGE = 3 };
enum { EV_RESCAN = 1, EV_REMOVED = 2 };

struct event {
    uint32_t kind, reason;
    uint16_t unit;
};

struct virtio_scsi {
    struct virtio v; /* first */
    struct scsi_bus bus;
    struct scsi_unit unit[UNITS_MAX];
    uint32_t sense_bytes, cdb_bytes;
    struct event event[EVENTS_MAX]; /* told when the guest gives room */
    uint32_t events;
    bool events_lost;
    struct virtq_chain chain; /* the one being looked at */
    /* where each running command's response goes */
    struct response {
        unsigned count;
        struct disk_run run[4];
    } response[SCSI_TASKS];
};

/* ---- commands ---- */

static struct response *response_of(struct virtio_scsi *s, const struct scsi_task *t)
{
    return &s->response[t - s->bus.task];
}

static void put32(uint8_t *p, uint32_t v)
{
    memcpy(p, &v, sizeof(v));
}

/* [V 5.6.6.1]: sense length, residual, status qualifier, status, response, sense. */
static unsigned fill(const struct virtio_scsi *s, const struct scsi_task *t, uint8_t *r)
{
    uint8_t sense[SCSI_SENSE_BYTES];
    const uint64_t left = t->data_bytes - MIN(t->moved, t->data_bytes);
    const bool check = t->cmd.status == SCSI_CHECK_CONDITION && !t->nobody;
    const uint32_t n = check ? MIN(SCSI_SENSE_BYTES, s->sense_bytes) : 0;

    memset(r, 0, RESPONSE_BYTES + SCSI_SENSE_BYTES);
    put32(r, n);
    put32(r + 4, (uint32_t)MIN(left, UINT32_MAX));
    r[10] = t->nobody ? 0 : t->cmd.status;
    r[11] = t->nobody ? RSP_BAD_TARGET : t->overrun ? RSP_OVERRUN : RSP_OK;
    if (check) {
        scsi_sense(&t->cmd.sense, sense);
        memcpy(r + RESPONSE_BYTES, sense, n);
    }
    return RESPONSE_BYTES + n;
}

static void command_done(struct pdm_dev *dev, struct scsi_task *t)
{
    struct virtio_scsi *s = pdm_state(dev);
    const struct response *to = response_of(s, t);
    uint8_t r[RESPONSE_BYTES + SCSI_SENSE_BYTES];
    unsigned n;

    if (t->parked) {
        virtq_later(&s->v.queue[t->queue], (uint16_t)t->tag);
        return;
    }
    n = fill(s, t, r);
    disk_runs_copy(dev, to->run, to->count, 0, r, n, true);
    /* inv 1; the response is written in front of the data */
    virtio_done(dev, t->queue, (uint16_t)t->tag,
                (uint32_t)MIN(RESPONSE_BYTES + s->sense_bytes + (t->to_guest ? t->moved : 0), UINT32_MAX));
}

/* [V 5.6.6.1]: 1, target, a flat LUN. False = nothing we have. */
static bool get_unit(const uint8_t *lun, unsigned *ret_unit, unsigned *ret_lun)
{
    *ret_unit = lun[1];
    *ret_lun = (unsigned)(lun[2] & 0x3f) << 8 | lun[3];
    return lun[0] == 1 && (lun[2] >> 6) <= 1;
}

/* The first bytes of the writable part: where the response goes. */
static void keep_response(struct virtio_scsi *s, const struct virtq_chain *c, struct response *to, uint64_t bytes)
{
    const struct disk_run *r = c->run + c->out_count;

    (void)s;
    to->count = 0;
    for (unsigned i = 0; i < c->in_count && bytes && to->count < G_N_ELEMENTS(to->run); i++) {
        const uint32_t n = (uint32_t)MIN(r[i].bytes, bytes);

        to->run[to->count++] = (struct disk_run){r[i].gpa, n};
        bytes -= n;
    }
}

static void begin(struct pdm_dev *dev, unsigned queue, struct scsi_task *t)
{
    struct virtio_scsi *s = pdm_state(dev);
    const struct virtq_chain *c = &s->chain;
    const uint64_t request_bytes = 19 + s->cdb_bytes, response_bytes = RESPONSE_BYTES + s->sense_bytes;
    uint8_t head[19] = {0};
    bool known;

    if (c->out_bytes < request_bytes || c->in_bytes < response_bytes) {
        scsi_task_put(&s->bus, t);
        virtio_broken(dev, "a SCSI request is too short");
        return;
    }
    virtq_read(dev, c, 0, head, sizeof(head));
    virtq_read(dev, c, sizeof(head), t->cmd.cdb, MIN(s->cdb_bytes, SCSI_CDB_BYTES));
    known = get_unit(head, &t->unit, &t->lun);
    if (!known)
        t->unit = UINT32_MAX;
    t->queue = queue;
    t->tag = c->head;
    memcpy(&t->where, head + 8, 8); /* the guest's tag */
    t->to_guest = c->in_bytes > response_bytes;
    t->data_bytes = t->to_guest ? c->in_bytes - response_bytes : c->out_bytes - request_bytes;
    keep_response(s, c, response_of(s, t), response_bytes);
    virtq_slice(c, !t->to_guest, t->to_guest ? response_bytes : request_bytes, t->data_bytes, t->io);
    scsi_task_run(dev, &s->bus, t);
}

static void work_commands(struct pdm_dev *dev, unsigned queue)
{
    struct virtio_scsi *s = pdm_state(dev);

    for (unsigned n = 0; n < VIRTQ_SIZE_MAX; n++) { /* no more than the queue can hold at once */
        struct scsi_task *t = scsi_task_get(&s->bus);

        if (!t)
            return;
        if (!virtio_next(dev, queue, &s->chain)) {
            scsi_task_put(&s->bus, t);
            return;
        }
        begin(dev, queue, t);
    }
}

/* ---- task management ---- */

/* Ends the commands that match: the guest gets their chains back, and none of its memory is touched any more. */
static bool abort_tasks(struct pdm_dev *dev, unsigned unit, const uint64_t *tag)
{
    static const uint8_t aborted[RESPONSE_BYTES] = {[11] = RSP_ABORTED};
    struct virtio_scsi *s = pdm_state(dev);
    bool any = false;

    for (unsigned i = 0; i < SCSI_TASKS; i++) {
        struct scsi_task *t = &s->bus.task[i];

        if (!t->used || t->unit != unit || (tag && t->where != *tag))
            continue;
        any = true;
        scsi_task_drop(&s->bus, t);
        disk_runs_copy(dev, s->response[i].run, s->response[i].count, 0, (void *)(uintptr_t)aborted, sizeof(aborted),
                       true);
        virtio_done(dev, t->queue, (uint16_t)t->tag, sizeof(aborted)); /* inv 1 */
    }
    return any;
}

static bool is_running(const struct virtio_scsi *s, unsigned unit, uint64_t tag)
{
    for (unsigned i = 0; i < SCSI_TASKS; i++)
        if (s->bus.task[i].used && s->bus.task[i].unit == unit && s->bus.task[i].where == tag)
            return true;
    return false;
}

static uint8_t task_management(struct pdm_dev *dev, const uint8_t *r)
{
    struct virtio_scsi *s = pdm_state(dev);
    unsigned unit, lun;
    uint32_t what;
    uint64_t tag;

    memcpy(&what, r + 4, 4);
    memcpy(&tag, r + 16, 8);
    if (!get_unit(r + 8, &unit, &lun) || unit >= s->bus.units || s->unit[unit].kind == SCSI_NONE)
        return RSP_BAD_TARGET;
    switch (what) {
    case TMF_ABORT_TASK: abort_tasks(dev, unit, &tag); return TMF_COMPLETE;
    case TMF_QUERY: return is_running(s, unit, tag) ? TMF_SUCCEEDED : TMF_COMPLETE;
    case TMF_ABORT_SET:
    case TMF_CLEAR_SET: abort_tasks(dev, unit, NULL); return TMF_COMPLETE;
    case TMF_NEXUS_RESET:
    case TMF_UNIT_RESET:
        abort_tasks(dev, unit, NULL);
        s->unit[unit].attention = (struct ata_sense){0x06, 0x29, 0x00};
        return TMF_COMPLETE;
    default: return TMF_REJECTED;
    }
}

static void control(struct pdm_dev *dev)
{
    struct virtio_scsi *s = pdm_state(dev);
    uint8_t r[24] = {0}, answer[5] = {0};
    uint32_t type, n;

    virtq_read(dev, &s->chain, 0, r, sizeof(r));
    memcpy(&type, r, 4);
    if (type == CTL_TMF) {
        const uint8_t response = task_management(dev, r);

        n = (uint32_t)virtq_write(dev, &s->chain, 0, &response, 1);
    } else { /* no event can be subscribed: the mask that remains is empty */
        answer[4] = type == CTL_AN_QUERY || type == CTL_AN_SUBSCRIBE ? RSP_OK : RSP_FAILURE;
        n = (uint32_t)virtq_write(dev, &s->chain, 0, answer, sizeof(answer));
    }
    virtio_done(dev, Q_CONTROL, s->chain.head, n);
}

/* ---- events ---- */

static void send_events(struct pdm_dev *dev)
{
    struct virtio_scsi *s = pdm_state(dev);

    while (s->events && virtio_next(dev, Q_EVENT, &s->chain)) {
        const struct event *e = &s->event[0];
        uint8_t r[EVENT_BYTES] = {0};

        put32(r, e->kind | (s->events_lost ? 0x80000000u : 0));
        r[4] = 1;
        r[5] = (uint8_t)e->unit;
        r[6] = 0x40;
        put32(r + 12, e->reason);
        s->events_lost = false;
        memmove(&s->event[0], &s->event[1], --s->events * sizeof(s->event[0]));
        virtio_done(dev, Q_EVENT, s->chain.head, (uint32_t)virtq_write(dev, &s->chain, 0, r, sizeof(r)));
    }
}

static void tell(struct pdm_dev *dev, uint32_t kind, uint32_t reason, unsigned unit)
{
    struct virtio_scsi *s = pdm_state(dev);

    if (s->events == EVENTS_MAX) {
        s->events_lost = true;
        return;
    }
    s->event[s->events++] = (struct event){kind, reason, (uint16_t)unit};
    send_events(dev);
}

static void vscsi_media_changed(struct pdm_dev *dev, unsigned lun)
{
    struct virtio_scsi *s = pdm_state(dev);
    const bool there = lun < s->bus.units && (s->unit[lun].kind != SCSI_NONE || s->unit[lun].hotplug);

    if (there && s->unit[lun].kind != SCSI_CD)
        abort_tasks(dev, lun, NULL);
    switch (scsi_bus_media_changed(dev, &s->bus, lun)) {
    case SCSI_CAME:
        if (virtio_has(&s->v, F_HOTPLUG))
            tell(dev, EV_TRANSPORT_RESET, EV_RESCAN, lun);
        break;
    case SCSI_WENT:
        if (virtio_has(&s->v, F_HOTPLUG))
            tell(dev, EV_TRANSPORT_RESET, EV_REMOVED, lun);
        break;
    case SCSI_OTHER_MEDIUM:
        if (virtio_has(&s->v, F_CHANGE)) /* 28h 00h: not ready to ready, the medium may have changed */
            tell(dev, EV_PARAM_CHANGE, 0x28, lun);
        break;
    case SCSI_SAME: break;
    }
}

static bool vscsi_media_locked(struct pdm_dev *dev, unsigned lun)
{
    const struct virtio_scsi *s = pdm_state(dev);

    return lun < s->bus.units && s->unit[lun].locked;
}

static void work(struct pdm_dev *dev, unsigned queue)
{
    struct virtio_scsi *s = pdm_state(dev);

    if (queue >= Q_COMMAND)
        work_commands(dev, queue);
    else if (queue == Q_EVENT)
        send_events(dev);
    else
        for (unsigned n = 0; n < VIRTQ_SIZE_MAX && virtio_next(dev, Q_CONTROL, &s->chain); n++)
            control(dev);
}

/* ---- registers ---- */

/* [V 5.6.4] */
static void config(struct pdm_dev *dev, uint8_t c[VIRTIO_CONFIG_MAX])
{
    const struct virtio_scsi *s = pdm_state(dev);

    put32(c, s->v.queues - Q_COMMAND);
    put32(c + 4, SEGMENTS_MAX);
    put32(c + 8, 0xffff); /* sectors at once */
    put32(c + 12, 32);    /* commands per unit */
    put32(c + 16, EVENT_BYTES);
    put32(c + 20, s->sense_bytes);
    put32(c + 24, s->cdb_bytes);
    c[30] = (uint8_t)(s->bus.units - 1); /* last target; last LUN is 0 */
}

/* Sense and command sizes are the driver's to set; each as a byte: more is never wanted. */
static void config_written(struct pdm_dev *dev, unsigned off, uint8_t val)
{
    struct virtio_scsi *s = pdm_state(dev);

    if (off == 20)
        s->sense_bytes = val;
    else if (off == 24)
        s->cdb_bytes = val;
}

static void reset_commands(struct pdm_dev *dev)
{
    struct virtio_scsi *s = pdm_state(dev);

    scsi_bus_drop(&s->bus, DISK_ALL);
    s->sense_bytes = SENSE_DEFAULT;
    s->cdb_bytes = CDB_DEFAULT;
    s->events = 0;
    s->events_lost = false;
}

static const struct virtio_ops ops = {
    .work = work, .reset = reset_commands, .config = config, .config_written = config_written};

/* ---- life ---- */

static bool vscsi_construct(struct pdm_dev *dev, GError **error)
{
    static const struct scsi_bus_ops bus_ops = {.done = command_done, .pump = virtio_work_all};
    struct virtio_scsi *s = pdm_state(dev);

    s->v.ops = &ops;
    s->v.type = 8;
    s->v.class_base = 0x01;
    s->v.class_sub = 0x00;
    s->v.slot = 15;
    s->v.queues = Q_COMMAND + COMMAND_QUEUES;
    s->v.config_bytes = 36;
    s->v.offered = F_HOTPLUG | F_CHANGE;
    s->bus.unit = s->unit;
    return scsi_bus_init(dev, &s->bus, (unsigned)pdm_cfg_u64(dev, "PortCount"), pdm_cfg_str(dev, "Drives"), &bus_ops,
                         error) &&
           virtio_pci_construct(dev, error);
}

static void vscsi_destruct(struct pdm_dev *dev)
{
    scsi_bus_fini(&((struct virtio_scsi *)pdm_state(dev))->bus);
}

static void vscsi_reset(struct pdm_dev *dev)
{
    struct virtio_scsi *s = pdm_state(dev);

    scsi_bus_reset(dev, &s->bus);
    virtio_pci_reset(dev);
}

static void vscsi_suspend(struct pdm_dev *dev)
{
    scsi_bus_suspend(&((struct virtio_scsi *)pdm_state(dev))->bus);
}

static void vscsi_resume(struct pdm_dev *dev)
{
    scsi_bus_resume(&((struct virtio_scsi *)pdm_state(dev))->bus);
    virtio_work_all(dev);
}

static bool vscsi_busy(struct pdm_dev *dev)
{
    return scsi_bus_busy(&((struct virtio_scsi *)pdm_state(dev))->bus);
}

static const struct ssm_field event_fields[] = {
    SSM_U32(struct event, kind),
    SSM_U32(struct event, reason),
    SSM_U16(struct event, unit),
    SSM_END,
};

static const struct ssm_field vscsi_fields[] = {
    SSM_STRUCT(struct virtio_scsi, v, virtio_fields),
    SSM_STRUCTS(struct virtio_scsi, unit, scsi_unit_fields),
    SSM_U32(struct virtio_scsi, sense_bytes),
    SSM_U32(struct virtio_scsi, cdb_bytes),
    SSM_STRUCTS(struct virtio_scsi, event, event_fields),
    SSM_U32(struct virtio_scsi, events),
    SSM_BOOL(struct virtio_scsi, events_lost),
    SSM_END,
};

static bool vscsi_check(void *state)
{
    struct virtio_scsi *s = state;

    scsi_bus_loaded(&s->bus);
    return virtio_check(&s->v) && s->sense_bytes <= UINT8_MAX && s->cdb_bytes <= UINT8_MAX && s->events <= EVENTS_MAX;
}

static const struct ssm_desc vscsi_state = {.version = 1, .oldest = 1, .fields = vscsi_fields, .check = vscsi_check};

static const struct pdm_cfg_key vscsi_config[] = {
    {.name = "PortCount", .type = PDM_CFG_U64, .min = 1, .max = UNITS_MAX, .def = 16},
    {.name = "Drives", .type = PDM_CFG_STR},
    PDM_CFG_END,
};

const struct pdm_devreg virtio_scsi_device = {
    .name = "virtio-scsi",
    .desc = "virtio SCSI host",
    .max_instances = 1,
    .state_size = sizeof(struct virtio_scsi),
    .config = vscsi_config,
    .state = &vscsi_state,
    .construct = vscsi_construct,
    .destruct = vscsi_destruct,
    .reset = vscsi_reset,
    .drive = virtio_pci_drive,
    .suspend = vscsi_suspend,
    .resume = vscsi_resume,
    .busy = vscsi_busy,
    .media_changed = vscsi_media_changed,
    .media_locked = vscsi_media_locked,
};
